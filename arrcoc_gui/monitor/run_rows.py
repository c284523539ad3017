"""The run list as plain values: which rows, in which order, with which words.

Newest first. The runs of one sweep are children of one row, which stands where its newest run would. The
live value is the run's accuracy as last evaluated; a run that has none yet shows its phase, so that no row
is ever without an explanation. A search keeps rows whose name, id or state holds every word typed, and the
sweeps that hold such rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from arrcoc_core.formatting import percent
from arrcoc_gui.monitor.run_view import RunView

LIVE_METRIC = "eval/accuracy"


@dataclass(frozen=True)
class RunRow:
    """One row. `run_ids`: the runs a toggle of this row shows or hides. `fraction`: 0 to 1, None when ended."""

    key: str
    name: str
    state: str
    value: str
    fraction: float | None
    run_ids: tuple[str, ...]
    children: tuple[RunRow, ...] = ()
    sandbox: bool = False

    @property
    def is_sweep(self) -> bool:
        return bool(self.children)


def run_row(run: RunView, *, in_sweep: bool = False) -> RunRow:
    """The row of one run; below its sweep it shows only the point's own part of the name."""
    name = run.experiment.rsplit("/", 1)[-1] if in_sweep else run.experiment
    return RunRow(run.id, name, run.state, live_value(run), fraction_of(run), (run.id,), sandbox=run.sandbox)


def live_value(run: RunView) -> str:
    """Accuracy as last evaluated, else the phase, else nothing (an ended run without a result)."""
    accuracy = run.summary.get(LIVE_METRIC)
    if accuracy is not None:
        return percent(accuracy)
    if run.finished:
        return "—"
    return run.reach.phase if run.reach is not None else ""


def fraction_of(run: RunView) -> float | None:
    """How much of a live run's steps is done; None when it has ended or does not say."""
    return None if run.finished or run.reach is None else run.reach.fraction


def build_rows(runs: Sequence[RunView], search: str = "") -> tuple[RunRow, ...]:
    """Rows for `runs` (newest first), filtered by `search`."""
    rows: list[RunRow] = []
    seen: set[str] = set()
    words = search.casefold().split()
    for run in runs:
        if run.sweep is None:
            rows.extend(_matching([run_row(run)], words))
        elif run.sweep not in seen:
            seen.add(run.sweep)
            # In the order of the sweep, which is the order its runs were created in.
            row = sweep_row([other for other in reversed(runs) if other.sweep == run.sweep])
            children = _matching(row.children, words, row.name)
            if children:
                rows.append(replace(row, children=tuple(children)))
    return tuple(rows)


def sweep_row(members: Sequence[RunView]) -> RunRow:
    """The row of a sweep; `members` are all its runs in its order, at least one."""
    name = sweep_name(members)
    results = [run.summary[LIVE_METRIC] for run in members if LIVE_METRIC in run.summary]
    done = sum(run.finished for run in members)
    fractions = [1.0 if run.finished else fraction_of(run) or 0.0 for run in members]
    return RunRow(
        key=f"sweep:{members[0].sweep}",
        name=name,
        state=sweep_state([run.state for run in members]),
        value=f"best {percent(max(results))}" if results else f"{done} of {len(members)}",
        fraction=None if done == len(members) else sum(fractions) / len(fractions),
        run_ids=tuple(run.id for run in members),
        children=tuple(run_row(run, in_sweep=True) for run in members),
        sandbox=any(run.sandbox for run in members),
    )


def sweep_name(members: Sequence[RunView]) -> str:
    """The name the sweep was declared under; an older one has the part that its runs' names share."""
    return members[0].sweep_name or members[0].experiment.rsplit("/", 1)[0]


def sweep_state(states: Iterable[str]) -> str:
    """One state for many runs: what is still going on first, then the worst end."""
    present = set(states)
    under_way = ("recovering", "running", "starting", "preparing", "cancelling", "queued")
    order = (*under_way, "failed", "cancelled", "succeeded")
    return next((state for state in order if state in present), "queued")


def _matching(rows: Iterable[RunRow], words: Sequence[str], more: str = "") -> list[RunRow]:
    return [row for row in rows if all(word in f"{row.name} {row.state} {row.key} {more}".casefold() for word in words)]
