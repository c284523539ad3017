"""The Hub as a service of the sandbox: from a request to the function that answers it.

A fault's `method` is the name that function begins with: "whoami", "repos.create", "info", "tree", "preupload",
"lfs.batch", "storage.put", "storage.part", "commit", "resolve", …
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.hub import changing, reading, resolving
from arrcoc_core.sandbox.hub.accounts import Accounts
from arrcoc_core.sandbox.hub.contents import Contents
from arrcoc_core.sandbox.hub.errors import HubError
from arrcoc_core.sandbox.hub.large_files import JSON, LargeFiles
from arrcoc_core.sandbox.hub.repositories import MAIN, Repositories
from arrcoc_core.sandbox.hub.request import PLURALS, Request
from arrcoc_core.sandbox.hub.xet import Xet
from arrcoc_core.sandbox.service import RawService

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box
    from arrcoc_core.sandbox.exchange import Exchange

_ACTIONS = frozenset(
    ("revision", "tree", "paths-info", "preupload", "commit", "commits", "refs", "branch", "tag", "settings")
)
"""What may stand behind a repository's name: `/api/models/gpt2/tree/main` has a name without an owner."""


class Hub(RawService):
    name = "huggingface"
    google = False
    key_files: ClassVar[Mapping[str, str]] = {"HF_TOKEN": "hub.token"}

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        folder = box.data("huggingface")
        self.accounts = Accounts(box.state)
        self.contents = Contents(folder)
        self.repositories = Repositories(box.state, box.clock)
        self.large = LargeFiles(self.contents, folder)
        self.xet = Xet(self.contents, folder)
        self.tree_page = 1000
        """Entries on a page of a tree."""

    def start(self) -> None:
        self.contents.sweep()
        self.accounts.keep_key(self.box.folder / self.key_files["HF_TOKEN"])
        table = self.box.state.table("hub")
        held = table.get("secret") or {"secret": secrets.token_hex(32)}
        table.put("secret", held)
        self.large.start(held["secret"])
        self.xet.start(held["secret"])

    def new_token(self, role: Any = "write", **more: Any) -> str:
        """Another token, for tests (accounts.Accounts.new_token)."""
        return self.accounts.new_token(role, **more)

    def serve(self, exchange: Exchange) -> None:
        try:
            _route(Request(self, exchange))
        except HubError as error:
            _send(exchange, error)

    def refuse(self, exchange: Exchange, error: ApiError) -> None:
        _send(exchange, HubError(error.http_status, error.message))


def _route(request: Request) -> None:
    if request.parts[0] == "storage":
        _storage(request)
        return
    if request.parts[0] == "cas":
        request.hub.xet.serve(request)
        return
    request.sign_in()
    if request.parts[0] == "api":
        _api(request, request.parts[1:])
    elif request.parts[-3:-1] == ["lfs", "objects"]:
        _lfs(request)
    elif request.verb != "GET":
        raise request.unknown()
    else:
        kind, repo_id, rest = request.place()
        if len(rest) > 2 and rest[0] in ("resolve", "raw"):
            reading.file(request, kind, repo_id, rest[1], "/".join(rest[2:]))
        else:
            reading.page(request, kind, repo_id, rest)


def _api(request: Request, parts: list[str]) -> None:
    match request.verb, parts:
        case "GET", ["whoami-v2"]:
            request.begin("whoami")
            request.json(request.hub.accounts.who(request.header))
        case "POST", ["repos", "create"]:
            changing.create(request)
        case "DELETE", ["repos", "delete"]:
            changing.delete(request)
        case "POST", ["repos", "move"]:
            changing.move(request)
        case "POST", ["validate-yaml"]:
            changing.validate(request)
        case "GET", [kinds] if kinds in PLURALS:
            reading.listing(request, PLURALS[kinds])
        case _, [kinds, *rest] if kinds in PLURALS and rest:
            size = 1 if len(rest) > 1 and rest[1] in _ACTIONS else 2
            _repository(request, PLURALS[kinds], "/".join(rest[:size]), rest[size:])
        case _:
            raise request.unknown()


def _repository(request: Request, kind: str, repo_id: str, rest: list[str]) -> None:
    match request.verb, rest:
        case "GET", []:
            reading.info(request, kind, repo_id, MAIN)
        case "GET", ["revision", revision]:
            reading.info(request, kind, repo_id, revision)
        case "GET", ["tree", revision, *folder]:
            reading.tree(request, kind, repo_id, revision, "/".join(folder))
        case "POST", ["paths-info", revision]:
            reading.paths(request, kind, repo_id, revision)
        case "GET", ["commits", revision]:
            reading.commits(request, kind, repo_id, revision)
        case "GET", ["refs"]:
            reading.refs(request, kind, repo_id)
        case "GET", ["xet-write-token", _]:
            request.hub.xet.give_token(request, kind, repo_id)
        case "GET", ["auth-check", *write]:
            reading.auth_check(request, kind, repo_id, write=bool(write))
        case "POST", ["preupload", branch]:
            changing.preupload(request, kind, repo_id, branch)
        case "POST", ["commit", branch]:
            changing.commit(request, kind, repo_id, branch)
        case "POST", ["branch", branch]:
            changing.create_branch(request, kind, repo_id, branch)
        case "DELETE", ["branch", branch]:
            changing.delete_branch(request, kind, repo_id, branch)
        case "POST", ["tag", revision]:
            changing.create_tag(request, kind, repo_id, revision)
        case "DELETE", ["tag", tag]:
            changing.delete_tag(request, kind, repo_id, tag)
        case "PUT", ["settings"]:
            changing.settings(request, kind, repo_id)
        case _:
            raise request.unknown()


def _lfs(request: Request) -> None:
    """`owner/name.git/info/lfs/objects/batch` and `…/verify`."""
    body, what = request.body(), request.parts[-1]
    if what not in ("batch", "verify") or request.verb != "POST":
        raise request.unknown()
    request.begin(f"lfs.{what}", mutating=what == "verify")
    kind, repo_id, _ = request.place()
    find = request.readable if body.get("operation") == "download" else request.writable
    with request.hub.box.state.transaction():
        found = find(kind, repo_id.removesuffix(".git"))
    if what == "batch":
        request.json(request.hub.large.batch(body, request.base, found.path), JSON)
    else:
        request.hub.large.verify(body)
        request.json({}, JSON)


def _storage(request: Request) -> None:
    """Whoever has the address may: it carries its own signature."""
    hub, what = request.hub, "/".join(request.parts[1:])
    kind, _, oid = what.partition("/")
    if request.verb == "GET":
        request.begin(f"storage.{kind}")
    else:
        request.begin_storing(f"storage.{kind}")
    hub.large.check(what, request.query)
    match request.verb, kind:
        case "GET", "get":
            resolving.storage(request.exchange, hub.contents, oid, request.query.get("commit", ""))
        case "PUT", ("put" | "part"):
            request.exchange.send(200, b"", hub.large.receive(request.exchange, what, request.query))
        case "POST", "complete":
            hub.large.complete(what, request.query, request.body())
            request.json({})
        case _:
            raise HubError(405, "The specified method is not allowed against this resource.")


def _send(exchange: Exchange, error: HubError) -> None:
    with contextlib.suppress(EOFError, ConnectionError):
        exchange.read()  # what was not read before it was refused: closing on it would reset the connection
    exchange.send(error.status, error.body, error.headers)
