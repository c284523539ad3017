"""The walk of `make live-check`, in the sandbox: from an empty project to an empty project by the command line alone.

On the way: what a second launch builds, that the job uploads its selector to the Hub, and that no key is anywhere that
it does not belong.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cloud_walk import Walk, leave, walk, write_experiment
from huggingface_hub import HfApi, close_session

from arrcoc_core import load_settings
from arrcoc_core.cloud.names import Names
from arrcoc_core.sandbox import Sandbox

OWN_KEYS = {"WANDB_API_KEY": "5ec12e7" + "0123456789abcdef" * 2 + "0", "HF_TOKEN": "hf_" + "NoSuchTokenAnywhereElse42"}
"""Of the person at this machine: they go to no sandbox, which brings keys of its own."""


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_walk_leaves_results_and_no_key(
    full: bool, project: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, figures: Callable[..., None]
) -> None:
    write_experiment(project)
    for name, value in OWN_KEYS.items():
        monkeypatch.setenv(name, value)
    keys = {name: Path(file).read_text().strip() for name, file in sandbox.endpoints.keys.items()}
    names = Names.of(load_settings(project))
    steps = Walk(project, {}, timeout_s=300)
    steps.arrcoc("setup", "--yes", "--copy-keys")  # walk() sets up again, which changes nothing

    run = walk(steps)
    assert _stored_keys(sandbox, names) == keys, "the jobs' account can read the keys"
    _check_upload(Path(run["directory"]), sandbox, keys["HF_TOKEN"])
    assert _builds(sandbox) == 1
    searched = list(_bytes_of_everything(project, sandbox))
    assert len(searched) > 100
    for name, value in [*keys.items(), *OWN_KEYS.items()]:
        forms = (value.encode(), base64.b64encode(value.encode()))
        found = [where for where, data in searched if any(form in data for form in forms)]
        assert found == [], f"{name} lies open"

    if full:
        _build_only_what_has_changed(steps, sandbox)
    leave(steps, names.owner, names.runs_bucket)
    figures("cloud walk", attempts=len(run["attempts"]), cost_usd=run["cost_usd"], files_searched=len(searched))


def _build_only_what_has_changed(steps: Walk, sandbox: Sandbox) -> None:
    """The same code again builds nothing, edited experiments or not; an edit of training/, not committed, does."""
    project = steps.root
    (project / "experiments" / "walk.py").write_text((project / "experiments" / "walk.py").read_text() + "\n# edited\n")
    other = project / "experiments" / "other.py"
    other.write_text('from experiments.walk import walk\n\nother = walk.but(name="other")\n')
    _launch_and_cancel(steps, "other")
    assert _builds(sandbox) == 1
    trainer = project / "training" / "train.py"
    trainer.write_text(trainer.read_text() + "\n# edited\n")
    _launch_and_cancel(steps, "walk")
    assert _builds(sandbox) == 2


def _launch_and_cancel(steps: Walk, name: str) -> None:
    """Launch, wait until its image is there and a job was asked for, and cancel."""
    run_id = steps.launch(name)
    deadline = time.monotonic() + 120
    while steps.run(run_id)["state"] in ("queued", "preparing"):
        assert time.monotonic() < deadline, steps.run(run_id)
        time.sleep(0.5)
    steps.arrcoc("cancel", run_id, "--yes")
    ended = steps.until_ended(run_id)
    assert ended["state"] == "cancelled", ended


def _builds(sandbox: Sandbox) -> int:
    return sum(1 for request in sandbox.requests() if request["method"] == "CreateBuild")


def _check_upload(run: Path, sandbox: Sandbox, token: str) -> None:
    """The job's selector is on the Hub, its best and its last; its card has the run's numbers."""
    told = json.loads((run / "upload.json").read_text())
    assert told["state"] == "done", told
    url, repo = sandbox.endpoints.services["huggingface"], "sandbox/arr-coc-0-1"
    assert told["url"] == f"{url}/{repo}"
    api = HfApi(endpoint=url, token=token)
    info = api.model_info(repo, revision=run.name)
    assert info.sha == told["revision"] and info.private and info.card_data is not None
    assert {ref.name for ref in api.list_repo_refs(repo).tags} == {run.name, f"{run.name}-best"}
    summary = json.loads((run / "summary.json").read_text())
    assert info.card_data.eval_results[0].metric_value == summary["eval/accuracy"]  # type: ignore[union-attr]
    close_session()


def _stored_keys(sandbox: Sandbox, names: Names) -> dict[str, str]:
    client = sandbox.cloud().secrets()
    return {
        name: client.access_secret_version(name=f"{names.secret(name)}/versions/latest").payload.data.decode()
        for name in OWN_KEYS
    }


def _bytes_of_everything(project: Path, sandbox: Sandbox) -> Iterator[tuple[str, bytes]]:
    """Each file of the project's state (store, snapshot, runs, logs) and of the sandbox (requests, images, logs, jobs).

    Of the sandbox's database each row but those of its Secret Manager, the one place where keys belong, beside the
    files that the sandbox's own come from.
    """
    own = set(sandbox.endpoints.keys.values())
    for folder in (project, sandbox.folder):
        for path in folder.rglob("*"):
            if path.is_file() and not path.name.startswith("state.db") and str(path) not in own:
                yield str(path), path.read_bytes()
    with sqlite3.connect(f"file:{sandbox.folder / 'state.db'}?mode=ro", uri=True) as database:
        for kind, key, body in database.execute("SELECT kind, key, body FROM documents"):
            if kind != "secret payloads":
                yield f"sandbox: {kind} {key}", repr(body).encode()
