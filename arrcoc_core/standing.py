"""How things stand: what runs, what ended, what needs the user, and one next step. The home of every door.

Pure, like `results.py`: it reads attributes of the runs and of the discovery it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from arrcoc_core.formatting import ago, time_left
from arrcoc_core.results import (
    UNFINISHED,
    NextStep,
    ResultSummary,
    RunLike,
    previous_of,
    sentence,
    state_word,
    summarize,
)

if TYPE_CHECKING:
    from arrcoc_core.discovery import Discovery

RECENT = 5


@dataclass(frozen=True)
class RunningLine:
    """A run that has not ended; `fraction` is the share of its steps done, `eta_s` the seconds left."""

    run_id: str
    experiment: str
    state: str
    phase: str
    fraction: float | None
    step: int
    total_steps: int
    eta_s: float | None
    text: str


@dataclass(frozen=True)
class Attention:
    """Something only the user can mend: a broken file, a failed run."""

    text: str
    remedy: str
    file: str = ""
    line: int = 0
    run_id: str = ""


@dataclass(frozen=True)
class HomeSummary:
    running: tuple[RunningLine, ...]
    recent: tuple[ResultSummary, ...]
    next_step: NextStep
    needs_user: tuple[Attention, ...]


def home_summary(runs: Sequence[RunLike], discovery: Discovery | None, now: datetime | None = None) -> HomeSummary:
    """What a door shows first; `runs` newest first, `discovery` None while it is still being read."""
    now = now or datetime.now(UTC)
    running = tuple(_running_line(run, now) for run in reversed(runs) if run.state in UNFINISHED)
    ended = [run for run in runs if run.state not in UNFINISHED]
    ended.sort(key=lambda run: run.ended_at or run.created_at, reverse=True)
    recent = tuple(summarize(run, previous_of(run, runs)) for run in ended[:RECENT])
    needs = (*_broken_files(discovery), *_failures(runs))
    return HomeSummary(running, recent, _home_step(running, recent, runs, discovery), needs)


def _running_line(run: RunLike, now: datetime) -> RunningLine:
    progress = run.progress
    step, total = (progress.step, progress.total_steps) if progress is not None else (0, 0)
    eta = run.eta_s
    left = f", {time_left(eta)}" if time_left(eta) and run.state == "running" else ""
    since = f", queued {ago(run.created_at, now)}" if run.state == "queued" else ""
    return RunningLine(
        run_id=run.id,
        experiment=run.experiment,
        state=run.state,
        phase=progress.phase if progress is not None else "",
        fraction=min(1.0, step / total) if total else None,
        step=step,
        total_steps=total,
        eta_s=eta,
        text=f"{run.experiment}: {state_word(run)}{left}" if not since else f"{run.experiment}{since}",
    )


def _broken_files(discovery: Discovery | None) -> tuple[Attention, ...]:
    if discovery is None:
        return ()
    return tuple(
        Attention(
            text=f"{entry.error.file}:{entry.error.line} cannot be used: {entry.error.message.splitlines()[0]}",
            remedy="Open it and mend that line; the other experiments still launch.",
            file=entry.error.file,
            line=entry.error.line,
        )
        for entry in discovery.entries
        if entry.error is not None
    )


def _failures(runs: Sequence[RunLike]) -> tuple[Attention, ...]:
    """Names whose latest run failed: once launched again they need nobody."""
    seen: set[str] = set()
    found: list[Attention] = []
    for run in sorted(runs, key=lambda run: run.created_at, reverse=True):
        if run.experiment not in seen and run.state == "failed":
            found.append(Attention(sentence(run), f"arrcoc logs {run.id}", run_id=run.id))
        seen.add(run.experiment)
    return tuple(found[:RECENT])


def _home_step(
    running: Sequence[RunningLine],
    recent: Sequence[ResultSummary],
    runs: Sequence[RunLike],
    discovery: Discovery | None,
) -> NextStep:
    if running:
        first = running[0]
        return NextStep(f"Watch {first.experiment} learn.", f"arrcoc monitor {first.run_id}", first.experiment)
    usable = [entry.name for entry in (discovery.entries if discovery else ()) if entry.error is None]
    if not runs and usable and "quickstart" not in usable:
        return NextStep(f"Launch {usable[0]}.", f"arrcoc launch {usable[0]} --watch", usable[0])
    if not runs:
        return NextStep(
            "Launch quickstart: a selector learns to read a picture with one sixteenth of its visual tokens.",
            "arrcoc launch quickstart --watch",
            "quickstart",
        )
    done = next((summary for summary in recent if summary.state == "succeeded"), None)
    return (done or recent[0]).next_step
