"""`Follower`: the reader child process, for programs without Qt (the app wraps the same child in a QProcess)."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any


def follow_command() -> list[str]:
    """The command of the child; what it reads and says stands in arrcoc_core/metrics/follow.py."""
    return [sys.executable, "-m", "arrcoc_core.metrics.follow"]


class Follower:
    """Starts the child; a thread of ours reads its lines and calls `on_change(line)` from that thread."""

    def __init__(self, on_change: Callable[[dict[str, Any]], None] | None = None) -> None:
        self._on_change = on_change
        self._process = subprocess.Popen(
            follow_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._thread = threading.Thread(target=self._read, name="metrics-follower", daemon=True)
        self._thread.start()

    def watch(self, run_dir: Path | str, *, live: bool = True) -> None:
        """Reads this run from now on; `live=False`: seldom, it has ended."""
        self.tell({"watch": str(Path(run_dir).resolve()), "live": live})

    def unwatch(self, run_dir: Path | str) -> None:
        """Leaves this run alone."""
        self.tell({"unwatch": str(Path(run_dir).resolve())})

    def close(self) -> None:
        """Ends the child and waits for it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Follower:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tell(self, command: dict[str, Any]) -> None:
        """Any line that the child takes, such as `OnlineRun.watch_command()`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if self._on_change is not None:
                self._on_change(json.loads(line))
