"""`Fetcher`: brings pictures of watched runs while their rows are being read, in a thread of its own.

The newest few come by themselves, others when they are asked for. A row may be there before its picture, and a server
may be away: such a picture is tried again after pauses that double.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arrcoc_core.errors import ArrcocError
from arrcoc_core.metrics import open_metrics
from arrcoc_core.metrics.reading import RunMetrics
from arrcoc_core.online.addresses import RunPath
from arrcoc_core.online.pictures import fetch_pictures
from arrcoc_core.online.servers import Server

NEWEST = 8
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_TRIES = 12
_TIMEOUT_S = 20.0


@dataclass
class _Wanted:
    path: RunPath
    files: set[Path] = field(default_factory=set[Path])
    newest: bool = False
    tries: int = 0
    due: float = 0.0


class Fetcher:
    """Its thread is started with the first picture."""

    def __init__(self, server: Server, say: Callable[[dict[str, Any]], None]) -> None:
        self._server = server
        self._say = say
        self._wanted: dict[Path, _Wanted] = {}
        self._metrics: dict[Path, RunMetrics] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def want(self, path: RunPath, directory: Path, files: Sequence[Path]) -> None:
        self._add(path, directory, {directory / file for file in files}, newest=False)

    def want_newest(self, path: RunPath, directory: Path) -> None:
        """The newest few of the run, as far as they are not there."""
        self._add(path, directory, set(), newest=True)

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _add(self, path: RunPath, directory: Path, files: set[Path], *, newest: bool) -> None:
        with self._changed:
            wanted = self._wanted.setdefault(directory, _Wanted(path))
            wanted.files |= files
            wanted.newest |= newest
            wanted.tries, wanted.due = 0, 0.0
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name="online-pictures", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while (found := self._next()) is not None:
            self._fetch(*found)

    def _next(self) -> tuple[Path, _Wanted] | None:
        """Waits until something is due; None at the end."""
        with self._changed:
            while not self._stopped:
                first = min(self._wanted, key=lambda key: self._wanted[key].due, default=None)
                wait = None if first is None else self._wanted[first].due - time.monotonic()
                if first is not None and wait is not None and wait <= 0:
                    return first, self._wanted.pop(first)
                self._changed.wait(wait)
            return None

    def _fetch(self, directory: Path, wanted: _Wanted) -> None:
        files = wanted.files | self._newest(directory) if wanted.newest else wanted.files
        came: list[Path] = []
        try:
            client = self._server.client(timeout_s=_TIMEOUT_S)
            try:
                came = fetch_pictures(client, wanted.path, directory, sorted(files), patience_s=0.0)
            finally:
                client.close()
        except (ArrcocError, OSError) as error:
            self._say({"run": str(directory), "pictures": [], "error": f"Pictures: {error}"})
        if came:
            self._say({"run": str(directory), "pictures": [file.relative_to(directory).as_posix() for file in came]})
        left = {file for file in files if not file.exists()}
        if left and wanted.tries < _TRIES:
            with self._changed:
                kept = self._wanted.setdefault(directory, _Wanted(wanted.path))
                kept.files |= left
                kept.tries = wanted.tries + 1
                pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**wanted.tries)
                kept.due = max(kept.due, time.monotonic() + pause)

    def _newest(self, directory: Path) -> set[Path]:
        metrics = self._metrics.get(directory)
        if metrics is None:
            metrics = self._metrics[directory] = open_metrics(directory, refresh=False)
        else:
            metrics.refresh()
        return {media.path for media in metrics.media()[-NEWEST:] if not media.path.exists()}
