"""From a request to its handler and back, the same for REST and gRPC.

    credentials → scenario → project, billing, API → annotations → handler (one transaction) → scenario

The order is the real services': a request with bad credentials is refused before anything is said about its fields.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox import preconditions
from arrcoc_core.sandbox.errors import ApiError, DropConnection
from arrcoc_core.sandbox.faults import (
    InternalError,
    LostAck,
    NoNetwork,
    PermissionDenied,
    RevokedCredentials,
    Unavailable,
)
from arrcoc_core.sandbox.protos import plain, wrapped
from arrcoc_core.sandbox.routes import Method
from arrcoc_core.sandbox.service import Call, Service, is_mutating
from arrcoc_core.sandbox.validation import check_request

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

_PROJECT = re.compile(r"(?:^|/)projects/([^/]+)")
_NAMING = ("parent", "name", "resource", "project_id", "project", "resource_names", "scope")


def answer(box: Box, service: Service, method: Method, request: Any, *, caller: str, transport: str) -> Any:
    """The protobuf message that answers `request` (a protobuf message of that method). ApiError, DropConnection."""
    call = Call(service.name, method.name, is_mutating(method.name), caller, project_of(request), transport)
    begin(box, service, call)
    check_request(request, method.name)
    handler = getattr(service, method.handler, None)
    if handler is None:
        text = f"{method.name} is not served by the sandbox (docs/sandbox.md lists what is)."
        raise ApiError("UNIMPLEMENTED", text)
    with box.state.transaction():
        answered = handler(wrapped(method.request, request), call)
    end(box, call)
    return None if answered is None else plain(answered)


def begin(box: Box, service: Service, call: Call) -> None:
    """Record the request, and raise what the scenario and the project's state have against it."""
    box.record(call)
    before(box, call)
    preconditions.check(box, call.project, service)


def before(box: Box, call: Call) -> None:
    faults = box.faults
    if faults.take(NoNetwork):
        raise DropConnection
    if revoked(box):
        raise ApiError(
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
            "valid authentication credential.",
            reason="ACCESS_TOKEN_EXPIRED",
            metadata={"service": f"{call.service}.googleapis.com", "method": call.method},
        )
    if faults.take(Unavailable, method=call.method, service=call.service):
        raise ApiError("UNAVAILABLE", "The service is currently unavailable.")
    if faults.take(InternalError, lambda fault: fault.method == call.method):
        raise ApiError("INTERNAL", "Internal error encountered.")
    denied = faults.take(PermissionDenied, lambda fault: fault.method == call.method)
    if denied is not None:
        raise ApiError(
            "PERMISSION_DENIED",
            f"Permission '{denied.permission or call.method}' denied on resource (or it may not exist).",
            reason="IAM_PERMISSION_DENIED",
            domain="iam.googleapis.com",
            metadata={"permission": denied.permission or call.method, "resource": f"projects/{call.project}"},
        )


def end(box: Box, call: Call) -> None:
    if box.faults.take(LostAck, method=call.method):
        raise DropConnection


def revoked(box: Box) -> bool:
    """Whether the scenario has taken the credentials back; each call counts."""
    found = box.faults.count(RevokedCredentials)
    return found is not None and found[1] >= found[0].after_calls


def project_of(request: Any) -> str:
    """The id of the project that a request names in one of its usual fields; "" for none."""
    fields = request.DESCRIPTOR.fields_by_name
    for name in _NAMING:
        if name not in fields:
            continue
        value = getattr(request, name)
        values = (
            [value] if isinstance(value, str) else list(value) if fields[name].type == fields[name].TYPE_STRING else []
        )
        for text in values:
            if name in ("project_id", "project") and text:
                return text
            found = _PROJECT.search(text)
            if found and found[1] != "-":
                return found[1]
    return ""
