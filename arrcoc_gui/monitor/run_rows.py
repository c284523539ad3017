"""The run list as plain values: which rows, in which order, with which words.

Newest first. The runs of one sweep are children of one row, which stands where its newest run would. The
live value is the run's accuracy as last evaluated; a run that has none yet shows its phase, so that no row
is ever without an explanation. A search keeps rows whose name, id, state or user holds every word typed, and the
sweeps that hold such rows. Runs that are read from a W&B server stand among the others, with who logged them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from arrcoc_core.formatting import percent, plural
from arrcoc_core.references import accuracy_of, all_judged_by, mark_of
from arrcoc_gui.monitor.run_view import RunView
from arrcoc_gui.monitor.standing import CAUGHT_UP, Standing


@dataclass(frozen=True)
class RunRow:
    """One row. `run_ids`: the runs a toggle of this row shows or hides. `fraction`: 0 to 1, None when ended.

    `place`: "entity/project" at W&B of a run that can only be looked at, `user` who logged it. `note`: what kind of
    accuracy its value is, where those are no exact matches, and how far it lies behind its server.
    """

    key: str
    name: str
    state: str
    value: str
    fraction: float | None
    run_ids: tuple[str, ...]
    children: tuple[RunRow, ...] = ()
    sandbox: bool = False
    user: str = ""
    place: str = ""
    note: str = ""

    @property
    def is_sweep(self) -> bool:
        return bool(self.children)


def run_row(run: RunView, *, in_sweep: bool = False, standing: Standing = CAUGHT_UP) -> RunRow:
    """The row of one run; below its sweep it shows only the point's own part of the name."""
    return RunRow(
        run.id,
        run.experiment.rsplit("/", 1)[-1] if in_sweep else run.experiment,
        run.state,
        live_value(run),
        fraction_of(run),
        (run.id,),
        sandbox=run.sandbox,
        user=run.user,
        place=run.online.place if run.online is not None else "",
        note=" · ".join(part for part in (mark_of(run.summary), standing.short()) if part),
    )


def live_value(run: RunView) -> str:
    """Accuracy as last evaluated, else the phase, else nothing (an ended run without a result)."""
    accuracy = accuracy_of(run.summary)
    if accuracy is not None:
        return percent(accuracy)
    if run.online is not None:
        return plural(run.online.rows, "row") if run.online.rows else "no rows"
    if run.finished:
        return "—"
    return run.reach.phase if run.reach is not None else ""


def fraction_of(run: RunView) -> float | None:
    """How much of a live run's steps is done; None when it has ended or does not say."""
    return None if run.finished or run.reach is None else run.reach.fraction


def build_rows(
    runs: Sequence[RunView], search: str = "", standings: Mapping[str, Standing] | None = None
) -> tuple[RunRow, ...]:
    """Rows for `runs` (newest first), filtered by `search`. `standings`: how far runs lie behind, by id."""
    behind = standings or {}
    rows: list[RunRow] = []
    seen: set[str] = set()
    words = search.casefold().split()
    for run in runs:
        if run.sweep is None:
            rows.extend(_matching([run_row(run, standing=behind.get(run.id, CAUGHT_UP))], words))
        elif run.sweep not in seen:
            seen.add(run.sweep)
            # In the order of the sweep, which is the order its runs were created in.
            row = sweep_row([other for other in reversed(runs) if other.sweep == run.sweep], behind)
            children = _matching(row.children, words, row.name)
            if children:
                rows.append(replace(row, children=tuple(children)))
    return tuple(rows)


def sweep_row(members: Sequence[RunView], standings: Mapping[str, Standing] | None = None) -> RunRow:
    """The row of a sweep; `members` are all its runs in its order, at least one."""
    behind = standings or {}
    name = sweep_name(members)
    judged = all_judged_by(run.summary for run in members)
    results = [run.summary[judged] for run in members if judged in run.summary]
    done = sum(run.finished for run in members)
    fractions = [1.0 if run.finished else fraction_of(run) or 0.0 for run in members]
    return RunRow(
        key=f"sweep:{members[0].sweep}",
        name=name,
        state=sweep_state([run.state for run in members]),
        value=f"best {percent(max(results))}" if results else f"{done} of {len(members)}",
        fraction=None if done == len(members) else sum(fractions) / len(fractions),
        run_ids=tuple(run.id for run in members),
        children=tuple(run_row(run, in_sweep=True, standing=behind.get(run.id, CAUGHT_UP)) for run in members),
        sandbox=any(run.sandbox for run in members),
        note=mark_of({judged}),
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
    return [row for row in rows if all(word in f"{_text(row)} {more}".casefold() for word in words)]


def _text(row: RunRow) -> str:
    return f"{row.name} {row.state} {row.key} {row.user} {row.place}"
