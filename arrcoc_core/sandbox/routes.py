"""Routes and message classes, taken from the installed client libraries and so never out of step with them.

A channel that only records, handed to a client's gRPC transport, tells every method's path, request and answer; the
client's REST transport tells the HTTP routes of each method.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from arrcoc_core.sandbox.protos import whole_module


@dataclass(frozen=True)
class Method:
    """One RPC. `request` and `response` are proto-plus or protobuf classes."""

    name: str
    """As in the service's definition: "CreateCustomJob"."""
    handler: str
    """The client's own name of it: "create_custom_job"."""
    path: str
    """Its gRPC path."""
    request: Any
    response: Any


@dataclass(frozen=True)
class Route:
    verb: str
    pattern: re.Pattern[str]
    fields: tuple[str, ...]
    """Dotted fields of the request that the pattern's groups fill."""
    body: str
    """"*", the field the body fills, or ""."""
    method: Method

    def match(self, path: str) -> dict[str, str] | None:
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        return {name: unquote(value) for name, value in zip(self.fields, found.groups(), strict=True)}


@dataclass
class Definition:
    """Everything a service's clients offer."""

    methods: dict[str, Method] = field(default_factory=dict[str, Method])
    """By gRPC path."""
    routes: dict[str, list[Route]] = field(default_factory=dict[str, list[Route]])
    """By HTTP verb."""

    def find(self, verb: str, path: str) -> tuple[Route, dict[str, str]] | None:
        for route in self.routes.get(verb, ()):
            values = route.match(path)
            if values is not None:
                return route, values
        return None


OPERATIONS = "/google.longrunning.Operations/"
"""Their routes (hundreds in Vertex AI, one for each collection) are one in dispatch.py."""

_known: dict[str, Definition] = {}


def define(clients: Iterable[str]) -> Definition:
    """The methods and routes of these clients ("module:Class"); imports them, and remembers the answer."""
    key = " ".join(clients)
    if key not in _known:
        made = Definition()
        for client in key.split():
            module, name = client.split(":")
            _add(made, getattr(whole_module(module), name))
        _known[key] = made
    return _known[key]


def _add(made: Definition, client: Any) -> None:
    methods = _methods(client.get_transport_class("grpc"))
    made.methods.update({method.path: method for method in methods.values()})
    try:
        rest = client.get_transport_class("rest")
    except (KeyError, IndexError):  # gRPC only
        return
    kinds: dict[str, Any] = {}
    ancestors: list[Any] = list(reversed(rest.__mro__))
    for base in ancestors:
        members: dict[str, Any] = dict(base.__dict__)
        kinds |= {name: kind for name, kind in members.items() if name.startswith("_Base")}
    for name, kind in kinds.items():
        method = methods.get(name.removeprefix("_Base"))
        if method is None or method.path.startswith(OPERATIONS) or not hasattr(kind, "_get_http_options"):
            continue
        for option in kind._get_http_options():
            verb = option["method"].upper()
            pattern, fields = _pattern(option["uri"])
            made.routes.setdefault(verb, []).append(Route(verb, pattern, fields, option.get("body", ""), method))
    for routes in made.routes.values():
        # "…/secrets/*" would take "…/secrets/x:access" for a secret's name: routes with a verb are tried first.
        routes.sort(key=lambda route: re.search(r":[a-zA-Z]+$", route.pattern.pattern) is None)


def _pattern(uri: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """`/v1/{name=projects/*/jobs/*}:cancel` as a regular expression and the fields its groups fill."""
    fields: list[str] = []
    parts: list[str] = []
    for part in re.split(r"(\{[^}]*\})", uri):
        if part.startswith("{"):
            name, _, template = part[1:-1].partition("=")
            fields.append(name)
            parts.append(f"({_segments(template or '*')})")
        else:
            parts.append(_segments(part))
    return re.compile("".join(parts)), tuple(fields)


def _segments(template: str) -> str:
    return re.escape(template).replace(r"\*\*", ".+").replace(r"\*", "[^/]+")


_PLAIN_REQUESTS: Mapping[str, str] = {
    "SetIamPolicy": "google.iam.v1.iam_policy_pb2:SetIamPolicyRequest",
    "GetIamPolicy": "google.iam.v1.iam_policy_pb2:GetIamPolicyRequest",
    "TestIamPermissions": "google.iam.v1.iam_policy_pb2:TestIamPermissionsRequest",
    "GetOperation": "google.longrunning.operations_pb2:GetOperationRequest",
    "ListOperations": "google.longrunning.operations_pb2:ListOperationsRequest",
    "CancelOperation": "google.longrunning.operations_pb2:CancelOperationRequest",
    "DeleteOperation": "google.longrunning.operations_pb2:DeleteOperationRequest",
    "WaitOperation": "google.longrunning.operations_pb2:WaitOperationRequest",
    "GetLocation": "google.cloud.location.locations_pb2:GetLocationRequest",
    "ListLocations": "google.cloud.location.locations_pb2:ListLocationsRequest",
}
"""Requests of RPCs that Google's services share: plain protobuf, whose serialiser does not tell its class."""


def _methods(transport: Any) -> dict[str, Method]:
    """RPC name -> method, from the properties of a gRPC transport class."""
    import grpc

    recorded: list[tuple[str, Any, Any]] = []

    def record(
        _: Any, method: str, request_serializer: Any = None, response_deserializer: Any = None, *__: Any, **___: Any
    ) -> Any:
        recorded.append((method, request_serializer, response_deserializer))
        return lambda: None  # streaming ones are wrapped by the transport, which gives them a name

    kinds = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
    others = ("subscribe", "unsubscribe", "close", "__enter__", "__exit__")
    channel: Any = type("Recorder", (grpc.Channel,), {**dict.fromkeys(kinds, record), **dict.fromkeys(others)})
    made = transport(channel=channel())
    # The transport has wrapped the channel in one that asks for a stub at its first call only, and keeps its stubs.
    made._logged_channel = made._grpc_channel
    made._stubs = {}
    found: dict[str, Method] = {}
    for name in dir(transport):
        if name.startswith("_") or not isinstance(getattr(transport, name, None), property):
            continue
        recorded.clear()
        if name == "operations_client":
            continue
        getattr(made, name)
        for path, serializer, deserializer in recorded:
            rpc = path.rpartition("/")[2]
            found[rpc] = Method(rpc, name, path, _request(rpc, serializer), getattr(deserializer, "__self__", None))
    return found


def _request(rpc: str, serializer: Any) -> Any:
    kind = getattr(serializer, "__self__", None)
    if kind is not None:
        return kind
    module, name = _PLAIN_REQUESTS[rpc].split(":")
    return getattr(whole_module(module), name)
