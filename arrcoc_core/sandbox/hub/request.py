"""One request on its way to its part of the Hub: who asks, what with, and how it is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, quote, unquote, urlencode

from arrcoc_core.sandbox.faults import PermissionDenied, StorageFull
from arrcoc_core.sandbox.hub.accounts import Caller
from arrcoc_core.sandbox.hub.errors import HubError, bad_request, forbidden, no_repository
from arrcoc_core.sandbox.hub.repositories import TYPES, Commit, Repository, Tree

if TYPE_CHECKING:
    from arrcoc_core.sandbox.exchange import Exchange
    from arrcoc_core.sandbox.hub.service import Hub

PLURALS = {f"{kind}s": kind for kind in TYPES}


class Request:
    def __init__(self, hub: Hub, exchange: Exchange) -> None:
        self.hub = hub
        self.exchange = exchange
        self.base = exchange.base
        """Address of the Hub, without a slash at its end."""
        self.query = {name: values[-1] for name, values in exchange.query.items()}
        self.parts = [unquote(part) for part in exchange.path.strip("/").split("/")]
        self.verb = "GET" if exchange.verb == "HEAD" else exchange.verb
        self.header = str(exchange.headers.get("Authorization") or "")
        self.caller = Caller()

    def sign_in(self) -> None:
        """HubError 401 for a token that is not ours."""
        self.caller = self.hub.accounts.caller(self.header)
        self.exchange.caller = self.caller.user

    def begin(self, method: str, *, mutating: bool = False) -> None:
        """Say what this is, once it is read and before it is done: here the scenario's faults come."""
        self.exchange.recorded(method, mutating=mutating)

    def begin_storing(self, method: str) -> None:
        """The same, for what takes room."""
        self.begin(method, mutating=True)
        if self.hub.box.faults.take(StorageFull, method=method):
            raise HubError(507, "Insufficient storage: the quota of this namespace is used up.")

    def check_write(self, repo_id: str) -> None:
        """HubError 401 or 403 where the caller may not write there."""
        owner = repo_id.partition("/")[0]
        if self.hub.box.faults.peek(PermissionDenied, lambda fault: fault.entity == owner):
            raise forbidden(f"You don't have the rights to write to {repo_id} (user: {self.caller.user})")
        self.caller.check_write(repo_id)

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("true", "1")

    def place(self) -> tuple[str, str, list[str]]:
        """(type, id, what follows) of an address outside of /api."""
        kind, parts = "model", self.parts
        if parts[0] in PLURALS:
            kind, parts = PLURALS[parts[0]], parts[1:]
        size = 1 if len(parts) > 1 and parts[1] in ("resolve", "raw") else 2
        return kind, "/".join(parts[:size]), parts[size:]

    def readable(self, kind: str, repo_id: str) -> Repository:
        return self.hub.repositories.get(kind, repo_id, self.caller)

    def writable(self, kind: str, repo_id: str) -> Repository:
        if not self.caller.user:
            raise no_repository(False)
        found = self.readable(kind, repo_id)
        self.check_write(found.id)
        return found

    def revision(self, kind: str, repo_id: str, revision: str) -> tuple[Repository, Commit, Tree]:
        """A readable repository at a revision, with its files."""
        repositories = self.hub.repositories
        with self.hub.box.state.transaction():
            found = self.readable(kind, repo_id)
            commit = repositories.resolve(found, revision)
            return found, commit, repositories.tree(found, commit)

    def body(self) -> dict[str, Any]:
        try:
            found: Any = json.loads(self.exchange.read() or b"{}")
            return dict(found)
        except (ValueError, TypeError) as error:
            raise bad_request(f"The body is not a JSON object: {error}") from error

    def form(self) -> dict[str, list[str]]:
        """A body as a browser's form sends it, or the same as JSON."""
        if "json" not in str(self.exchange.headers.get("Content-Type", "")):
            return parse_qs(self.exchange.read().decode(), keep_blank_values=True)
        held = self.body()
        return {
            name: [str(one) for one in cast("list[Any]", value)] if isinstance(value, list) else [str(value)]
            for name, value in held.items()
        }

    def json(self, value: Any, headers: Mapping[str, str] | None = None) -> None:
        self.exchange.json(200, value, headers)

    def page(self, rows: list[Any], size: int) -> None:
        """A page of a list, with a `Link` to the next one (RFC 8288)."""
        size = int(self.query.get("limit") or size)
        first = int(self.query.get("cursor") or 0)
        headers: dict[str, str] = {}
        if first + size < len(rows):
            following = urlencode({**self.query, "cursor": first + size})
            place = quote(self.exchange.path, safe="/%")
            headers["Link"] = f'<{self.base}{place}?{following}>; rel="next"'
        self.json(rows[first : first + size], headers)

    def unknown(self) -> HubError:
        self.begin("unknown")
        what = f"{self.exchange.verb} {self.exchange.path}"
        return HubError(501, f"{what} is not served by the sandbox (docs/sandbox.md lists what is).")
