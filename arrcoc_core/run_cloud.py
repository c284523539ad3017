"""What a run has besides when it runs in the cloud: its image, its places, its dollars, its page in the console.

All of it is there for every run; on this machine it is empty, or costs nothing.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from arrcoc_core.records import Place, RunRecord
from arrcoc_core.run_parts import utc_or_none, utc_text
from arrcoc_core.targets.local import read_json


@dataclass(frozen=True, slots=True)
class Preparation:
    """How far a run's image and files in the cloud are, before its first attempt. `step` counts from 1; 0: none yet."""

    state: str
    """"needed", "working" or "ready"."""
    detail: str
    step: int
    of_steps: int
    log_path: Path
    """The build's log, as far as it has been read."""
    queued_at: datetime | None = None
    """Since when it waits, or has waited, in a queue; None: it goes through none, or is not there yet."""
    position: int = 0
    """Among those that wait in the queue, from 1; 0: it does not."""
    why: str = ""
    """What it waits for in the queue, once it has waited for a minute."""
    todo: str = ""
    """What can be done about that."""

    @property
    def fraction(self) -> float | None:
        """0 to 1; None while the number of steps is not known."""
        return self.step / self.of_steps if self.of_steps else None

    def to_json(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "detail": self.detail,
            "step": self.step,
            "of_steps": self.of_steps,
            "queued_at": utc_text(self.queued_at),
            "position": self.position,
            "why": self.why,
            "todo": self.todo,
        }


class InCloud(ABC):
    """The part of `Run` that is about where it runs and what that costs."""

    _record: RunRecord

    @property
    @abstractmethod
    def directory(self) -> Path: ...

    @property
    @abstractmethod
    def eta_s(self) -> float | None: ...

    @property
    def preparation(self) -> Preparation | None:
        """None where nothing has to be prepared."""
        held = self._record.preparation
        if held is None:
            return None
        return Preparation(
            state=str(held.get("state", "needed")),
            detail=str(held.get("detail", "")),
            step=int(held.get("step") or 0),
            of_steps=int(held.get("of_steps") or 0),
            log_path=self.directory / "logs" / "build.log",
            queued_at=utc_or_none(held.get("queued_at")),
            position=int(held.get("position") or 0) if held.get("state") != "ready" else 0,
            why=str(held.get("why", "")),
            todo=str(held.get("todo", "")),
        )

    @property
    def ladder(self) -> tuple[Place, ...]:
        """Where its attempts may run, in the order in which they are tried; empty: on this machine."""
        return self._record.ladder

    @property
    def rung(self) -> int:
        """Position in `ladder` of the live attempt, or of the next."""
        return self._record.rung

    @property
    def problem(self) -> str:
        """Why it cannot be observed just now; "": it can."""
        return self._record.problem

    @property
    def remedy(self) -> str:
        """What to do about the cause it failed of."""
        return self._record.remedy

    @property
    def max_cost_usd(self) -> float:
        """Dollars at which it is cancelled; 0: no cap."""
        return self._record.max_cost_usd

    @property
    def cost_usd(self) -> float:
        """Dollars so far, the live attempt's included."""
        return self._record.spent_usd(time.time())

    @property
    def forecast_usd(self) -> float | None:
        """Dollars in all, at the present place's rate for the time left; None where either is not known."""
        record = self._record
        if record.finished:
            return self.cost_usd
        if not record.ladder:
            return 0.0
        left, rate = self.eta_s, record.ladder[min(record.rung, len(record.ladder) - 1)].usd_per_h
        if left is None or rate is None:
            return None
        from arrcoc_core.catalog import cost_of

        return self.cost_usd + cost_of(rate, left / 3600)

    @property
    def link(self) -> str:
        """The newest attempt's page in the console."""
        return self._record.attempts[-1].link if self._record.attempts else ""

    @property
    def endpoints(self) -> str:
        """The folder of endpoints that it was launched with; "": Google's own, or this machine."""
        return "" if self._record.target == "local" else _endpoints(self.directory)

    @property
    def sandbox(self) -> bool:
        """Whether it was launched in a sandbox: nothing of it is real or costs anything."""
        return bool(self.endpoints)

    def _cloud_json(self) -> dict[str, Any]:
        preparation = self.preparation
        return {
            "preparation": None if preparation is None else preparation.to_json(),
            "problem": self.problem,
            "remedy": self.remedy,
            "max_cost_usd": self.max_cost_usd,
            "forecast_usd": self.forecast_usd,
            "link": self.link,
            "endpoints": self.endpoints,
        }


@lru_cache(maxsize=1024)
def _endpoints(directory: Path) -> str:
    """From the plan, which does not change any more."""
    cloud: Any = (read_json(directory / "plan.json") or {}).get("cloud")
    return str(cloud.get("endpoints", "")) if cloud else ""
