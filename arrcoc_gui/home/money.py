"""What the runs in the cloud have cost and cost now, as words for Home. Pure; what ran in the sandbox is kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from arrcoc_core.formatting import money, plural

if TYPE_CHECKING:
    from arrcoc_core.api import Run


@dataclass(frozen=True)
class Spending:
    """Dollars; `per_hour` is what all live attempts cost together."""

    month: float
    total: float
    per_hour: float
    live: int
    runs: int

    def lines(self) -> list[tuple[str, str]]:
        """Text and look, most important first."""
        lines: list[tuple[str, str]] = []
        if self.live:
            lines.append((f"{plural(self.live, 'run')} now, {money(self.per_hour)} an hour", "strong"))
        lines.append((f"{money(self.month)} this month", "" if self.live else "strong"))
        lines.append((f"{money(self.total)} in all, {plural(self.runs, 'run')}", "muted"))
        return lines


def spending(runs: Sequence[Run], now: datetime, *, sandbox: bool) -> Spending | None:
    """Of the runs in the cloud, or of those in the sandbox; None where there is none."""
    ours = [run for run in runs if run.target != "local" and in_sandbox(run) == sandbox]
    if not ours:
        return None
    month = [run for run in ours if (run.created_at.year, run.created_at.month) == (now.year, now.month)]
    live = [run for run in ours if not run.finished and run.attempts and run.attempts[-1].ended_at is None]
    hours = [run.attempts[-1].usd_per_h or 0.0 for run in live]
    return Spending(
        month=sum(run.cost_usd for run in month),
        total=sum(run.cost_usd for run in ours),
        per_hour=sum(hours),
        live=len(live),
        runs=len(ours),
    )


def in_sandbox(run: Run) -> bool:
    """Whether it was launched at other endpoints than Google's."""
    return run.sandbox
