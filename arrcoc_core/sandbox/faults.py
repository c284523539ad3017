"""What can go wrong, as values. A scenario is a list of them; a scenario file is Python with `scenario = [...]`:

    from arrcoc_core.sandbox.faults import LostAck, Preempt, Stockout

    scenario = [Preempt(at_step=40), Stockout(region="us-central1", times=2), LostAck(method="CreateCustomJob")]

A field that is None matches everything; `times` is how often a fault comes (None: always). How often each has come is
kept on disk, so that a restart repeats nothing. The file is run in the process that starts the sandbox,
never in the server, which only gets the values.
"""

from __future__ import annotations

import dataclasses
import json
import os
import runpy
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from arrcoc_core.errors import ConfigError

F = TypeVar("F", bound="Fault")


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
    """A method does what it was asked, and its answer is lost with the connection."""

    method: str = "CreateCustomJob"


@dataclass(frozen=True, kw_only=True)
class InternalError(Fault):
    """`method` None: a job that was running fails with code 13. Else that method answers 500."""

    method: str | None = None


@dataclass(frozen=True, kw_only=True)
class PermissionDenied(Fault):
    """A method answers 403, and testIamPermissions leaves the permission out."""

    method: str | None = None
    permission: str | None = None
    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class SlowDown(Fault):
    """Storage moves at most so many bytes a second, per server."""

    bytes_per_s: float = 50e6
    times: int | None = None


@dataclass(frozen=True, kw_only=True)
class RevokedCredentials(Fault):
    """After so many more calls, tokens are refused: invalid_grant from the token endpoint, 401 from the services."""

    after_calls: int = 0
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
        PermissionDenied,
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


def _any(fault: Fault) -> bool:
    return True


class Faults:
    """The scenario of a running sandbox and how often each of its faults has come.

    It has a file of its own: an error that a fault raises undoes what its handler wrote, and never the count.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._held: list[tuple[Fault, int]] = []
        if path.exists():
            held: list[Any] = json.loads(path.read_text(encoding="utf-8"))
            self._held = [(fault_from_json(row["fault"]), int(row["taken"])) for row in held]

    def replace(self, faults: Sequence[Fault]) -> None:
        """Another scenario, counted from zero."""
        with self._lock:
            self._held = [(fault, 0) for fault in faults]
            self._save()

    def all(self) -> list[tuple[Fault, int]]:
        """Every fault with how often it has come."""
        with self._lock:
            return list(self._held)

    def take(self, kind: type[F], where: Callable[[F], bool] = _any, **facts: object) -> F | None:
        """The first fault of that kind that fits the facts and is not used up; one of its times is used."""
        found = self.count(kind, where, **facts)
        return found[0] if found else None

    def count(self, kind: type[F], where: Callable[[F], bool] = _any, **facts: object) -> tuple[F, int] | None:
        """The same, with how often it had come before."""
        if not self._held:
            return None
        with self._lock:
            for index, (fault, taken) in enumerate(self._held):
                if isinstance(fault, kind) and _fits(fault, taken, facts) and where(fault):
                    self._held[index] = (fault, taken + 1)
                    self._save()
                    return fault, taken
        return None

    def peek(self, kind: type[F], where: Callable[[F], bool] = _any, **facts: object) -> F | None:
        """The same, and none of its times is used."""
        for fault, taken in self._held:
            if isinstance(fault, kind) and _fits(fault, taken, facts) and where(fault):
                return fault
        return None

    def _save(self) -> None:
        rows = [{"fault": fault.to_json(), "taken": taken} for fault, taken in self._held]
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(rows), encoding="utf-8")
        os.replace(partial, self._path)


def _fits(fault: Fault, taken: int, facts: dict[str, object]) -> bool:
    if fault.times is not None and taken >= fault.times:
        return False
    return all(getattr(fault, name) in (None, value) for name, value in facts.items())
