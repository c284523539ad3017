"""The bytes of objects: one file each, written beside the others and referred to only when they are whole."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from arrcoc_core.sandbox.storage.messages import Readable

PIECE = 256 * 1024


class Hashes:
    """crc32c and md5 of what went through, as Google writes them (base64, big-endian)."""

    def __init__(self) -> None:
        import google_crc32c

        library: Any = google_crc32c
        self._crc: Any = library.Checksum()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.size = 0

    def update(self, piece: bytes) -> None:
        self._crc.update(piece)
        self._md5.update(piece)
        self.size += len(piece)

    @property
    def crc32c(self) -> str:
        return base64.b64encode(self._crc.digest()).decode()

    @property
    def md5(self) -> str:
        return base64.b64encode(self._md5.digest()).decode()


class Throttle:
    """A line of so many bytes per second that everybody shares; `limit` gives the present rate, None for no limit."""

    def __init__(self, limit: Callable[[], float | None]) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._free_at = 0.0

    def take(self, size: int) -> None:
        rate = self._limit()
        if rate is None or rate <= 0:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / rate
            wait = self._free_at - now
        if wait > 0.001:
            time.sleep(wait)


class Contents:
    def __init__(self, folder: Path, throttle: Throttle) -> None:
        self._folder = folder
        self.throttle = throttle
        folder.mkdir(parents=True, exist_ok=True)

    def new_file(self) -> str:
        name = f"{secrets.token_hex(1)}/{secrets.token_hex(12)}"
        (self._folder / name).parent.mkdir(exist_ok=True)
        return name

    def path(self, file: str) -> Path:
        return self._folder / file

    def receive(self, file: str, body: Readable, hashes: Hashes, *, at: int = 0) -> int:
        """Write a body from position `at` on; returns how many bytes came."""
        path = self.path(file)
        with path.open("r+b" if path.exists() else "w+b") as output:
            output.seek(at)
            output.truncate()
            came = 0
            while piece := body.read(PIECE):
                output.write(piece)
                hashes.update(piece)
                came += len(piece)
                self.throttle.take(len(piece))
        return came

    def open(self, file: str) -> BinaryIO:
        return self.path(file).open("rb")

    def remove(self, file: str) -> None:
        self.path(file).unlink(missing_ok=True)

    def sweep(self, wanted: set[str]) -> None:
        """Remove what nothing refers to: left by a process that was killed in the middle of an upload."""
        for path in self._folder.glob("*/*"):
            if f"{path.parent.name}/{path.name}" not in wanted:
                path.unlink(missing_ok=True)
