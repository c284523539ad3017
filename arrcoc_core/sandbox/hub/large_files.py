"""Large files: Git LFS's batch API with basic and multipart uploads, over addresses that carry their own permission.

git-lfs, docs/api/batch.md; the Hub's multipart transfer is that of huggingface_hub 2.4, lfs.py. What is kept already
is not asked for again. An upload counts when the whole content has its announced hash; parts may come in any order
and again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from arrcoc_core.sandbox.hub.contents import PIECE, Contents
from arrcoc_core.sandbox.hub.errors import HubError, bad_request

if TYPE_CHECKING:
    from arrcoc_core.sandbox.exchange import Exchange

PART = 8 * 1024 * 1024
"""Bytes of a part of a multipart upload; a file of at most two parts comes in one piece."""
LIFETIME_S = 3600
_OID = re.compile(r"[0-9a-f]{64}")
JSON = {"Content-Type": "application/vnd.git-lfs+json"}


class LargeFiles:
    def __init__(self, contents: Contents, folder: Path) -> None:
        self._contents = contents
        self._parts = folder / "parts"
        self._parts.mkdir(parents=True, exist_ok=True)
        self._secret = b""

    def start(self, secret: str) -> None:
        self._secret = bytes.fromhex(secret)

    def batch(self, body: dict[str, Any], base: str, repository: str) -> dict[str, Any]:
        """The answer of `objects/batch`: for each object where it goes, or comes from."""
        operation = body.get("operation")
        if operation not in ("upload", "download"):
            raise bad_request(f"Unknown operation: {operation}")
        multipart = "multipart" in (body.get("transfers") or ["basic"])
        objects: list[dict[str, Any]] = []
        for wanted in cast("list[dict[str, Any]]", body.get("objects") or []):
            oid, size = str(wanted.get("oid", "")), int(wanted.get("size", -1))
            row: dict[str, Any] = {"oid": oid, "size": size}
            held = self._contents.size(oid) if _OID.fullmatch(oid) else None
            if not _OID.fullmatch(oid) or size < 0:
                row["error"] = {"code": 422, "message": "Invalid oid or size"}
            elif operation == "download":
                if held is None:
                    row["error"] = {"code": 404, "message": "Object does not exist"}
                else:
                    row["actions"] = {"download": {"href": self.address(base, f"get/{oid}")}}
            elif held is None:
                row["actions"] = {
                    "upload": self._upload(base, oid, size, multipart),
                    "verify": {"href": f"{base}/{repository}.git/info/lfs/objects/verify", "header": {}},
                }
            objects.append(row)
        return {"transfer": "multipart" if multipart else "basic", "hash_algo": "sha256", "objects": objects}

    def verify(self, body: dict[str, Any]) -> None:
        held = self._contents.size(str(body.get("oid", "")))
        if held is None or held != body.get("size"):
            raise HubError(404, "The object has not been uploaded")

    def address(self, base: str, what: str, **more: str) -> str:
        """A place in the storage, open to whoever has the address, for an hour."""
        query = {**more, "expires": str(int(time.time()) + LIFETIME_S)}
        return f"{base}/storage/{what}?{urlencode({**query, 'signature': self._sign(what, query)})}"

    def check(self, what: str, query: dict[str, str]) -> None:
        """HubError 403 for an address that was not given out, or is too old."""
        given = dict(query)
        signature = given.pop("signature", "")
        if not hmac.compare_digest(signature, self._sign(what, given)) or int(given["expires"]) < time.time():
            raise HubError(403, "Request has expired, or its signature does not match")

    def receive(self, exchange: Exchange, what: str, query: dict[str, str]) -> dict[str, str]:
        """The body of a PUT: a whole object, or one part. The headers to answer with."""
        kind, _, oid = what.partition("/")
        if kind == "put":
            self._contents.take(_body(exchange), oid, int(query["size"]))
            return {"ETag": f'"{oid}"'}
        folder = self._parts / oid
        folder.mkdir(exist_ok=True)
        partial = folder / f"{secrets.token_hex(8)}.partial"
        digest = hashlib.md5(usedforsecurity=False)
        try:
            with partial.open("wb") as output:
                for piece in _body(exchange):
                    output.write(piece)
                    digest.update(piece)
            partial.replace(folder / f"{int(query['part']):05}-{digest.hexdigest()}")
        finally:
            partial.unlink(missing_ok=True)
        return {"ETag": f'"{digest.hexdigest()}"'}

    def complete(self, what: str, query: dict[str, str], body: dict[str, Any]) -> None:
        """Put the parts together. HubError 400 where one is missing or the whole has another hash."""
        oid = what.partition("/")[2]
        folder = self._parts / oid
        if self._contents.size(oid) is None:
            files: list[Path] = []
            for part in cast("list[dict[str, Any]]", body.get("parts") or []):
                path = folder / f"{int(part['partNumber']):05}-{str(part['etag']).strip(chr(34))}"
                if not path.exists():
                    raise bad_request(f"Part {part['partNumber']} has not been uploaded")
                files.append(path)
            self._contents.take(_joined(files), oid, int(query["size"]))
        shutil.rmtree(folder, ignore_errors=True)

    def _upload(self, base: str, oid: str, size: int, multipart: bool) -> dict[str, Any]:
        if not multipart or size <= 2 * PART:
            return {"href": self.address(base, f"put/{oid}", size=str(size)), "header": {}}
        parts = range(1, -(-size // PART) + 1)
        header = {f"{part:05}": self.address(base, f"part/{oid}", part=str(part)) for part in parts}
        href = self.address(base, f"complete/{oid}", size=str(size))
        return {"href": href, "header": {"chunk_size": str(PART), **header}}

    def _sign(self, what: str, query: dict[str, str]) -> str:
        text = f"{what}?{urlencode(sorted(query.items()))}"
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def _body(exchange: Exchange) -> Iterator[bytes]:
    while piece := exchange.stream.read(PIECE):
        yield piece


def _joined(files: list[Path]) -> Iterator[bytes]:
    for path in files:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
