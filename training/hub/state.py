"""`upload.json` in the run's folder: how the upload stands, for every door. Replaced whole.

    {"state": "uploading", "repo": "me/arr-coc", "url": "", "revision": "", "done_bytes": 0, "total_bytes": 9000,
     "detail": "", "remedy": "", "at": "2026-11-22T15:20:01.123Z"}

state: uploading, done, failed or skipped (there was no way to begin). `url` and `revision` are those of the last upload
that was complete, also while another one goes on or has failed; `detail` is one message, `remedy` what to do about it.
Whoever uploads writes it every few seconds: "uploading" with an old time means that it was killed.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from training.progress import replace_json, utc_now

FILE = "upload.json"
State = Literal["uploading", "done", "failed", "skipped"]
_SECONDS_BETWEEN_WRITES = 0.5


class UploadState:
    def __init__(self, run: Path, repo: str, on_change: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
        self.run = run.name
        """Id of the run."""
        self._path, self._on_change = run / FILE, on_change
        before = read_state(run) if read_state(run).get("repo") == repo else {}
        self._held: dict[str, Any] = {
            "state": "uploading",
            "repo": repo,
            "url": before.get("url", ""),
            "revision": before.get("revision", ""),
            "done_bytes": 0,
            "total_bytes": 0,
            "detail": "",
            "remedy": "",
        }
        self._written = float("-inf")
        self._lock = threading.RLock()  # a signal may come in the middle of a write, and writes the end

    def beat(self) -> bool:
        """Write it again, so that its time is fresh; False once it has ended."""
        with self._lock:
            if self._held["state"] != "uploading":
                return False
            self._write()
            return True

    def progress(self, done_bytes: int, total_bytes: int) -> None:
        """Written at most twice a second."""
        with self._lock:
            self._held |= {"done_bytes": done_bytes, "total_bytes": total_bytes}
            if time.monotonic() - self._written >= _SECONDS_BETWEEN_WRITES:
                self._write()

    def done(self, url: str, revision: str, detail: str) -> None:
        self._end("done", detail, "", url=url, revision=revision, done_bytes=self._held["total_bytes"])

    def ended(self, state: Literal["failed", "skipped"], detail: str, remedy: str) -> None:
        self._end(state, detail, remedy)

    def _end(self, state: State, detail: str, remedy: str, **more: Any) -> None:
        with self._lock:
            self._held |= {"state": state, "detail": detail, "remedy": remedy, **more}
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        held = {**self._held, "at": utc_now()}
        replace_json(self._path, held)
        self._on_change(held)


def read_state(run: Path) -> dict[str, Any]:
    """What is written there; {} where nothing is."""
    try:
        return json.loads((run / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
