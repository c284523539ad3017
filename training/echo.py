"""A log file that is said aloud while it grows: in a container, standard output is what Cloud Logging collects.

The trainer writes to the file itself, so that nothing it says is lost with the process that repeats it.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from types import TracebackType

_LOOK_S = 0.2


class Echo:
    """Inside the `with`, a thread copies what is new in `path` to this process's standard output."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="echo", daemon=True)

    def __enter__(self) -> Echo:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._repeat()
        self._file.close()

    def _serve(self) -> None:
        while not self._stop.wait(_LOOK_S):
            self._repeat()

    def _repeat(self) -> None:
        data = self._file.read()
        while data:
            data = data[os.write(sys.stdout.fileno(), data) :]
