"""The bytes of all files, known by their SHA-256: one file each, there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from arrcoc_core.sandbox.hub.errors import HubError

PIECE = 256 * 1024


class Contents:
    def __init__(self, folder: Path) -> None:
        self._folder = folder / "objects"
        self._partial = folder / "partial"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._partial.mkdir(exist_ok=True)

    def sweep(self) -> None:
        """Remove what a process that was killed in the middle of an upload has left."""
        for path in self._partial.iterdir():
            path.unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    def size(self, sha256: str) -> int | None:
        """None where it is not here."""
        path = self.path(sha256)
        return path.stat().st_size if path.exists() else None

    def read(self, sha256: str) -> bytes:
        return self.path(sha256).read_bytes()

    def open(self, sha256: str) -> BinaryIO:
        return self.path(sha256).open("rb")

    def put(self, content: bytes) -> str:
        """Its SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.take([content], sha256, len(content))
        return sha256

    def take(self, pieces: Iterable[bytes], sha256: str, size: int | None = None) -> None:
        """Keep what comes, if it is what was announced. HubError 400 where it is not; then nothing is kept."""
        partial = self._partial / secrets.token_hex(12)
        digest, came = hashlib.sha256(), 0
        try:
            with partial.open("wb") as output:
                for piece in pieces:
                    output.write(piece)
                    digest.update(piece)
                    came += len(piece)
            if digest.hexdigest() != sha256 or (size is not None and came != size):
                raise HubError(400, f"The content received ({came} bytes) does not have the announced hash {sha256}")
            target = self.path(sha256)
            target.parent.mkdir(exist_ok=True)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)


def pieces(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """That part of an open file."""
    file.seek(start)
    while length and (piece := file.read(min(PIECE, length))):
        yield piece
        length -= len(piece)


def git_hash(content: bytes) -> str:
    """The name of a file's content in git."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def pointer(sha256: str, size: int) -> bytes:
    """What git keeps of a large file (git-lfs, docs/spec.md)."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
