"""`arrcoc metrics RUN`: every logged value, one row a step; as a table of last values, as CSV or as JSON.

CSV: `trainer/step` first, the other columns sorted by name, an empty cell where a step has no such value; numbers
are written so that reading them back gives the same float.
"""

from __future__ import annotations

import argparse
import csv
import sys
from typing import TYPE_CHECKING

from arrcoc_core.cli.find import any_run, label
from arrcoc_core.cli.online_view import read_metrics
from arrcoc_core.cli.terminal import paint, say, say_json, sparkline, table, width
from arrcoc_core.formatting import metric, plural

if TYPE_CHECKING:
    from arrcoc_core.metrics import RunMetrics

STEP = "trainer/step"


def metrics(arguments: argparse.Namespace) -> int:
    run = any_run(arguments.run)
    found = read_metrics(run)
    if arguments.csv:
        write_csv(found)
    elif arguments.json:
        say_json(list(found.rows()))
    elif not found.names:
        say(f"{label(run)} has logged nothing yet.")
    else:
        say(_table(found))
        say(paint(f"\nEvery step: arrcoc metrics {label(run)} --csv", "muted"))
    return 0


def write_csv(found: RunMetrics) -> None:
    header = found.columns()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(header)
    for row in found.rows():
        writer.writerow(["" if name not in row else _cell(row[name]) for name in header])


def _cell(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _table(found: RunMetrics) -> str:
    room = max(10, min(40, width() - 70))
    rows: list[tuple[str, ...]] = []
    for name in sorted(name for name in found.names if name != STEP):
        series = found.series(name)
        values = [float(value) for value in series.value]
        last = values[-1] if values else None
        low, high = (min(values), max(values)) if values else (None, None)
        rows.append(
            (
                name,
                metric(name, last),
                metric(name, low),
                metric(name, high),
                plural(len(values), "step"),
                sparkline(values, room),
            )
        )
    return table(("metric", "last", "lowest", "highest", "logged at", "course"), rows, right=(1, 2, 3, 4))
