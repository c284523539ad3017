"""`arrcoc runs`: the runs, newest first; of this project, of a project at W&B (`--online`), or both in one table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from arrcoc_core.cli.find import label
from arrcoc_core.cli.terminal import paint_state, printable, say, say_json, table
from arrcoc_core.formatting import UNKNOWN, ago, duration, money
from arrcoc_core.references import accuracy_text
from arrcoc_core.results import elapsed_s

if TYPE_CHECKING:
    from arrcoc_core.api import Run
    from arrcoc_core.online.run import OnlineRun


def list_runs(arguments: argparse.Namespace) -> int:
    from arrcoc_core.api import reconcile, runs
    from arrcoc_core.settings import find_root

    root = find_root()
    if arguments.projects:
        return _list_projects(arguments)
    if arguments.online or arguments.all or arguments.project or arguments.entity:
        return _list_online(arguments)
    reconcile(root)
    found = runs(root=root, limit=arguments.limit)
    if arguments.json:
        say_json([run.to_json() for run in found])
        return 0
    if not found:
        say("No run yet. Start one: arrcoc launch quickstart --watch")
        return 0
    now = datetime.now(UTC)
    rows = [
        (
            run.id,
            run.experiment,
            paint_state(run.state),
            accuracy_text(run.summary),
            duration(elapsed_s(run, now)),
            str(len(run.attempts)),
            money(run.cost_usd),
            ago(run.created_at, now),
        )
        for run in found
    ]
    headers = ("run", "experiment", "state", "accuracy", "took", "attempts", "cost", "launched")
    say(table(headers, rows, right=(3, 4, 5, 6)))
    return 0


def _list_online(arguments: argparse.Namespace) -> int:
    from arrcoc_core.api import runs
    from arrcoc_core.online.listing import PAGE, ProjectRuns, side_by_side

    limit = arguments.limit or PAGE
    listed = ProjectRuns(project=arguments.project, entity=arguments.entity, limit=limit)
    local = runs(limit=arguments.limit) if arguments.all else []
    found = side_by_side(local, listed.runs)[: arguments.limit or None]
    if arguments.json:
        say_json([run.to_json() for run in found])
        return 0
    if not found:
        say(f"{listed.entity}/{listed.project} has no run yet.")
        return 0
    say(_table(found))
    left = listed.total - len(listed.runs)
    if left > 0:
        say(f"… and {left:,} more at W&B: arrcoc runs --online -n {listed.total}")
    return 0


def _table(found: Sequence[Run | OnlineRun]) -> str:
    from arrcoc_core.online.run import OnlineRun

    now = datetime.now(UTC)
    rows: list[tuple[str, ...]] = []
    for run in found:
        remote = isinstance(run, OnlineRun)
        by = (printable(run.user) or UNKNOWN) if remote else "here"
        took = run.elapsed_s if remote else elapsed_s(run, now)
        result, launched = accuracy_text(run.summary), ago(run.created_at, now)
        name = printable(run.experiment)
        rows.append((printable(label(run)), name, paint_state(run.state), result, duration(took), by, launched))
    headers = ("run", "experiment", "state", "accuracy", "took", "by", "launched")
    return table(headers, rows, right=(3, 4))


def _list_projects(arguments: argparse.Namespace) -> int:
    from arrcoc_core.online.listing import online_projects

    found = online_projects(entity=arguments.entity)
    if arguments.json:
        say_json([project.to_json() for project in found])
    elif not found:
        say("There is no project that this key may read.")
    else:
        now = datetime.now(UTC)
        rows = [(project.entity, project.name, ago(project.created_at, now)) for project in found]
        say(table(("entity", "project", "made"), rows))
    return 0
