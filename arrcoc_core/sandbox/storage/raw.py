"""Storage as a service of the sandbox: it reads HTTP by itself, and everything around it is the framework's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.faults import BucketTaken, SlowDown
from arrcoc_core.sandbox.project import PROJECT, PROJECT_NUMBER
from arrcoc_core.sandbox.service import RawService
from arrcoc_core.sandbox.storage.access import allowed, missing
from arrcoc_core.sandbox.storage.conditions import Conditions
from arrcoc_core.sandbox.storage.content import PIECE, Hashes
from arrcoc_core.sandbox.storage.messages import Reply, Request, StorageError, json_reply
from arrcoc_core.sandbox.storage.service import Route, Storage

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box
    from arrcoc_core.sandbox.exchange import Exchange

Watcher = Callable[[str, str, bytes], None]
"""Told of each written object: bucket, name, content (of small ones; b"" for others)."""


class StorageService(RawService):
    name = "storage"
    api = "storage.googleapis.com"

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self.storage = Storage(box.data("storage"), _World(box))
        self._watchers: list[Watcher] = []
        self.storage.objects.written = self._tell

    def watch(self, watcher: Watcher) -> None:
        """Be told of every object once it is written and before its writer is."""
        self._watchers.append(watcher)

    def read(self, account: str, bucket: str, name: str, generation: int = 0) -> bytes:
        """An object, read by a service account from inside the sandbox. StorageError where it may not, or cannot."""
        self._check(account, "storage.objects.get", bucket)
        held = self.storage.index.object(bucket, name)
        if held is None or (generation and held[2]["generation"] != str(generation)):
            raise StorageError(404, "notFound", f"No such object: {bucket}/{name}")
        return self.storage.contents.path(held[1]).read_bytes()

    def write(self, account: str, bucket: str, name: str, content: bytes, kind: str) -> None:
        """Replace an object, as a service account."""
        self._check(account, "storage.objects.insert", bucket)
        hashes, file = Hashes(), self.storage.contents.new_file()
        self.storage.contents.path(file).write_bytes(content)
        hashes.update(content)
        self.storage.objects.commit(bucket, name, {"contentType": kind}, file, hashes, Conditions())

    def _check(self, account: str, method: str, bucket: str) -> None:
        permission = missing(self.box, account, method, self.storage.buckets.held(bucket))
        if permission:
            text = f"{account} does not have {permission} access to the Google Cloud Storage object."
            raise StorageError(403, "forbidden", text)

    def stop(self) -> None:
        self.storage.close()

    def kill(self) -> None:
        self.storage.close()

    def serve(self, exchange: Exchange) -> None:
        request = Request(
            exchange.verb,
            exchange.path,
            {name: tuple(values) for name, values in exchange.query.items()},
            {name.lower(): str(value) for name, value in exchange.headers.items()},
            _Body(exchange),
            exchange.base,
        )
        try:
            route = self.storage.route(request)
        except StorageError as error:
            _send(exchange, error.reply(), self.storage)
            return
        exchange.recorded(
            route.name.removeprefix("storage."), mutating=route.mutating, project=self._project(request, route)
        )
        denied = self._denied(exchange.caller, route)
        try:
            if denied:
                reply = denied.reply()
            elif route.name == "storage.buckets.testIamPermissions":
                reply = self._tested(request, route, exchange.caller)
            else:
                reply = self.storage.handle(request)
        except StorageError as error:
            reply = error.reply()
        except ConnectionAbortedError:
            exchange.drop()
            return
        _send(exchange, reply, self.storage)

    def _project(self, request: Request, route: Route) -> str:
        held = self.storage.index.bucket(route.bucket) if route.bucket else None
        return str(held["project"]) if held else request.one("project") or ""

    def _denied(self, caller: str, route: Route) -> StorageError | None:
        """A refusal where a bucket's policy and the project's give this account too little."""
        bucket = self.storage.index.bucket(route.bucket) if route.bucket else None
        if route.bucket and bucket is None:
            return None
        permission = missing(self.box, caller, route.name, bucket) if route.name else ""
        if not permission:
            return None
        what = f"objects in {route.bucket}" if ".objects." in permission else route.bucket or "the project"
        return StorageError(
            403 if caller else 401,
            "forbidden" if caller else "required",
            f"{caller or 'Anonymous caller'} does not have {permission} access to {what}. "
            f"Permission '{permission}' denied on resource (or it may not exist).",
        )

    def _tested(self, request: Request, route: Route, caller: str) -> Reply:
        bucket = self.storage.buckets.held(route.bucket)
        wanted = request.query.get("permissions", ())
        granted = [name for name in wanted if allowed(self.box, caller, name, bucket)]
        return json_reply({"kind": "storage#testIamPermissionsResponse", "permissions": granted})

    def _tell(self, bucket: str, name: str, file: str, size: int) -> None:
        if self._watchers:
            content = self.storage.contents.path(file).read_bytes() if size < PIECE else b""
            for watcher in self._watchers:
                watcher(bucket, name, content)


class _World:
    def __init__(self, box: Box) -> None:
        self._box = box

    def now(self) -> datetime:
        return self._box.clock.date()

    def project_number(self, project: str) -> str | None:
        return PROJECT_NUMBER if project in (PROJECT, PROJECT_NUMBER) else None

    def account_exists(self, email: str) -> bool:
        own = email.endswith(f"@{PROJECT}.iam.gserviceaccount.com")
        return not own or bool(self._box.service("iam").exists(email))

    def somebody_elses(self, bucket: str) -> bool:
        return self._box.faults.peek(BucketTaken, name=bucket) is not None

    def bytes_per_s(self) -> float | None:
        found = self._box.faults.peek(SlowDown, service="storage")
        return found.bytes_per_s if found else None


class _Body:
    """The body of an exchange; a sender who has gone is its end."""

    def __init__(self, exchange: Exchange) -> None:
        self._stream = exchange.stream

    def read(self, size: int, /) -> bytes:
        with contextlib.suppress(EOFError, ConnectionError):
            return self._stream.read(size)
        return b""


def _send(exchange: Exchange, reply: Reply, storage: Storage) -> None:
    if not exchange.stream.ended:  # what was not read, because the request was refused
        with contextlib.suppress(EOFError, ConnectionError):
            exchange.read()
    if reply.file is None:
        exchange.send(reply.status, reply.body, reply.headers)
        return
    with reply.file as content:
        exchange.send_stream(reply.status, reply.length, _pieces(content, reply.length, storage), reply.headers)


def _pieces(content: Any, length: int, storage: Storage) -> Iterator[bytes]:
    while length and (piece := content.read(min(PIECE, length))):
        storage.contents.throttle.take(len(piece))
        yield piece
        length -= len(piece)
