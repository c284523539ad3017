"""What a service of the sandbox is: a class with one method per RPC, named as the client's own method.

`clients` names the client classes of Google's libraries that it answers. From them come the REST routes, the gRPC
method paths and the message classes (routes.py), so one method serves both transports. A method gets the request as
the library's own message, checked against Google's annotations (validation.py), and returns the answer's message; an
RPC without a method is answered 501.

A method runs inside one transaction of the state: methods exclude one another, an error undoes what was written, and
SIGKILL leaves nothing half done. So it is short; long work goes to a thread (`Box.spawn`).

Nothing of Google's is imported before a service is called: a module of this package imports it inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.protos import plain

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box
    from arrcoc_core.sandbox.exchange import Exchange
    from arrcoc_core.sandbox.faults import CutConnection

T = TypeVar("T")

# The beginnings of the names of methods that change nothing.
_READING = ("Get", "List", "Search", "Test", "Query", "Access", "Fetch", "Check", "Export", "BatchGet")


@dataclass(slots=True)
class Call:
    """One request as its handler sees it."""

    service: str
    method: str
    """As in the service's definition: "CreateCustomJob"; for storage "objects.insert"."""
    mutating: bool
    caller: str
    """E-mail of the account; "" where the transport carried none (gRPC without TLS)."""
    project: str
    """The project the request names, by its id."""
    transport: str
    lost: bool = False
    """The scenario will lose the answer."""
    cut: CutConnection | None = None
    """Where the scenario will cut the connection."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    """What the scenario adds to the answer over HTTP."""


class Service:
    name: ClassVar[str]
    """Key in endpoints.json and first part of its REST paths."""
    api: ClassVar[str] = ""
    """Name in Service Usage: the service answers SERVICE_DISABLED while it is off. "": it cannot be off."""
    clients: ClassVar[tuple[str, ...]] = ()
    """Client classes, "package.module:Class"."""
    grpc: ClassVar[tuple[str, ...]] = ()
    """Full names of the gRPC services it answers."""
    needs_billing: ClassVar[bool] = False
    google: ClassVar[bool] = True
    """Google's credentials and project stand before it; False: it knows its callers by itself."""
    key_files: ClassVar[Mapping[str, str]] = {}
    """Variable -> file in the sandbox's folder with the key for it, which the service makes when it starts."""

    def __init__(self, box: Box) -> None:
        self.box = box

    def control(self, asked: dict[str, Any]) -> Any:
        """POST /control/<name>: what a person would do to the service on its web page. ApiError where it cannot be."""
        raise ApiError("NOT_FOUND", f"{self.name} has no handle of its own in the sandbox.")

    def start(self) -> None:
        """After the state is loaded and the ports are known, at each start of the sandbox."""

    def stop(self) -> None:
        """Before the sandbox ends in good order."""

    def kill(self) -> None:
        """Tests only: what SIGKILL would leave of it, while the process of the tests lives on."""


class RawService(Service):
    """A service that is no GAPIC one and reads HTTP by itself.

    It calls `exchange.recorded(method, mutating=…)` once, as soon as it knows what is asked and before it acts: there
    the scenario's faults come, as an ApiError or the end of the connection, and with the answer for those that come
    after. What it raises reaches the client in the form that `refuse` gives it.
    """

    def serve(self, exchange: Exchange) -> None:
        raise NotImplementedError

    def refuse(self, exchange: Exchange, error: ApiError) -> None:
        """Send an error in the service's own form; Google's unless it says otherwise."""
        exchange.send(error.http_status, error.to_json(), {"Content-Type": "application/json", **error.headers})


def is_mutating(method: str) -> bool:
    """Whether a method of that name changes anything, by how Google names them."""
    return not method.startswith(_READING)


def page(items: Sequence[T], size: int, token: str, *, default: int = 100, limit: int = 1000) -> tuple[list[T], str]:
    """One page of a list and the token of the next; "" ends it. INVALID_ARGUMENT for a token that is not ours."""
    if size < 0:
        raise ApiError("INVALID_ARGUMENT", "page_size must not be negative", violations=[("page_size", "negative")])
    try:
        first = int(token.removeprefix("page-")) if token else 0
    except ValueError:
        raise ApiError("INVALID_ARGUMENT", "The page token is invalid.", violations=[("page_token", "bad")]) from None
    last = first + min(size or default, limit)
    return list(items[first:last]), f"page-{last}" if last < len(items) else ""


def missing(what: str, name: str) -> ApiError:
    """NOT_FOUND in the words most of the services use."""
    return ApiError("NOT_FOUND", f"{what} '{name}' was not found.", reason="RESOURCE_NOT_FOUND")


def merge_mask(target: Any, source: Any, mask: Any) -> list[str]:
    """Set in `target` the fields of `source` that the mask names ("*" or none: all that are set); their top names.

    INVALID_ARGUMENT for a path that no field has.
    """
    held, given = plain(target), plain(source)
    paths = list(plain(mask).paths) if mask is not None else []
    if not paths or paths == ["*"]:
        paths = [field.name for field, _ in given.ListFields()]
    for path in paths:
        name = path.split(".")[0]
        if name not in held.DESCRIPTOR.fields_by_name:
            text = f"Unknown field path in the update mask: {path}"
            raise ApiError("INVALID_ARGUMENT", text, violations=[("update_mask", text)])
        held.ClearField(name)
        field = held.DESCRIPTOR.fields_by_name[name]
        value = getattr(given, name)
        if field.is_repeated or field.message_type is not None:
            if field.is_repeated or given.HasField(name):
                getattr(held, name).MergeFrom(value)
        else:
            setattr(held, name, value)
    return [path.split(".")[0] for path in paths]
