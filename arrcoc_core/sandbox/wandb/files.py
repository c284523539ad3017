"""Files at W&B: contents on disk, what is known of them in the state, and signed addresses to move them at.

An address is signed as those of a real bucket are: whoever has it may read or write that one file, without a key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import mimetypes
import os
import secrets
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from arrcoc_core.sandbox.clock import Clock
from arrcoc_core.sandbox.state import State

if TYPE_CHECKING:
    from arrcoc_core.sandbox.exchange import Exchange

PIECE = 1 << 18


class Files:
    """A file is known by its owner ("run-7", "artifact-3") and its name within it."""

    def __init__(self, state: State, folder: Path, clock: Clock) -> None:
        self._table = state.table("file")
        self._state = state
        self._folder = folder
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)
        secrets_of = state.table("secret")
        held = secrets_of.get("storage") or {"key": secrets.token_hex(16)}
        secrets_of.put("storage", held)
        self._secret = bytes.fromhex(held["key"])

    def address(self, base: str, owner: str, name: str) -> str:
        return f"{base}/storage/{owner}/{quote(name)}?signature={self._sign(owner, name)}"

    def signed(self, owner: str, name: str, signature: str) -> bool:
        return hmac.compare_digest(self._sign(owner, name), signature)

    def receive(self, owner: str, name: str, exchange: Exchange) -> None:
        """Write a file from a request's body; half a body leaves what was there."""
        place, digest, size = f"{uuid.uuid4().hex}", hashlib.md5(), 0
        partial = self._folder / f"{place}.partial"
        try:
            with partial.open("wb") as file:
                while piece := exchange.stream.read(PIECE):
                    file.write(piece)
                    digest.update(piece)
                    size += len(piece)
            os.replace(partial, self._folder / place)
        finally:
            partial.unlink(missing_ok=True)
        self._put(owner, name, place, size, digest.digest())

    def write(self, owner: str, name: str, content: bytes) -> None:
        place = uuid.uuid4().hex
        (self._folder / place).write_bytes(content)
        self._put(owner, name, place, len(content), hashlib.md5(content).digest())

    def get(self, owner: str, name: str) -> dict[str, Any] | None:
        """{"owner", "name", "size", "md5", "mimetype", "updated", "place"}"""
        return self._table.get(f"{owner}/{name}")

    def of(self, owner: str) -> list[dict[str, Any]]:
        return self._table.values(f"{owner}/")

    def open(self, held: dict[str, Any]) -> BinaryIO:
        return (self._folder / str(held["place"])).open("rb")

    def read(self, owner: str, name: str) -> bytes | None:
        held = self.get(owner, name)
        return None if held is None else (self._folder / str(held["place"])).read_bytes()

    def delete(self, owner: str, name: str = "") -> None:
        """One file, or everything of an owner."""
        for held in self.of(owner) if not name else [self.get(owner, name)]:
            if held is not None:
                self._table.delete(f"{owner}/{held['name']}")
                (self._folder / str(held["place"])).unlink(missing_ok=True)

    def _put(self, owner: str, name: str, place: str, size: int, md5: bytes) -> None:
        with self._state.transaction():
            before = self.get(owner, name)
            held = {
                "owner": owner,
                "name": name,
                "size": size,
                "md5": base64.b64encode(md5).decode(),
                "mimetype": mimetypes.guess_type(name)[0] or "application/octet-stream",
                "updated": self._clock.now(),
                "place": place,
            }
            self._table.put(f"{owner}/{name}", held)
        if before is not None:
            (self._folder / str(before["place"])).unlink(missing_ok=True)

    def _sign(self, owner: str, name: str) -> str:
        return hmac.new(self._secret, f"{owner}/{name}".encode(), hashlib.sha256).hexdigest()[:32]
