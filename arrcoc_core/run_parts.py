"""Parts of a run as every door sees them: an attempt, the progress a trainer has told. Times are aware, in UTC."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from arrcoc_core.records import AttemptRecord


@dataclass(frozen=True, slots=True)
class Attempt:
    """One process (or job) of a run; a resumed run has several."""

    n: int
    state: str
    cause: str
    started_at: datetime
    ended_at: datetime | None
    exit_code: int | None
    cost_usd: float
    """Dollars; of a live one, so far."""
    region: str = ""
    machine_type: str = ""
    provisioning: str = ""
    """"spot", "flex" or "on-demand"; where it runs, which is "" for this machine."""
    usd_per_h: float | None = None
    running_at: datetime | None = None
    """Since when it has its machine, and costs."""
    scope: str = ""
    """What its end was about: "stockout", "preempted", "quota", …"""
    link: str = ""
    """Its page in the console."""

    def to_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "state": self.state,
            "cause": self.cause,
            "started_at": utc_text(self.started_at),
            "ended_at": utc_text(self.ended_at),
            "exit_code": self.exit_code,
            "cost_usd": self.cost_usd,
            "region": self.region,
            "machine_type": self.machine_type,
            "provisioning": self.provisioning,
            "usd_per_h": self.usd_per_h,
            "running_at": utc_text(self.running_at),
            "scope": self.scope,
            "link": self.link,
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """What the trainer told last. `eta_s`: seconds left; None while it cannot know."""

    phase: str
    step: int
    total_steps: int
    samples_per_s: float | None
    eta_s: float | None
    updated_at: datetime | None

    @property
    def fraction(self) -> float | None:
        """0 to 1; None while the number of steps is not known."""
        return min(1.0, self.step / self.total_steps) if self.total_steps else None


def utc_text(moment: datetime | None) -> str | None:
    """ISO 8601 with milliseconds and Z."""
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def attempt_of(record: AttemptRecord) -> Attempt:
    return Attempt(
        n=record.n,
        state=record.state,
        cause=record.cause,
        started_at=utc(record.started_at),
        ended_at=utc_or_none(record.ended_at),
        exit_code=record.exit_code,
        cost_usd=record.spent_usd(time.time()),
        region=record.region,
        machine_type=record.machine_type,
        provisioning=record.provisioning,
        usd_per_h=record.usd_per_h,
        running_at=utc_or_none(record.running_at),
        scope=record.scope,
        link=record.link,
    )


def progress_of(told: dict[str, Any]) -> Progress:
    try:
        updated = datetime.fromisoformat(str(told.get("updated_at")))
    except ValueError:
        updated = None
    return Progress(
        phase=str(told.get("phase", "")),
        step=int(told.get("step") or 0),
        total_steps=int(told.get("total_steps") or 0),
        samples_per_s=told.get("samples_per_s"),
        eta_s=told.get("eta_s"),
        updated_at=updated,
    )


def utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def utc_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else utc(seconds)
