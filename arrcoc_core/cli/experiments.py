"""`arrcoc list` and `arrcoc new`: the experiments of this project."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from arrcoc_core.cli.terminal import STYLES, paint, say, say_json, table
from arrcoc_core.formatting import plural
from arrcoc_core.overview import STATUS_TONES, ExperimentRow, experiment_rows

if TYPE_CHECKING:
    from pathlib import Path


def list_experiments(arguments: argparse.Namespace) -> int:
    """Exit code 0 also with broken files: they are rows with an error, and the others still launch."""
    rows = read_rows()
    if arguments.json:
        say_json([_for_programs(row) for row in rows])
        return 0
    if not rows:
        say("No experiment yet. Write one: arrcoc new NAME --from quickstart")
        return 0
    say(_table(rows))
    broken = [row for row in rows if row.error]
    for row in broken:
        first, *rest = row.error.splitlines()
        say(f"\n{paint(f'{row.file}:{row.line}', 'bad')}  {first}")
        for line in rest:
            say(f"  {line}")
    if broken:
        say(paint(f"\n{plural(len(broken), 'experiment')} cannot be read; the others still launch.", "muted"))
    return 0


def new(arguments: argparse.Namespace) -> int:
    from arrcoc_core.scaffold import new_experiment, open_in_editor
    from arrcoc_core.settings import find_root

    root = find_root()
    path, line = new_experiment(root, arguments.name, arguments.source)
    shown = path.relative_to(root)
    say(f"Wrote {paint(str(shown), 'bold')}, a variation of {arguments.source}.")
    if not arguments.no_open and not open_in_editor(path, line):
        say(f"No editor found (ARRCOC_EDITOR, VISUAL, VS Code, PyCharm); open it yourself: {path}:{line}")
    say(f"Then: {paint(f'arrcoc launch {arguments.name} --watch', 'accent')}")
    return 0


def read_rows(root: Path | None = None) -> tuple[ExperimentRow, ...]:
    """The experiments of the project as rows, with what their runs came to."""
    from arrcoc_core.api import runs
    from arrcoc_core.discovery import discover
    from arrcoc_core.identity import code_hash
    from arrcoc_core.settings import find_root, load_settings

    root = root or find_root()
    return experiment_rows(discover(root), load_settings(root), runs(root=root), code_hash(root))


def _for_programs(row: ExperimentRow) -> dict[str, object]:
    return {
        "name": row.name,
        "fingerprint": row.fingerprint or None,
        "file": row.file,
        "line": row.line,
        "target": row.target or None,
        "status": row.status,
        "error": row.error or None,
    }


def _table(rows: tuple[ExperimentRow, ...]) -> str:
    cells = [
        (
            row.name,
            row.model,
            str(row.keep) if row.keep is not None else "",
            row.data,
            row.target,
            row.last_result,
            paint_status(row.status),
            f"{row.file}:{row.line}",
        )
        for row in rows
    ]
    headers = ("experiment", "model", "keeps", "data", "target", "last", "status", "where")
    return table(headers, cells, right=(2, 5))


def paint_status(status: str) -> str:
    tone = STATUS_TONES.get(status)
    return paint(status, tone if tone in STYLES else None)
