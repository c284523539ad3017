"""From a request to its handler and back, the same for REST and gRPC.

    credentials → scenario → project, billing, API → annotations → handler (one transaction) → scenario

The order is the real services': a request with bad credentials is refused before anything is said about its fields.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox import preconditions
from arrcoc_core.sandbox.errors import ApiError, DropConnection
from arrcoc_core.sandbox.faults import (
    CutConnection,
    InternalError,
    Latency,
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
HALF = 100
"""Bytes of an answer that is cut in its middle."""
_NAMING = ("parent", "name", "resource", "project_id", "project", "resource_names", "scope")


def answer(box: Box, service: Service, method: Method, request: Any, *, caller: str, transport: str) -> Any:
    """The protobuf message that answers `request` (a protobuf message of that method). ApiError, DropConnection."""
    call = Call(service.name, method.name, is_mutating(method.name), caller, project_of(request), transport)
    begin(box, service, call)
    if call.cut is not None and call.cut.side == "request":
        raise DropConnection
    check_request(request, method.name)
    handler = getattr(service, method.handler, None)
    if handler is None:
        text = f"{method.name} is not served by the sandbox (docs/sandbox.md lists what is)."
        raise ApiError("UNIMPLEMENTED", text)
    with box.state.transaction():
        answered = handler(wrapped(method.request, request), call)
    end(box, call)
    if call.cut is not None:
        raise DropConnection
    return None if answered is None else plain(answered)


def begin(box: Box, service: Service, call: Call) -> None:
    """Record the request, and raise what the scenario and the project's state have against it."""
    box.record(call)
    before(box, service, call)
    if service.google:
        preconditions.check(box, call.project, service)


def before(box: Box, service: Service, call: Call) -> None:
    """What the scenario does to a call before its handler sees it, and in `call` what it will do after."""
    faults, method, name = box.faults, call.method, call.service
    slow = faults.take(Latency, method=method, service=name)
    if slow is not None:
        box.closing.wait(slow.seconds)
    if faults.take(NoNetwork, service=name) or faults.outage(name):
        raise DropConnection
    flaky = faults.flaky(name, method)
    if flaky == "cut":
        raise DropConnection
    call.lost = flaky == "lost"
    call.cut = faults.take(CutConnection, method=method, service=name)
    if flaky == "half":
        call.cut = CutConnection(side="answer", after_bytes=HALF)
    _limits(box, call, flaky)
    if revoked(box, service):
        raise ApiError(
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
            "valid authentication credential.",
            reason="ACCESS_TOKEN_EXPIRED",
            metadata={"service": f"{call.service}.googleapis.com", "method": call.method},
        )
    if flaky == "503" or faults.take(Unavailable, method=method, service=name):
        raise ApiError("UNAVAILABLE", "The service is currently unavailable.")
    internal = faults.take(InternalError, lambda f: bool(f.method or f.service), method=method, service=name)
    if flaky == "500" or internal:
        raise ApiError("INTERNAL", "Internal error encountered.")
    denied = faults.take(PermissionDenied, lambda fault: fault.method == method)
    if denied is not None:
        raise ApiError(
            "PERMISSION_DENIED",
            f"Permission '{denied.permission or call.method}' denied on resource (or it may not exist).",
            reason="IAM_PERMISSION_DENIED",
            domain="iam.googleapis.com",
            metadata={"permission": denied.permission or call.method, "resource": f"projects/{call.project}"},
        )


def end(box: Box, call: Call) -> None:
    if call.lost or box.faults.take(LostAck, method=call.method, service=call.service):
        raise DropConnection


def revoked(box: Box, service: Service) -> bool:
    """Whether the scenario has taken the credentials for that service back; each call counts."""

    def fits(fault: RevokedCredentials) -> bool:
        return fault.service == service.name or (service.google and fault.service is None)

    found = box.faults.count(RevokedCredentials, fits)
    return found is not None and found[1] >= found[0].after_calls


def _limits(box: Box, call: Call, flaky: str) -> None:
    """429 with what the IETF draft "RateLimit header fields" and Retry-After say of it."""
    limited = box.faults.limited(call.service, call.method)
    left = box.faults.quota(call.service)
    if left is not None:
        call.headers |= {
            "RateLimit-Limit": str(left.limit),
            "RateLimit-Remaining": str(max(0, left.remaining)),
            "RateLimit-Reset": str(math.ceil(left.reset_s)),
        }
    wait: int | None = limited.retry_after_s if limited else 1 if flaky == "429" else None
    if left is not None and left.remaining < 0:
        wait = math.ceil(left.reset_s)
    elif limited is None and flaky != "429":
        return
    if wait is not None:
        call.headers |= {"Retry-After": str(wait), "RateLimit-Remaining": "0", "RateLimit-Reset": str(wait)}
    raise ApiError("RESOURCE_EXHAUSTED", "Too many requests.", headers=call.headers)


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
