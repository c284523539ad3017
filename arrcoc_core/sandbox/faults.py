"""What can go wrong, as values. A scenario is a list of them; a scenario file is Python with `scenario = [...]`:

    from arrcoc_core.sandbox.faults import LostAck, Preempt, Stockout

    scenario = [Preempt(at_step=40), Stockout(region="us-central1", times=2), LostAck(method="CreateCustomJob")]

A field that is None matches everything; `times` is how often a fault comes (None: always). `service` is a name of
endpoints.json ("wandb", "huggingface", "storage", …), `method` that of the request in requests.jsonl. The file is run
in the process that starts the sandbox, never in the server, which only gets the values (happenings.py keeps count).
"""

from __future__ import annotations

import dataclasses
import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arrcoc_core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Fault:
    """The root; `times` is how often it comes."""

    times: int | None = 1

    def to_json(self) -> dict[str, Any]:
        return {"fault": type(self).__name__, **dataclasses.asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Preempt(Fault):
    """A spot machine is taken away once its trainer has reached that step; the job fails as a preempted one does."""

    at_step: int = 40
    run: str | None = None
    attempt: int | None = None
    """Only this attempt of the run."""


@dataclass(frozen=True, kw_only=True)
class Stockout(Fault):
    """A job gets no machine: FAILED with code 8, "Resources are insufficient in region"."""

    region: str | None = None
    provisioning: str | None = None


@dataclass(frozen=True, kw_only=True)
class QuotaExceeded(Fault):
    """CreateCustomJob answers 429 naming the metric."""

    metric: str | None = None
    region: str | None = None
    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class Unavailable(Fault):
    """A method answers 503 and does nothing. None: every method."""

    method: str | None = None
    service: str | None = None


@dataclass(frozen=True, kw_only=True)
class LostAck(Fault):
    """A method does what it was asked, and its answer is lost with the connection. `method` None: every method."""

    method: str | None = "CreateCustomJob"
    service: str | None = None


@dataclass(frozen=True, kw_only=True)
class InternalError(Fault):
    """A method, or each of a service, answers 500. Neither named: a job that was running fails with code 13."""

    method: str | None = None
    service: str | None = None


@dataclass(frozen=True, kw_only=True)
class RateLimited(Fault):
    """429 and nothing was done: `times` answers, or all in `for_s` seconds of the sandbox's time from the first on."""

    method: str | None = None
    service: str | None = None
    retry_after_s: int | None = 1
    """Real seconds, as the header says them; None: the answer does not say."""
    for_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class RequestQuota(Fault):
    """No more than `limit` requests in `per_s` real seconds: every answer says what is left, and 429 beyond."""

    limit: int = 60
    per_s: float = 60.0
    service: str | None = None
    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class CutConnection(Fault):
    """The connection ends after so many bytes of the request (nothing was done) or of the answer (it was done)."""

    method: str | None = None
    service: str | None = None
    side: str = "request"
    """"request" or "answer"."""
    after_bytes: int = 0
    """Of the body; a shorter request is cut at its end, a shorter answer before its last byte."""


@dataclass(frozen=True, kw_only=True)
class Outage(Fault):
    """From the first call after `after_calls` on, no connection is answered for that long."""

    seconds: float = 60.0
    """Of the sandbox's time: divided by its speed."""
    service: str | None = None
    after_calls: int = 0


@dataclass(frozen=True, kw_only=True)
class Flaky(Fault):
    """That share of all calls goes wrong, each in one of the ways of `kinds`, drawn from the seed.

    "429", "500", "503", "cut": nothing was done. "lost", "half": it was done, and no or half an answer comes.
    """

    share: float = 0.1
    kinds: tuple[str, ...] = ("429", "500", "503", "cut", "lost")
    seed: int = 0
    method: str | None = None
    service: str | None = None
    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class Latency(Fault):
    """A call is answered so many real seconds later."""

    seconds: float = 0.3
    method: str | None = None
    service: str | None = None
    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class PermissionDenied(Fault):
    """A method answers 403, and testIamPermissions leaves the permission out.

    `entity`: one of W&B's or the Hub's, in which nothing may be written or read any more.
    """

    method: str | None = None
    permission: str | None = None
    entity: str | None = None
    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class NoLaunch(Fault):
    """A W&B server without Launch: nothing of it is in its schema."""

    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class StorageFull(Fault):
    """The Hub has no room: what would store something answers 507. `method`: "storage.put", "xet.xorb", "commit", …"""

    method: str | None = None
    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class SlowDown(Fault):
    """Files move at so many bytes a second at most: of Storage per server, of the others per connection."""

    bytes_per_s: float = 50e6
    service: str | None = None
    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class RevokedCredentials(Fault):
    """After so many more calls, tokens are refused: invalid_grant from the token endpoint, 401 from the services.

    `service` None: all of Google's; "wandb", "huggingface": the key of that one.
    """

    after_calls: int = 0
    service: str | None = None
    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class ApiDisabled(Fault):
    """A service answers SERVICE_DISABLED, whatever was enabled. "aiplatform" or "aiplatform.googleapis.com"."""

    service: str = "aiplatform"
    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class BillingDisabled(Fault):
    """The project has no billing account."""

    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class BucketTaken(Fault):
    """A bucket's name is owned by somebody else's project."""

    name: str = ""
    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class NoNetwork(Fault):
    """Every connection ends without an answer."""

    service: str | None = None
    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class QuotaDenied(Fault):
    """A quota preference is not granted: it keeps the old limit."""

    metric: str | None = None
    region: str | None = None
    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class BuildFails(Fault):
    """A Cloud Build ends in FAILURE at its second step; `state` TIMEOUT or CANCELLED ends it that way."""

    state: str = "FAILURE"


KINDS: dict[str, type[Fault]] = {
    kind.__name__: kind
    for kind in (
        Preempt,
        Stockout,
        QuotaExceeded,
        Unavailable,
        LostAck,
        InternalError,
        RateLimited,
        RequestQuota,
        CutConnection,
        Outage,
        Flaky,
        Latency,
        PermissionDenied,
        NoLaunch,
        StorageFull,
        SlowDown,
        RevokedCredentials,
        ApiDisabled,
        BillingDisabled,
        BucketTaken,
        NoNetwork,
        QuotaDenied,
        BuildFails,
    )
}


def fault_from_json(held: dict[str, Any]) -> Fault:
    values = dict(held)
    if "kinds" in values:
        values["kinds"] = tuple(values["kinds"])
    return KINDS[values.pop("fault")](**values)


def load_scenario(path: Path) -> list[Fault]:
    """The `scenario` list of a Python file. ConfigError where it has none, or fails."""
    try:
        found: Any = runpy.run_path(str(path)).get("scenario")
    except Exception as error:  # whatever the person's own file raises is theirs to see
        raise ConfigError(
            f"The scenario file {path} failed: {type(error).__name__}: {error}",
            remedy="docs/sandbox.md describes the scenario language.",
            file=str(path),
        ) from error
    if not isinstance(found, list | tuple) or not all(isinstance(fault, Fault) for fault in found):  # pyright: ignore[reportUnknownVariableType]
        raise ConfigError(
            f"{path} has no `scenario = [...]` of faults.",
            remedy="from arrcoc_core.sandbox.faults import Preempt\nscenario = [Preempt(at_step=40)]",
            file=str(path),
        )
    return list(found)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
