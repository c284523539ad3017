"""What the run has cost so far: the machine's price times the time since the attempt began, and what came before.

The price is that of the whole job, all its machines, as the plan knew it. Without one (a run on this machine) there is
no counter.

It never goes back. An attempt that is lost without a word may have told more in its rows than in its last heartbeat;
those of its rows that stay are the ones up to the checkpoint from which the next attempt goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RATE, SINCE, BEFORE = "ARRCOC_USD_PER_HOUR", "ARRCOC_STARTED_AT", "ARRCOC_USD_BEFORE"
METRIC = "cost/usd"


@dataclass(frozen=True)
class Cost:
    usd_per_h: float
    since: float
    """When the attempt began, seconds since 1970."""
    before: float
    """Dollars of the attempts before this one."""

    @staticmethod
    def from_environment() -> Cost | None:
        """None where no price is known."""
        rate = os.environ.get(RATE)
        if not rate:
            return None
        since = float(os.environ.get(SINCE) or time.time())
        return Cost(float(rate), since, float(os.environ.get(BEFORE) or 0))

    def environment(self) -> dict[str, str]:
        """For a trainer that is to count on."""
        return {RATE: repr(self.usd_per_h), SINCE: repr(self.since), BEFORE: repr(self.before)}

    @property
    def attempt_usd(self) -> float:
        return self.usd_per_h * max(0.0, time.time() - self.since) / 3600

    @property
    def values(self) -> Mapping[str, float]:
        """The metric to log."""
        return {METRIC: self.before + self.attempt_usd}


def cost_told(state: Mapping[str, Any]) -> float:
    """Dollars that the rows up to a checkpoint with this state tell; 0.0 where they tell none."""
    rows: list[Mapping[str, float]] = [state.get("summary") or {}, state.get("unevaluated") or {}]
    return max(float(row.get(METRIC) or 0) for row in rows)
