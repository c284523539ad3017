"""Upload the result of a run from this machine: start the process that does it, and follow what it tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from arrcoc_core.errors import ConfigError, RunError
from arrcoc_core.hub.state import Upload, upload_of
from arrcoc_core.settings import Settings, load_settings

_NEEDED = ("huggingface_hub", "PIL")
_TO_END_S = 10.0


def upload_run(
    run_id: str,
    directory: Path,
    root: Path,
    *,
    endpoints: str = "",
    repo: str | None = None,
    private: bool | None = None,
    on_progress: Callable[[Upload], None] = lambda _: None,
) -> Upload:
    """Upload `directory`/result, or see that it is there already; may be interrupted and called again.

    `endpoints`: the folder of those that the run was launched with, whose Hub it then is. `repo` and `private`: other
    than what the experiment and `.training` say; a given `private` also changes a repository that is there. Raises
    ConfigError where something is missing here, RunError where the upload failed.
    """
    if not (directory / "result" / "DONE").is_file():
        raise RunError(
            f"{run_id} has no result to upload", remedy=f"A run has one when it has succeeded: arrcoc show {run_id}"
        )
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(f"not installed: {', '.join(missing)}", remedy='pip install -e ".[training]"')
    settings = _settings(root, endpoints)
    arguments = [str(directory), "--events", "--repo", repo or _repo(directory, settings)]
    if private is not None:
        arguments.append("--private" if private else "--public")
    last, complaint = _follow(arguments, root, _environment(settings), run_id, on_progress)
    if last is None:
        raise RunError(f"{run_id} was not uploaded: {complaint or 'the upload ended without a word'}")
    if last.state != "done":
        raise RunError(f"{run_id} was not uploaded to {last.repo}: {last.detail}", remedy=last.remedy)
    return last


def _settings(root: Path, endpoints: str) -> Settings:
    """Those of the place that the run belongs to: what was rehearsed in a sandbox does not go to the real Hub."""
    return load_settings(root, {**os.environ, "ARRCOC_CLOUD_ENDPOINTS": endpoints} if endpoints else None)


def _repo(directory: Path, settings: Settings) -> str:
    from arrcoc_core.stored import load_experiment

    found = load_experiment(directory).experiment.hub.repo or str(settings.get("HF_HUB_REPO_ID"))
    if not found:
        raise ConfigError(
            "No repository is named to upload to.",
            remedy="arrcoc upload RUN --repo OWNER/NAME, or HF_HUB_REPO_ID in .training",
        )
    return found


def _environment(settings: Settings) -> dict[str, str]:
    """This one's, with the Hub of the settings and the token for it."""
    from arrcoc_core.accounts.addresses import hub_url
    from arrcoc_core.accounts.keys import find_keys

    token = find_keys(settings).get("HF_TOKEN")
    environment = {name: value for name, value in os.environ.items() if name not in ("HF_TOKEN", "ARRCOC_ATTEMPT")}
    return {**environment, "HF_ENDPOINT": hub_url(settings), **({"HF_TOKEN": token.value} if token else {})}


def _follow(
    arguments: list[str],
    root: Path,
    environment: Mapping[str, str],
    run_id: str,
    on_progress: Callable[[Upload], None],
) -> tuple[Upload | None, str]:
    """The last state that the process told, and the last line of what it complained about."""
    last: Upload | None = None
    command = [sys.executable, "-m", "training.hub.upload", *arguments]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as complaints,
        subprocess.Popen(
            command,
            cwd=root,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        ) as child,
    ):
        assert child.stdout is not None
        try:
            for line in child.stdout:
                last = upload_of(json.loads(line), run_id)
                on_progress(last)
            child.wait()
        finally:
            if child.poll() is None:  # interrupted here: it says so in the run's folder, and ends
                child.terminate()
                try:
                    child.wait(_TO_END_S)
                except subprocess.TimeoutExpired:
                    child.kill()
        complaints.seek(0)
        lines = [line.strip() for line in complaints if line.strip()]
    return last, lines[-1] if lines else ""
