"""JSON over HTTP to protobuf and back, as Google's front end transcodes it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox import dispatch
from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.protos import empty, operations_pb2, plain_class
from arrcoc_core.sandbox.routes import Route
from arrcoc_core.sandbox.service import Call, Service

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box
    from arrcoc_core.sandbox.exchange import Exchange

Pairs = Sequence[tuple[str, str]]
_OPERATION = re.compile(r"/(?:ui|v[0-9a-z]+)/((?:.+/)?operations(?:/[^:]+)?)(?::(cancel|wait))?")
_SYSTEM = frozenset({"$alt", "alt", "$apiVersion", "key", "prettyPrint", "fields", "quotaUser"})
"""Query parameters of the front end itself."""


def parse_request(route: Route, values: dict[str, str], pairs: Pairs, body: bytes) -> Any:
    """The request's protobuf message. INVALID_ARGUMENT for a field that is none, as the real front end words it."""
    from google.protobuf import json_format

    kind = route.method.request
    request = plain_class(kind)()
    held: Any = {}
    if body.strip():
        try:
            held = json.loads(body)
        except ValueError as error:
            raise ApiError("INVALID_ARGUMENT", f"Invalid JSON payload received. {error}") from None
    tree = _query_tree(request.DESCRIPTOR, pairs)
    try:
        json_format.ParseDict(tree, request)
        if route.body == "*":
            json_format.ParseDict(held, request)
        elif route.body:
            json_format.ParseDict({route.body: held}, request)
    except json_format.ParseError as error:
        raise _unknown(str(error)) from None
    for path, value in values.items():
        target = request
        *outer, last = path.split(".")
        for name in outer:
            target = getattr(target, name)
        setattr(target, last, value)
    return request


def to_json(message: Any, pairs: Pairs) -> bytes:
    """The answer's body; enums as numbers where the client asks for it."""
    from google.protobuf import json_format

    if message is None:
        return b"{}"
    numbers = any(name == "$alt" and "enum-encoding=int" in value for name, value in pairs)
    return json_format.MessageToJson(message, use_integers_for_enums=numbers, indent=None).encode()


def operation(box: Box, service: Service, exchange: Exchange, query: dict[str, str]) -> Any:
    """The answer of google.longrunning.Operations; None when the path is none of its."""
    found = _OPERATION.fullmatch(exchange.path)
    if found is None:
        return None
    name, verb = found.groups()
    module = operations_pb2()
    if name.endswith("operations"):
        method, request = "ListOperations", module.ListOperationsRequest(name=name.removesuffix("/operations"))
        request.page_token = query.get("pageToken", "")
        request.page_size = int(query.get("pageSize", "0"))
    elif exchange.verb == "DELETE":
        method, request = "DeleteOperation", module.DeleteOperationRequest(name=name)
    elif verb == "cancel":
        method, request = "CancelOperation", module.CancelOperationRequest(name=name)
    else:
        method, request = "GetOperation", module.GetOperationRequest(name=name)
    mutating = method in ("DeleteOperation", "CancelOperation")
    call = Call(service.name, method, mutating, exchange.caller, dispatch.project_of(request), "rest")
    dispatch.begin(box, service, call)
    own = getattr(service, re.sub(r"(?<!^)([A-Z])", r"_\1", method).lower(), None)
    with box.state.transaction():
        if own is not None:
            answered = own(request, call)
        elif method == "GetOperation":
            answered = box.operations.get(name)
        elif method == "ListOperations":
            answered = box.operations.list(name, request.page_size, request.page_token)
        elif method == "DeleteOperation":
            answered = box.operations.delete(name)
        else:
            raise ApiError("UNIMPLEMENTED", f"Operation {name} cannot be cancelled.")
    dispatch.end(box, call)
    return empty() if answered is None else answered


def _query_tree(descriptor: Any, pairs: Pairs) -> dict[str, Any]:
    """`a.b=1&c=x&c=y` as nested JSON, by the fields of the message."""
    tree: dict[str, Any] = {}
    for name, text in pairs:
        if name in _SYSTEM or name.startswith("$"):
            continue
        at, holder = tree, descriptor
        *outer, last = name.split(".")
        for part in outer:
            field = _field(holder, part, name)
            at = at.setdefault(part, {})
            holder = field.message_type
        field = _field(holder, last, name)
        value: Any = text
        if field.cpp_type == field.CPPTYPE_BOOL:
            value = text.lower() in ("true", "1")
        elif field.cpp_type == field.CPPTYPE_ENUM and text.lstrip("-").isdigit():
            value = int(text)
        if field.is_repeated:
            at.setdefault(last, []).append(value)
        else:
            at[last] = value
    return tree


def _field(holder: Any, part: str, name: str) -> Any:
    if holder is not None:
        for field in holder.fields:
            if part in (field.name, field.json_name):
                return field
    text = f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.'
    raise ApiError("INVALID_ARGUMENT", text, violations=[("", text)])


def _unknown(said: str) -> ApiError:
    """json_format's words in the real service's."""
    found = re.search(r'type "([^"]+)" (?:at "([^"]*)" )?has no field named "([^"]+)"', said)
    if found:
        where = found[2] or ""
        text = f"Invalid JSON payload received. Unknown name \"{found[3]}\" at '{where}': Cannot find field."
        return ApiError("INVALID_ARGUMENT", text, violations=[(where, text)])
    return ApiError("INVALID_ARGUMENT", f"Invalid JSON payload received. {said}", violations=[("", said)])
