"""`arrcoc compare RUN…`: selectors against each other and against the rules, at the same budgets of visual tokens.

Runs that differ in their seed alone count as one selector. The work needs torch, so `training.compare` does it in a
process of its own; table, plot and figures are left beside the first run. Exit code 2: they cannot be compared.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from arrcoc_core.errors import UnknownRunError


def compare(arguments: argparse.Namespace) -> int:
    from arrcoc_core.settings import find_root

    command = [sys.executable, "-m", "training.compare", *map(str, _directories(arguments.runs))]
    for name in ("budgets", "samples", "seeds", "rules", "search", "out"):
        value = getattr(arguments, name)
        if value is not None:
            command += [f"--{name}", str(Path(value).resolve()) if name == "out" else str(value)]
    return subprocess.run(command, cwd=find_root(), env=dict(os.environ), check=False).returncode


def _directories(names: list[str]) -> list[Path]:
    """Of runs that have a result; a sweep's name stands for all runs of its newest launch."""
    from arrcoc_core.api import get_run, get_sweep

    found: list[Path] = []
    for name in names:
        try:
            runs = [get_run(name)]
        except UnknownRunError as error:
            try:
                runs = list(get_sweep(name).runs)
            except UnknownRunError:
                raise error from None
        found += [run.directory for run in runs]
    return list(dict.fromkeys(found))
