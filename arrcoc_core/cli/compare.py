"""`arrcoc compare RUN…`: selectors against each other and against the rules, at the same budgets of visual tokens.

Runs that differ in their seed alone count as one selector. The work needs torch, so `training.compare` does it in a
process of its own; table, plot and figures are left beside the first run. Exit code 2: they cannot be compared.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

from arrcoc_core.comparing import command_of, directories_of

OPTIONS = ("budgets", "samples", "seeds", "rules", "search", "device")


def compare(arguments: argparse.Namespace) -> int:
    from arrcoc_core.settings import find_root

    options = {name: getattr(arguments, name) for name in OPTIONS}
    command = command_of(
        directories_of(arguments.runs), {**options, "out": Path(arguments.out) if arguments.out else None}
    )
    return subprocess.run(command, cwd=find_root(), check=False).returncode
