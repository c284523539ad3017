"""Everything the page shows, gathered off the GUI thread in one go: rows, plans, and the files to watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from arrcoc_core.errors import ArrcocError

if TYPE_CHECKING:
    from arrcoc_core.api import Run
    from arrcoc_core.discovery import Discovery
    from arrcoc_core.overview import ExperimentRow
    from arrcoc_core.planning import Plan


@dataclass(frozen=True)
class Table:
    """`plans` has, by name, the plan or why there is none; `problem` is what keeps everything from being planned."""

    root: Path
    rows: tuple[ExperimentRow, ...] = ()
    plans: Mapping[str, Plan | ArrcocError] = field(default_factory=dict)
    discovery: Discovery | None = None
    problem: ArrcocError | None = None
    watch: tuple[Path, ...] = ()


def load_table(root: Path, discovery: Discovery, runs: Sequence[Run]) -> Table:
    """Resolve and plan what was discovered. A wrong `.training` is the table's `problem`, not an exception."""
    from arrcoc_core.facts import gather_facts
    from arrcoc_core.overview import experiment_rows
    from arrcoc_core.settings import load_settings

    watch = files_to_watch(root)
    try:
        settings = load_settings(root)
    except ArrcocError as error:
        return Table(root, discovery=discovery, problem=error, watch=watch)
    facts = gather_facts(root, settings)
    rows = experiment_rows(discovery, settings, runs, facts.code_hash)
    plans: dict[str, Plan | ArrcocError] = {}
    for row in rows:
        if row.resolved is not None:
            plans[row.name] = _plan(row, facts)
    return Table(root, rows, plans, discovery, None, watch)


def files_to_watch(root: Path) -> tuple[Path, ...]:
    """What a change of makes this page stale: experiments, settings, and the files whose hash is the code's."""
    from arrcoc_core.discovery import experiment_files
    from arrcoc_core.identity import job_files

    files = {*experiment_files(root), *(root / file for file in job_files(root)), root / ".training"}
    folders = {root, root / "experiments", *(file.parent for file in files)}
    return tuple(sorted(path for path in {*files, *folders} if path.exists()))


def _plan(row: ExperimentRow, facts: object) -> Plan | ArrcocError:
    from arrcoc_core.planning import make_plan

    assert row.resolved is not None
    try:
        return make_plan(row.resolved, facts)  # type: ignore[arg-type]
    except ArrcocError as error:
        return error
