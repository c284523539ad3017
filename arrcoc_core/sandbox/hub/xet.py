"""Xet: how the client uploads large files where hf_xet is installed, in place of Git LFS.

Which of the two is the client's own choice (huggingface_hub 2.4, _commit_api.py: `is_xet_available`, i.e. hf_xet is
installed and HF_HUB_DISABLE_XET is not set); a server cannot switch it off. So uploads are served: a token for the
storage, xorbs, and shards that make files of them. Downloads are never offered through Xet: without `X-Xet-Hash` the
client reads over HTTP. https://huggingface.co/docs/xet/api

The storage's address bears a number of this sandbox's own: a client remembers for weeks what an address has stored,
and would not send it to another sandbox on the same port.
"""

from __future__ import annotations

import hmac
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from arrcoc_core.sandbox.hub.contents import Contents
from arrcoc_core.sandbox.hub.errors import HubError, bad_request
from arrcoc_core.sandbox.hub.xorbs import SharedFile, chunks, shard_files

if TYPE_CHECKING:
    from arrcoc_core.sandbox.hub.request import Request

LIFETIME_S = 3600
_HASH = re.compile(r"[0-9a-f]{64}")


class Xet:
    def __init__(self, contents: Contents, folder: Path) -> None:
        self._contents = contents
        self._folder = folder / "xorbs"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._secret = b""

    def start(self, secret: str) -> None:
        self._secret = bytes.fromhex(secret)

    def give_token(self, request: Request, kind: str, repo_id: str) -> None:
        """For who may write to the repository; it opens the storage for an hour."""
        request.begin("xet.token")
        with request.hub.box.state.transaction():
            request.writable(kind, repo_id)
        until = int(time.time()) + LIFETIME_S
        address = f"{request.base}/cas/{self._sign('address')[:16]}"
        token = f"{until}.{self._sign(str(until))}"
        headers = {
            "X-Xet-Cas-Url": address,
            "X-Xet-Access-Token": token,
            "X-Xet-Token-Expiration": str(until),
        }
        request.json({"casUrl": address, "accessToken": token, "exp": until}, headers)

    def serve(self, request: Request) -> None:
        """Below `/cas/<number>`. What has a newer form (grants, v2) is not there: the client goes back to this one."""
        match request.verb, request.parts[2:]:
            case "POST", ["v1", "xorbs", "default", name] if _HASH.fullmatch(name):
                request.begin_storing("xet.xorb")
                self._check(request)
                request.json({"was_inserted": self._keep(name, request.exchange.read())})
            case "POST", ["v1", "shards"]:
                request.begin_storing("xet.shard")
                self._check(request)
                new = [self._make(file) for file in shard_files(request.exchange.read())]
                request.json({"result": int(any(new))})
            case _:
                request.begin("xet.other")
                raise HubError(404, "Not found")

    def _check(self, request: Request) -> None:
        until, _, signature = request.header.removeprefix("Bearer ").partition(".")
        fresh = until.isdigit() and int(until) > time.time()
        if not fresh or not hmac.compare_digest(signature, self._sign(until)):
            raise HubError(401, "Invalid or expired Xet token")

    def _keep(self, name: str, content: bytes) -> bool:
        """Whether it is new."""
        path = self._folder / name
        if path.exists():
            return False
        if sum(len(chunk) for chunk in chunks(content)) == 0:
            raise bad_request("An empty xorb")
        partial = path.with_suffix(f".{os.urandom(6).hex()}.partial")
        partial.write_bytes(content)
        os.replace(partial, path)
        return True

    def _make(self, file: SharedFile) -> bool:
        """Put a file together and keep it under its SHA-256. Whether it is new."""
        if not file.sha256 or self._contents.size(file.sha256) is not None:
            return False
        self._contents.take(self._pieces(file), file.sha256)
        return True

    def _pieces(self, file: SharedFile) -> Iterator[bytes]:
        for segment in file.segments:
            path = self._folder / segment.xorb
            if not path.exists():
                raise bad_request(f"The xorb {segment.xorb} has not been uploaded")
            yield from chunks(path.read_bytes(), segment.first, segment.stop)

    def _sign(self, text: str) -> str:
        return hmac.new(self._secret, f"xet {text}".encode(), "sha256").hexdigest()
