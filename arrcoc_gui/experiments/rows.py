"""The table as plain values: no Qt.

`build_rows` turns what was loaded into rows, a sweep's points below one row of the sweep. `changed_cells` says what a
reload has changed, by row and column, so that the view can flash it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from arrcoc_core.errors import ArrcocError
from arrcoc_core.formatting import duration, money, plural
from arrcoc_core.overview import STATUS_TONES
from arrcoc_gui.experiments.loading import Table

if TYPE_CHECKING:
    from arrcoc_core.overview import ExperimentRow
    from arrcoc_core.planning import Plan
    from arrcoc_core.resolving import ResolvedExperiment

COLUMNS = ("Name", "Status", "Model", "Keeps", "Data", "Target", "Estimate", "Last result")
NAME, STATUS, MODEL, KEEPS, DATA, TARGET, ESTIMATE, LAST = range(8)
RIGHT_ALIGNED = frozenset({KEEPS, ESTIMATE, LAST})


@dataclass(frozen=True)
class Problem:
    """Why a row cannot be launched; `file` is relative to the project."""

    message: str
    file: str
    line: int
    remedy: str = ""
    traceback: str = ""


@dataclass(frozen=True)
class Row:
    """One row. `key` stays the same over reloads; `launch` is the name to launch, empty where nothing can be."""

    key: str
    name: str
    kind: str  # "experiment", "sweep", "broken"
    cells: tuple[str, ...]
    tone: str
    file: str
    line: int
    launch: str = ""
    headline: str = ""
    problem: Problem | None = None
    blocked: Problem | None = None  # it can be read, but not run here
    resolved: ResolvedExperiment | None = None
    plan: Plan | None = None
    children: tuple[Row, ...] = ()
    identity: str = field(default="", compare=False)  # of all its values: a change that no cell shows

    @property
    def status(self) -> str:
        return self.cells[STATUS]

    @property
    def first_point(self) -> Row | None:
        """Itself, or of a sweep the first of its points that can be planned; None where nothing can."""
        return next((row for row in (self, *self.children) if row.plan is not None), None)

    @property
    def wants_account(self) -> bool:
        """Whether it is for the cloud and there is no project to run it in."""
        shown = next((row for row in (self, *self.children) if row.resolved is not None), None)
        compute = shown.resolved.experiment.compute.kind if shown is not None and shown.resolved is not None else ""
        return self.blocked is not None and compute in ("vertex", "wandb-launch") and not self.in_cloud

    @property
    def in_cloud(self) -> bool:
        """Whether launching it costs money, and so asks first."""
        point = self.first_point
        return point is not None and point.plan is not None and point.plan.cloud is not None


def build_rows(table: Table) -> tuple[Row, ...]:
    """Rows in the order of the files; a sweep stands where its first point is."""
    taken: dict[str, int] = {}
    points: dict[tuple[str, str], list[Row]] = {}
    order: list[Row | tuple[str, str]] = []
    for source in table.rows:
        row = _row(source, table, taken)
        if source.sweep is None:
            order.append(row)
            continue
        group = (source.file, source.sweep)
        if group not in points:
            points[group] = []
            order.append(group)
        points[group].append(row)
    return tuple(item if isinstance(item, Row) else _sweep_row(item, points[item]) for item in order)


def matches(row: Row, query: str) -> bool:
    """Whether every word of `query` is somewhere in the row or in one of its points."""
    text = " ".join((*row.cells, row.file, row.problem.message if row.problem else "")).lower()
    return all(word in text for word in query.lower().split()) or any(matches(child, query) for child in row.children)


def changed_cells(before: Iterable[Row], after: Iterable[Row]) -> dict[str, frozenset[int]]:
    """Key -> columns that differ between two loads; a new row counts as changed in all, one that went in none."""
    old = {row.key: row for row in flatten(before)}
    changed: dict[str, frozenset[int]] = {}
    for row in flatten(after):
        was = old.get(row.key)
        if was is None:
            changed[row.key] = frozenset(range(len(COLUMNS)))
            continue
        columns = {i for i, (a, b) in enumerate(zip(was.cells, row.cells, strict=True)) if a != b}
        if was.identity != row.identity or was.problem != row.problem:
            columns.add(NAME)
        if columns:
            changed[row.key] = frozenset(columns)
    return changed


def flatten(rows: Iterable[Row]) -> list[Row]:
    """Rows and their points, top to bottom."""
    return [each for row in rows for each in (row, *row.children)]


def _row(source: ExperimentRow, table: Table, taken: dict[str, int]) -> Row:
    key = f"{source.file}::{source.name}"
    taken[key] = taken.get(key, 0) + 1
    key = key if taken[key] == 1 else f"{key}#{taken[key]}"
    plan = table.plans.get(source.name)
    usable = plan if plan is not None and not isinstance(plan, ArrcocError) else None
    broken = source.status == "broken"
    cells = (
        source.name,
        source.status,
        source.model.rsplit("/", 1)[-1],
        "" if source.keep is None else str(source.keep),
        source.data.rsplit("/", 1)[-1],
        {"local": "this machine", "vertex": "Vertex AI"}.get(source.target, source.target),
        duration(seconds(usable), short=True) if usable is not None else "",
        source.last_result,
    )
    blocked = None if broken else _blocked(source, plan)
    return Row(
        key=key,
        name=source.name,
        kind="broken" if broken else "experiment",
        cells=cells,
        tone=STATUS_TONES.get(source.status, "muted"),
        file=source.file,
        line=source.line,
        launch="" if broken or blocked else source.name,
        headline=usable.headline if usable is not None else "",
        problem=_problem(source, table) if broken else None,
        blocked=blocked,
        resolved=source.resolved,
        plan=usable,
        identity=repr(source.resolved.values()) if source.resolved is not None else source.error,
    )


def _problem(source: ExperimentRow, table: Table) -> Problem:
    """The error of a file that could not be loaded, or of values that contradict each other."""
    entries = table.discovery.entries if table.discovery is not None else ()
    for entry in entries:
        if entry.error is not None and (entry.file, entry.name, entry.line) == (source.file, source.name, source.line):
            error = entry.error
            return Problem(error.message, error.file, error.line, error.remedy, error.traceback)
    return Problem(source.error, source.file, source.line)


def _blocked(source: ExperimentRow, plan: Plan | ArrcocError | None) -> Problem | None:
    if isinstance(plan, ArrcocError):
        return Problem(plan.message, source.file, source.line, plan.remedy)
    if plan is not None and not plan.ok:
        failed = [check for check in plan.checks if check.failed]
        return Problem(
            "; ".join(f"{check.name}: {check.detail}" for check in failed),
            source.file,
            source.line,
            "\n".join(check.remedy for check in failed if check.remedy),
        )
    return None


def seconds(plan: Plan) -> float | None:
    """The middle of a plan's estimate (geometric: the range spans factors), None when it has none."""
    low, high = plan.estimate_s
    return (low * high) ** 0.5 if high else None


def _sweep_row(group: tuple[str, str], points: Sequence[Row]) -> Row:
    file, name = group
    statuses = [point.status for point in points]
    ran = sum(status == "ran" for status in statuses)
    one = len(set(statuses)) == 1
    broken = any(point.kind == "broken" for point in points)
    blocked = next((point.blocked for point in points if point.blocked is not None), None)
    cells = (
        name,
        statuses[0] if one else "broken" if broken else f"{ran} of {len(points)} ran",
        _common(points, MODEL),
        _range(points),
        _common(points, DATA),
        _common(points, TARGET),
        duration(sweep_seconds(points), short=True) if sweep_seconds(points) is not None else "",
        _best(points),
    )
    tone = points[0].tone if one else "bad" if broken else "muted"
    return Row(
        key=f"{file}::sweep {name}",
        name=name,
        kind="sweep",
        cells=cells,
        tone=tone,
        file=file,
        line=points[0].line,
        launch="" if broken or blocked else name,
        headline=sweep_headline(points),
        problem=next((point.problem for point in points if point.problem is not None), None),
        blocked=blocked,
        children=tuple(points),
        identity=repr([point.identity for point in points]),
    )


def sweep_seconds(points: Sequence[Row]) -> float | None:
    """How long the queue of all points takes; None when one of them has no estimate."""
    each = [seconds(point.plan) if point.plan is not None else None for point in points]
    known = [value for value in each if value is not None]
    return sum(known) / _parallel(points) if len(known) == len(points) and known else None


def sweep_headline(points: Sequence[Row]) -> str:
    """ "4 runs, one at a time · about 6 min · $0 · nothing to build"."""
    plans = [point.plan for point in points if point.plan is not None]
    if not plans:
        return plural(len(points), "run")
    total = sweep_seconds(points)
    parallel = _parallel(points)
    how = "one at a time" if parallel == 1 else f"{parallel} at a time"
    time = "time unknown" if total is None else f"about {duration(total, short=True)}"
    costs = [plan.cost_usd for plan in plans]
    cost = "price unknown" if None in costs else money(sum(cost or 0.0 for cost in costs))
    return " · ".join((f"{plural(len(points), 'run')}, {how}", time, cost, plans[0].image))


def _parallel(points: Sequence[Row]) -> int:
    compute = points[0].resolved.experiment.compute if points[0].resolved is not None else None
    return min(max(int(getattr(compute, "max_parallel", 1)), 1), len(points))


def _common(points: Sequence[Row], column: int) -> str:
    values = dict.fromkeys(point.cells[column] for point in points)
    return next(iter(values)) if len(values) == 1 else f"{len(values)} values"


def _range(points: Sequence[Row]) -> str:
    values = sorted({int(point.cells[KEEPS]) for point in points if point.cells[KEEPS]})
    if not values:
        return ""
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _best(points: Sequence[Row]) -> str:
    results: list[float] = [float(point.cells[LAST].split()[0]) for point in points if point.cells[LAST]]
    return f"best {max(results):.1f} %" if results else ""
