"""What a sweep came to: its points with only the swept fields and the metric, the best one marked.

Pure, like `results.py`: it reads attributes of the runs it is given. A point whose folder is gone keeps its result
and loses its values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arrcoc_core.errors import ExperimentError
from arrcoc_core.formatting import literal, metric, plural
from arrcoc_core.references import all_judged_by, said_by
from arrcoc_core.results import UNFINISHED, RunLike


@dataclass(frozen=True)
class SweepRow:
    """One point of a sweep: the values of the swept fields and what came of them."""

    run_id: str
    name: str
    values: tuple[object, ...]
    result: float | None
    text: str
    state: str
    best: bool


@dataclass(frozen=True)
class SweepSummary:
    name: str
    fields: tuple[str, ...]
    metric: str
    rows: tuple[SweepRow, ...]
    best_index: int | None
    points_for_chart: tuple[tuple[float, float], ...]
    sentence: str


def summarize_sweep(runs: Sequence[RunLike], *, name: str = "") -> SweepSummary:
    """The points of one sweep in the order given: swept fields, result, the best one (on a tie the fewest tokens)."""
    judged = all_judged_by(run.summary for run in runs)
    flat = [_values(run) for run in runs]
    fields = _swept_fields(flat)
    results = [run.summary.get(judged) if run.state not in UNFINISHED else None for run in runs]
    ranked = [
        (result, -_tokens(run, values), -index)
        for index, (run, values, result) in enumerate(zip(runs, flat, results, strict=True))
        if result is not None and run.state == "succeeded"
    ]
    best_index = -max(ranked)[2] if ranked else None
    rows = tuple(
        SweepRow(
            run_id=run.id,
            name=run.experiment,
            values=tuple(values.get(field) for field in fields),
            result=result,
            text=metric(judged, result),
            state=run.state,
            best=index == best_index,
        )
        for index, (run, values, result) in enumerate(zip(runs, flat, results, strict=True))
    )
    name = name or next((run.sweep for run in runs if run.sweep), runs[0].experiment if runs else "")
    ended = sum(run.state not in UNFINISHED for run in runs)
    sentence = f"{name}: {ended} of {plural(len(runs), 'run')} ended"
    if best_index is not None:
        what = ", ".join(
            f"{field} = {literal(value)}" for field, value in zip(fields, rows[best_index].values, strict=True)
        )
        sentence += f"; best {rows[best_index].text}" + (f" with {what}" if what else "") + said_by(judged)
    return SweepSummary(
        name=name,
        fields=fields,
        metric=judged,
        rows=rows,
        best_index=best_index,
        points_for_chart=tuple(
            sorted(
                (_tokens(run, values), result)
                for run, values, result in zip(runs, flat, results, strict=True)
                if result is not None
            )
        ),
        sentence=sentence + ".",
    )


def _values(run: RunLike) -> Mapping[str, object]:
    """Its values by dotted path; none where its folder is gone."""
    try:
        return run.resolved.values()
    except ExperimentError:
        return {}


def _swept_fields(flat: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    known = [values for values in flat if values]
    paths = dict.fromkeys(path for values in known for path in values)
    aside = {"name", "tags", "notes"}
    return tuple(
        path for path in paths if path not in aside and any(values.get(path) != known[0].get(path) for values in known)
    )


def _tokens(run: RunLike, values: Mapping[str, object]) -> float:
    keep = run.summary.get("tokens/kept", values.get("tokens.keep"))
    return float(keep) if isinstance(keep, int | float) else 0.0
