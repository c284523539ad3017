"""One way to call a service: explicit retries, a deadline, and errors whose `scope` says what can be done.

Google's clients differ: JobService, Artifact Registry and Service Usage retry nothing by themselves, Cloud Build
retries silently, gRPC and REST raise different classes for one error, and revoked credentials come as UNAVAILABLE over
gRPC. Here they all become a `CloudError`.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from arrcoc_core.errors import CloudError, CloudScope

T = TypeVar("T")

PATIENCE_S = 30.0
"""How long transient errors of one call are retried: a person may be waiting."""
CALL_TIMEOUT_S = 20.0
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 4.0
_BILLING = re.compile(r"billing.{0,60}(disabled|not enabled|be enabled|enabled on|not found|not open)", re.I)
_RATE = re.compile(r"per[ _-]?(minute|second)|\b1/(min|s)/|rate limit", re.I)
"""Quotas of calls rather than of things: "Read requests per minute", "…PerMinutePerProject", "1/min/{project}"."""
TRANSIENT: frozenset[CloudScope] = frozenset({"unavailable", "internal", "offline"})


def call(
    method: Callable[..., T],
    *arguments: Any,
    patience_s: float = PATIENCE_S,
    timeout_s: float = CALL_TIMEOUT_S,
    again: bool = True,
    **named: Any,
) -> T:
    """`method(*arguments, **named)` with its errors translated; transient ones are retried for `patience_s`.

    `again=False` is for acts that may have happened although their answer was lost: they are tried once.
    """
    deadline = time.monotonic() + patience_s
    pause = _FIRST_PAUSE_S
    while True:
        try:
            with translated(_name(method)):
                return method(*arguments, retry=None, timeout=timeout_s, **named)
        except CloudError as error:
            if not again or error.scope not in TRANSIENT or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, _LONGEST_PAUSE_S)


def if_there(method: Callable[..., T], *arguments: Any, **named: Any) -> T | None:
    """`call(...)`; None where there is no such thing: for looking, and for removing what may be gone already."""
    try:
        return call(method, *arguments, **named)
    except CloudError as error:
        if error.scope == "not-found":
            return None
        raise


@contextmanager
def translated(what: str) -> Generator[None, None, None]:
    """Errors of Google's libraries inside the block become a `CloudError`; any other error passes."""
    import requests
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth

    try:
        yield
    except (api.GoogleAPICallError, api.RetryError, auth.GoogleAuthError, requests.RequestException) as error:
        raise translate(error, what) from error


def translate(error: Exception, what: str = "") -> CloudError:
    """The CloudError that an error of Google's libraries stands for."""
    import requests
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth

    if isinstance(error, auth.TransportError | requests.ConnectionError | requests.Timeout):
        return CloudError(
            f"Google Cloud cannot be reached{_of(what)}: {_short(error)}",
            scope="offline",
            remedy="Check the network (a proxy, a VPN), then run it again.",
        )
    if isinstance(error, auth.GoogleAuthError):
        return _revoked(error)
    if isinstance(error, api.RetryError):
        cause = error.cause
        return translate(cause, what) if isinstance(cause, Exception) else _other(error, what, "unavailable")
    if isinstance(error, api.GoogleAPICallError):
        return _api_error(error, what)
    return _other(error, what, "internal")


def _api_error(error: Any, what: str) -> CloudError:
    from google.api_core import exceptions as api

    message, reason = _plain(str(error.message or error)), str(error.reason or "")
    held: dict[str, Any] = error.metadata or {}
    data = {key: str(value) for key, value in held.items()}
    if isinstance(error, api.ServiceUnavailable) and "Getting metadata from plugin failed" in message:
        return _revoked(error)
    if isinstance(error, api.Unauthenticated | api.Unauthorized):
        return _revoked(error)
    if reason == "SERVICE_DISABLED" or "has not been used in project" in message or "it is disabled" in message:
        service = data.get("service") or _found(r"[a-z]+\.googleapis\.com", message)
        return CloudError(
            f"The API {service or 'needed'} is off in this project{_of(what)}.",
            scope="api-disabled",
            remedy=f"arrcoc setup   turns it on, or: gcloud services enable {service}".rstrip(": "),
            data={"service": service},
        )
    no_billing = reason in ("BILLING_DISABLED", "UREQ_PROJECT_BILLING_NOT_FOUND")
    if no_billing or (_BILLING.search(message) and not isinstance(error, api.NotFound)):
        return CloudError(
            f"Billing is off for this project{_of(what)}: {message}",
            scope="billing",
            remedy="Link a billing account: https://console.cloud.google.com/billing/projects",
            data=data,
        )
    if isinstance(error, api.ResourceExhausted | api.TooManyRequests):
        if _RATE.search(" ".join((message, *data.values()))):
            return _other(error, what, "unavailable", data)  # too many calls for this minute: passes by itself
        return CloudError(
            f"Quota{_of(what)}: {message}",
            scope="quota" if re.search("quota", message, re.I) else "unavailable",
            remedy="arrcoc infra   shows the quotas; arrcoc setup   requests more",
            data=data,
        )
    if isinstance(error, api.PermissionDenied | api.Forbidden):
        return CloudError(
            f"Not permitted{_of(what)}: {message}",
            scope="permission",
            remedy="Ask an owner of the project for the role this needs (docs/vertex.md lists them).",
            data=data,
        )
    if isinstance(error, api.NotFound):
        return _other(error, what, "not-found", data)
    if isinstance(error, api.PreconditionFailed | api.Aborted | api.Conflict | api.AlreadyExists):
        return _other(error, what, "conflict", data)  # AlreadyExists is a Conflict, too
    if isinstance(error, api.BadRequest):  # InvalidArgument, FailedPrecondition, OutOfRange
        return _other(error, what, "invalid", data)
    if isinstance(error, api.ServiceUnavailable | api.GatewayTimeout | api.DeadlineExceeded | api.BadGateway):
        return _other(error, what, "unavailable", data)
    return _other(error, what, "internal", data)


def _revoked(error: Exception) -> CloudError:
    return CloudError(
        f"The Google credentials are revoked or have expired: {_short(error)}",
        scope="auth",
        remedy="gcloud auth application-default login",
    )


def _other(error: Exception, what: str, scope: CloudScope, data: dict[str, str] | None = None) -> CloudError:
    message = _plain(str(getattr(error, "message", "") or error))
    return CloudError(f"{what or 'Google Cloud'}: {message}", scope=scope, data=data or {})


def _name(method: Callable[..., Any]) -> str:
    return getattr(method, "__name__", "a call").replace("_", " ")


def _of(what: str) -> str:
    return f" ({what})" if what else ""


def _short(error: Exception) -> str:
    """The first line, without the representations of objects that requests and google-auth put into it."""
    said = next(_said(error), "") or str(error)
    text = re.sub(r"<[^>]*>:? ?", "", said.strip().splitlines()[0] if said.strip() else "")
    return text[:300] or type(error).__name__


def _said(error: BaseException) -> Iterator[str]:
    """The texts of an error whose arguments are texts, data, or the errors it comes from."""
    for argument in error.args:
        if isinstance(argument, str):
            yield argument
        elif isinstance(argument, BaseException):
            yield from _said(argument)


def _plain(message: str) -> str:
    """The service's own words, without the request that the REST clients write before them."""
    return re.sub(r"^(GET|POST|PUT|PATCH|DELETE) https?://\S+: ", "", message)


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[0] if match else ""
