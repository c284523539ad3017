"""`arrcoc runs`: the runs, newest first."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from arrcoc_core.cli.terminal import paint_state, say, say_json, table
from arrcoc_core.formatting import ago, duration, money, percent
from arrcoc_core.results import ACCURACY, elapsed_s


def list_runs(arguments: argparse.Namespace) -> int:
    from arrcoc_core.api import reconcile, runs
    from arrcoc_core.settings import find_root

    root = find_root()
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
            percent(run.summary.get(ACCURACY)),
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
