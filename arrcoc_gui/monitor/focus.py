"""Which run the monitor is about, and which view of it: pure decisions, so that they can be tested as such.

The focus is one run, even while a sweep is selected (its pictures, log and attempts have to be someone's): of a
sweep the run that is being trained, else the best, else the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from arrcoc_core.references import all_judged_by
from arrcoc_gui.monitor.run_view import RunView

CHARTS, RESULT, ATTEMPTS, VALUES = "charts", "result", "attempts", "values"


@dataclass(frozen=True)
class Focus:
    """`run_id`: the run in focus ("" for none). `sweep`: its sweep, when that as a whole is selected."""

    run_id: str = ""
    sweep: str = ""


def members_of(runs: Sequence[RunView], sweep: str) -> list[RunView]:
    """The runs of a sweep in its own order (the order of creation); `runs` are newest first."""
    return [run for run in reversed(runs) if run.sweep == sweep]


def focus_of_sweep(members: Sequence[RunView]) -> str:
    """The run of a sweep that its pictures, log and attempts are taken from; "" when it has none."""
    for state in ("running", "recovering", "starting"):
        for run in members:
            if run.state == state:
                return run.id
    judged = all_judged_by(run.summary for run in members)
    scored = [run for run in members if judged in run.summary]
    if scored:
        return max(scored, key=lambda run: run.summary[judged]).id
    return members[0].id if members else ""


def first_choice(runs: Sequence[RunView]) -> str:
    """The run to show when nobody has chosen: the newest that has not ended and is under way, else the newest."""
    live = [run for run in runs if not run.finished]
    under_way = [run for run in live if run.state != "queued"]
    return (under_way or live or list(runs))[0].id if runs else ""


def first_view(run: RunView) -> str:
    """Charts of a run that goes on (or is only read), the result of one of ours that has ended."""
    return RESULT if run.finished and not run.read_only else CHARTS


def possible_view(run: RunView | None, wanted: str, *, sweep: bool) -> str:
    """The view that is shown where `wanted` is asked for: a run that is only read has no result and no attempts of
    ours, a sweep as a whole no values.
    """
    if run is not None and run.read_only and wanted in (RESULT, ATTEMPTS):
        return VALUES
    return CHARTS if sweep and wanted == VALUES else wanted
