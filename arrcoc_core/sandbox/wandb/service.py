"""W&B as a service of the sandbox: HTTP to GraphQL, to file streams, to files and to pages."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar
from urllib.parse import unquote

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.faults import NoLaunch
from arrcoc_core.sandbox.service import RawService
from arrcoc_core.sandbox.wandb import file_stream, pages
from arrcoc_core.sandbox.wandb.accounts import KEY_FILE
from arrcoc_core.sandbox.wandb.artifacts.mutations import ArtifactFields
from arrcoc_core.sandbox.wandb.files import PIECE
from arrcoc_core.sandbox.wandb.graphql import Endpoint, WandbError
from arrcoc_core.sandbox.wandb.launch import web
from arrcoc_core.sandbox.wandb.launch.mutations import LaunchFields
from arrcoc_core.sandbox.wandb.reading import Reading
from arrcoc_core.sandbox.wandb.schema_artifacts import ARTIFACTS
from arrcoc_core.sandbox.wandb.schema_launch import LAUNCH
from arrcoc_core.sandbox.wandb.world import Asked, World, owner
from arrcoc_core.sandbox.wandb.writing import Writing

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box
    from arrcoc_core.sandbox.exchange import Exchange

_OPERATION = re.compile(r"^\s*(query|mutation)\b\s*(\w*)", re.MULTILINE)
_FIELD = re.compile(r"\{\s*(\w+)")
_FILE_STREAM = re.compile(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream")
_FILE = re.compile(r"/files/([^/]+)/([^/]+)/([^/]+)/(.+)")
_STORAGE = re.compile(r"/storage/([^/]+)/(.+)")
# The words of a refusal by its status, where it is the scenario's and not a handler's own.
_WORDS = {401: "user is not logged in", 403: "permission denied", 429: "rate limit exceeded"}
_CODES = {401: "UNAUTHENTICATED", 403: "PERMISSION_ERROR"}


class _Refused(Exception):
    """An answer that says no: what a mutation had written by then is dropped."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class Root(Reading, Writing, LaunchFields, ArtifactFields):
    """The fields of Query and Mutation."""


class WandbService(RawService):
    name = "wandb"
    google = False
    key_files: ClassVar[Mapping[str, str]] = {"WANDB_API_KEY": KEY_FILE}

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self.world = World(box)
        self._endpoints: dict[bool, Endpoint] = {}

    def control(self, asked: dict[str, Any]) -> Any:
        return web.act(self.world, asked)

    def stop(self) -> None:
        self.world.state.close()

    def kill(self) -> None:
        self.world.state.close()

    def serve(self, exchange: Exchange) -> None:
        try:
            with contextlib.suppress(WandbError):  # whoever it is, the request is recorded first
                exchange.caller = self._asked(exchange).caller
            self._serve(exchange)
        except WandbError as error:
            exchange.json(error.status, _body(error.message, error.code))

    def refuse(self, exchange: Exchange, error: ApiError) -> None:
        status = error.http_status
        exchange.json(status, _body(_WORDS.get(status, error.message), _CODES.get(status, "")), error.headers)

    def _serve(self, exchange: Exchange) -> None:
        path = exchange.path
        if path == "/graphql" and exchange.verb == "POST":
            self._graphql(exchange)
        elif (found := _FILE_STREAM.fullmatch(path)) and exchange.verb == "POST":
            body = exchange.read()
            exchange.recorded("file_stream", mutating=True)
            entity, project, name = (unquote(part) for part in found.groups())
            exchange.json(200, file_stream.receive(self._asked(exchange), entity, project, name, body))
        elif found := _STORAGE.fullmatch(path):
            self._storage(exchange, unquote(found[1]), unquote(found[2]))
        elif (found := _FILE.fullmatch(path)) and exchange.verb in ("GET", "HEAD"):
            exchange.recorded("file", mutating=False)
            entity, project, name, file = (unquote(part) for part in found.groups())
            asked = self._asked(exchange)
            run = self.world.runs.get(entity, project, name) if asked.readable(entity) else None
            self._send(exchange, owner(run) if run else "", file)
        elif exchange.verb in ("GET", "HEAD") and (shown := pages.page(self.world, exchange.base, path)) is not None:
            exchange.send(200, shown.encode(), {"Content-Type": "text/html; charset=utf-8"})
        else:
            raise WandbError(404, "404 page not found")

    def _graphql(self, exchange: Exchange) -> None:
        try:
            held: dict[str, Any] = json.loads(exchange.read())
            query, name = str(held["query"]), held.get("operationName") or None
        except (ValueError, KeyError, TypeError):
            raise WandbError(400, "invalid GraphQL request") from None
        kind, named = _what(query)
        exchange.recorded(name or named, mutating=kind == "mutation")
        root = Root(self._asked(exchange))
        try:
            with self.world.state.transaction():  # of a query, too: what it sees is of one moment
                status, body = self._schema().execute(query, held.get("variables"), name, root)
                if status != 200:
                    raise _Refused(status, body)
        except _Refused as refused:
            exchange.json(refused.status, refused.body)
        else:
            exchange.json(200, body)

    def _storage(self, exchange: Exchange, held_by: str, name: str) -> None:
        writing = exchange.verb == "PUT"
        exchange.recorded("upload" if writing else "download", mutating=writing)
        signature = (exchange.query.get("signature") or [""])[0]
        if not self.world.files.signed(held_by, name, signature):
            raise WandbError(403, "the signature does not fit the address")
        if writing:
            self.world.files.receive(held_by, name, exchange)
            exchange.send(200)
        elif exchange.verb in ("GET", "HEAD"):
            self._send(exchange, held_by, name)
        else:
            raise WandbError(405, "method not allowed")

    def _send(self, exchange: Exchange, held_by: str, name: str) -> None:
        held = self.world.files.get(held_by, name)
        if held is None:
            raise WandbError(404, f"file {name} not found")
        with self.world.files.open(held) as content:
            headers = {"Content-Type": held["mimetype"]}
            exchange.send_stream(200, held["size"], _pieces(content), headers)

    def _asked(self, exchange: Exchange) -> Asked:
        """WandbError (401) where the key is not one."""
        caller = self.world.accounts.caller(exchange.headers.get("Authorization", ""))
        return Asked(self.world, caller, exchange.base)

    def _schema(self) -> Endpoint:
        """The schema in force: of a server with Launch, or of one without."""
        without = self.box.faults.peek(NoLaunch) is not None
        if without not in self._endpoints:
            self._endpoints[without] = Endpoint(ARTIFACTS) if without else Endpoint(ARTIFACTS, LAUNCH)
        return self._endpoints[without]


def _what(query: str) -> tuple[str, str]:
    """("query" or "mutation", the operation's name, or its first field's)"""
    found = _OPERATION.search(query)
    kind, name = (found[1], found[2]) if found else ("query", "")
    field = _FIELD.search(query)
    return kind, name or (field[1] if field else kind)


def _body(message: str, code: str = "") -> dict[str, Any]:
    error: dict[str, Any] = {"message": message}
    if code:
        error["extensions"] = {"code": code}
    return {"errors": [error]}


def _pieces(content: BinaryIO) -> Iterator[bytes]:
    while piece := content.read(PIECE):
        yield piece
