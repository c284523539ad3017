"""The sandbox's Hub as an upload meets it: its address and token in the environment, and a look at what is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from huggingface_hub import HfApi, close_session, snapshot_download
from huggingface_hub import constants as client_constants

from arrcoc_core.sandbox import Sandbox, running
from training.hub.upload import read_arguments, upload

ROOT = Path(__file__).resolve().parents[2]
REPO = "sandbox/arr-coc-0-1"


class HubPlace:
    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.url = sandbox.endpoints.services["huggingface"]
        self.token = Path(sandbox.endpoints.keys["HF_TOKEN"]).read_text(encoding="utf-8").strip()
        self.api = HfApi(endpoint=self.url, token=self.token)
        self.runs = folder / "runs"
        self.runs.mkdir()
        self._caches = 0

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "HF_ENDPOINT": self.url, "HF_TOKEN": self.token, "HF_HUB_CACHE": str(self.folder / "hub")}

    def start(self, run: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """An upload of the run's result to REPO."""
        if "--repo" not in arguments:
            arguments = ("--repo", REPO, *arguments)
        return subprocess.Popen(
            [sys.executable, "-m", "training.hub.upload", str(run), *arguments],
            cwd=ROOT,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def upload(self, run: Path, *arguments: str, **environment: str) -> tuple[int, str]:
        """Exit code, and what was said."""
        child = self.start(run, *arguments, **environment)
        said, _ = child.communicate(timeout=120)
        return child.returncode, said

    def here(self, run: Path, *arguments: str) -> int:
        """The same within this process, which is quicker; its exit code."""
        if "--repo" not in arguments:
            arguments = ("--repo", REPO, *arguments)
        return upload(read_arguments([str(run), *arguments]))

    def files(self, revision: str | None = None, repo: str = REPO) -> dict[str, bytes]:
        """Path -> content of what is there, without the Hub's own .gitattributes."""
        self._caches += 1
        folder = Path(
            snapshot_download(
                repo,
                revision=revision,
                endpoint=self.url,
                token=self.token,
                cache_dir=self.folder / f"cache-{self._caches}",
                ignore_patterns=[".gitattributes"],
            )
        )
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def commits(self, repo: str = REPO) -> int:
        """Beside the first, which makes the repository."""
        return len(self.api.list_repo_commits(repo)) - 1

    def tags(self, repo: str = REPO) -> dict[str, str]:
        return {ref.name: ref.target_commit for ref in self.api.list_repo_refs(repo).tags}

    def asked(self) -> list[str]:
        """Methods of every request to the Hub so far."""
        return [row["method"] for row in self.sandbox.requests() if row["service"] == "huggingface"]


def state(run: Path) -> dict[str, object]:
    return json.loads((run / "upload.json").read_text(encoding="utf-8"))


@contextmanager
def hub_place(folder: Path, key: str) -> Iterator[HubPlace]:
    """A sandbox whose Hub this process asks, too."""
    (folder / "sandbox").mkdir()
    (folder / "sandbox" / "key.json").write_text(key, encoding="utf-8")
    with running(folder / "sandbox", speed=100) as sandbox, pytest.MonkeyPatch.context() as patch:
        place = HubPlace(sandbox, folder)
        for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_CACHE"):
            patch.setenv(name, place.environment[name])
        # For what the tests themselves put there: the sandbox has no Xet. Our uploads do not ask for it.
        patch.setattr(client_constants, "HF_HUB_DISABLE_XET", True)
        yield place
        close_session()
