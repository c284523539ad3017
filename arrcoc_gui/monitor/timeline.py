"""A run's life as spans and marks on one time axis: what the attempt strip draws.

Spans are waiting (queued, or between two attempts) and the attempts themselves; marks are the committed
checkpoints. Pure: attempts and checkpoints in, frozen values out; times are unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


class AttemptLike(Protocol):
    """The part of a core attempt that a timeline needs."""

    @property
    def n(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def cause(self) -> str | None: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def ended_at(self) -> datetime | None: ...


@dataclass(frozen=True)
class Span:
    """One stretch of time. `kind`: waiting, starting, running, succeeded, failed, preempted, cancelled."""

    start: float
    end: float
    kind: str
    title: str
    cause: str = ""
    open: bool = False


@dataclass(frozen=True)
class Mark:
    """A committed checkpoint."""

    time: float
    step: int


@dataclass(frozen=True)
class Timeline:
    """Everything the strip shows; `start < end` unless nothing has begun."""

    spans: tuple[Span, ...] = ()
    marks: tuple[Mark, ...] = ()

    @property
    def start(self) -> float:
        return self.spans[0].start if self.spans else 0.0

    @property
    def end(self) -> float:
        return max((span.end for span in self.spans), default=0.0)

    def span_at(self, time: float) -> Span | None:
        """The span that covers wall time `time`; an attempt rather than the wait it ends."""
        return next((span for span in reversed(self.spans) if span.start <= time <= span.end), None)

    def sentence(self) -> str:
        """The whole strip in words, for a screen reader and as its tooltip."""
        parts = [f"{span.title}{': ' + span.cause if span.cause else ''}" for span in self.spans]
        if self.marks:
            parts.append(f"{len(self.marks)} checkpoints, the last at step {self.marks[-1].step:,}")
        return "; ".join(parts)


def build_timeline(
    created_at: datetime,
    ended_at: datetime | None,
    attempts: Sequence[AttemptLike],
    marks: Iterable[Mark],
    now: datetime,
    *,
    queued_at: datetime | None = None,
) -> Timeline:
    """Spans of a run from its creation to its end (or `now` while it lives), without gaps.

    `queued_at`: since when it was in a W&B Launch queue, between its image and its first attempt.
    """
    stop = (ended_at or now).timestamp()
    cursor = created_at.timestamp()
    spans: list[Span] = []
    for attempt in attempts:
        if attempt.started_at is None:
            continue
        start = attempt.started_at.timestamp()
        if start > cursor:
            spans += _before(cursor, start, queued_at) if not spans else [_waiting(cursor, start)]
        end = (attempt.ended_at or ended_at or now).timestamp()
        title = f"attempt {attempt.n} {attempt.state}"
        if spans and attempt.n > 1 and attempt.state in ("starting", "running"):
            title += ", resumed from the last checkpoint"
        live = attempt.ended_at is None and ended_at is None
        spans.append(Span(start, max(end, start), attempt.state, title, attempt.cause or "", live))
        cursor = max(end, start)
    if ended_at is None and stop > cursor and not (spans and spans[-1].open):
        spans += _before(cursor, stop, queued_at) if not spans else [_waiting(cursor, stop)]
    return Timeline(tuple(spans), tuple(sorted(marks, key=lambda mark: mark.time)))


def _waiting(start: float, end: float) -> Span:
    return Span(start, end, "waiting", "waiting to resume")


def _before(start: float, end: float, queued_at: datetime | None) -> list[Span]:
    """What comes before the first attempt: its turn on this machine, or the image and then the Launch queue."""
    since = queued_at.timestamp() if queued_at is not None else None
    if since is None or not start <= since <= end:
        return [Span(start, end, "waiting", "queued")]
    return [Span(start, since, "waiting", "preparing"), Span(since, end, "waiting", "in the Launch queue")]


def find_checkpoints(run_directory: Path) -> tuple[Mark, ...]:
    """The committed checkpoints that are on disk now, by the time of their commit marker."""
    found: list[Mark] = []
    for marker in run_directory.glob("checkpoints/step-*/COMMITTED"):
        step = marker.parent.name.removeprefix("step-")
        try:
            time = marker.stat().st_mtime
        except FileNotFoundError:
            continue  # the limit on kept checkpoints removed it meanwhile
        if step.isdigit():
            found.append(Mark(time, int(step)))
    return tuple(sorted(found, key=lambda mark: mark.step))


def merge_marks(known: Iterable[Mark], found: Iterable[Mark]) -> tuple[Mark, ...]:
    """Marks seen before stay when their checkpoint is pruned; a step written again moves to its new time."""
    by_step = {mark.step: mark for mark in known} | {mark.step: mark for mark in found}
    return tuple(by_step[step] for step in sorted(by_step))
