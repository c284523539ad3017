"""A run's attempts as the rows of a table, and its money in words: plain values, no Qt."""

from __future__ import annotations

from datetime import datetime

from arrcoc_core.formatting import duration, money
from arrcoc_gui.cloud.trouble import Trouble, fixes_of
from arrcoc_gui.monitor.run_view import AttemptView, RunView
from arrcoc_gui.monitor.states import look_of
from arrcoc_gui.widgets.plain_table import Cell, TableRow

HEADERS = ("", "State", "Region", "Machine", "How", "Began", "Took", "An hour", "Cost", "Why")
RIGHT = frozenset({6, 7, 8})
HOW = {"spot": "spot", "flex": "flex start", "on-demand": "on demand"}


def attempt_rows(run: RunView, now: datetime) -> list[TableRow]:
    """One row for each attempt, in order."""
    return [_row(run, attempt, now) for attempt in run.attempts]


def _row(run: RunView, attempt: AttemptView, now: datetime) -> TableRow:
    look = look_of(attempt.state)
    began = attempt.started_at
    ended = attempt.ended_at or (run.ended_at if run.finished else now)
    took = (ended - began).total_seconds() if began is not None and ended is not None else None
    hour = attempt.usd_per_h
    return TableRow(
        f"{attempt.n}",
        (
            Cell(f"{attempt.n}.", "muted"),
            Cell.of(look),
            Cell(attempt.region or "here", "text" if attempt.region else "muted"),
            Cell(attempt.machine_type or run.machine, "muted"),
            Cell(HOW.get(attempt.provisioning, attempt.provisioning)),
            Cell(began.astimezone().strftime("%H:%M:%S") if began is not None else "", "muted"),
            Cell(duration(took)),
            Cell("" if hour is None else f"${hour:.2f}", "muted"),
            Cell(money(attempt.cost_usd) if run.in_cloud else "", bold=attempt.ended_at is None),
            Cell(attempt.cause or "", "muted"),
        ),
    )


def money_words(run: RunView) -> str:
    """ "$0.42 so far, about $1.30 in all, cap $5.00"; "" for a run that costs nothing."""
    if not run.in_cloud:
        return ""
    parts = [f"{money(run.cost_usd)}{'' if run.finished else ' so far'}"]
    if run.forecast_usd is not None and not run.finished:
        parts.append(f"about {money(run.forecast_usd)} in all")
    if run.cap_usd and not run.finished:
        parts.append(f"cap {money(run.cap_usd)}")
    return ", ".join(parts)


def preparing_words(run: RunView) -> str:
    """What the image is doing, or the queue: "step 3 of 9", "2nd in the queue vertex-ai-queue"; "" where nothing is
    prepared.
    """
    told = run.preparation
    if told is None:
        return ""
    if told.state == "ready":
        return "the image is there"
    step = f"step {told.step} of {told.of_steps}" if told.of_steps else ""
    return told.detail or step or "looking for the image"


def trouble_of(run: RunView) -> Trouble | None:
    """What a person should know: it cannot be observed just now, it waits for somebody, or it failed."""
    if run.problem and not run.finished:
        text = f"It cannot be observed just now: {run.problem}"
        return Trouble(text, "The run itself goes on; looking goes on, too.", fixes_of(run.remedy))
    told = run.preparation
    if told is not None and told.in_queue and told.todo and not run.finished:
        return Trouble(f"It waits: {told.detail}", "", fixes_of(told.todo))
    if run.state == "failed" and run.remedy:
        return Trouble(run.cause or "It failed.", "", fixes_of(run.remedy))
    return None


def waiting_words(run: RunView) -> str:
    """Where a machine is waited for: "spot g2-standard-8 in us-central1, then 2 more places"."""
    if not run.places:
        return ""
    place = run.places[min(run.rung, len(run.places) - 1)]
    rest = len(run.places) - run.rung - 1
    then = f", then {rest} more place{'s' if rest > 1 else ''}" if rest > 0 else ""
    how = HOW.get(place.provisioning, place.provisioning)
    wait = f", up to {duration(place.max_wait_s)}" if place.max_wait_s else ""
    return f"{how} {place.machine_type} in {place.region}{wait}{then}"
