"""A run as the monitor shows it: a frozen copy of the core's run handle at one moment.

The core's `Run` is a handle: it is refreshed in place by whoever polls, and some of its properties read files
when asked. The monitor takes these copies in a background thread and draws only from them, so nothing that
paints ever touches the disk or sees a run change halfway.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from arrcoc_gui.monitor.timeline import AttemptLike

if TYPE_CHECKING:
    from arrcoc_core.api import Run


@dataclass(frozen=True)
class Reach:
    """How far a run has come, as its trainer last wrote it. Rates are samples/s, times seconds."""

    phase: str
    step: int
    total_steps: int
    samples_per_s: float | None = None
    eta_s: float | None = None

    @property
    def fraction(self) -> float | None:
        """0 to 1; None while the total is unknown."""
        return min(max(self.step / self.total_steps, 0.0), 1.0) if self.total_steps else None


@dataclass(frozen=True)
class AttemptView:
    """One attempt of a run."""

    n: int
    state: str
    cause: str | None
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class RunView:
    """What the panes of the monitor need to know about one run."""

    id: str
    experiment: str
    state: str
    cause: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    directory: Path
    sweep: str | None = None
    sweep_name: str = ""
    summary: Mapping[str, float] = field(default_factory=dict)
    attempts: tuple[AttemptLike, ...] = ()
    reach: Reach | None = None
    finished: bool = False
    cost_usd: float = 0.0

    @classmethod
    def of(cls, run: Run) -> RunView:
        """Copy a core run. Reads its progress file, so not on the GUI thread."""
        progress = None if run.finished and run.state == "succeeded" else run.progress
        return cls(
            id=run.id,
            experiment=run.experiment,
            state=run.state,
            cause=run.cause or "",
            created_at=run.created_at,
            started_at=run.started_at,
            ended_at=run.ended_at,
            directory=Path(run.directory),
            sweep=run.sweep,
            sweep_name=run.sweep_name or "",
            summary=dict(run.summary),
            attempts=tuple(
                AttemptView(item.n, item.state, item.cause, item.started_at, item.ended_at) for item in run.attempts
            ),
            reach=None
            if progress is None
            else Reach(
                progress.phase,
                progress.step,
                progress.total_steps or run.total_steps,
                progress.samples_per_s,
                progress.eta_s,
            ),
            finished=run.finished,
            cost_usd=run.cost_usd,
        )


def view_runs(runs: Iterable[Run], known: Mapping[str, RunView]) -> list[RunView]:
    """Copies of `runs` in their order; an ended run that is known as ended is not copied again."""
    views: list[RunView] = []
    for run in runs:
        old = known.get(run.id)
        same = old is not None and old.finished and old.state == run.state and old.summary == run.summary
        views.append(old if same and old is not None else RunView.of(run))
    return views
