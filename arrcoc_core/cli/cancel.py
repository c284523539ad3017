"""`arrcoc cancel`: stop a run, the runs of a sweep, or all of them. Asks first on a terminal."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from arrcoc_core.cli.find import run_or_sweep
from arrcoc_core.cli.terminal import confirm, is_tty, say
from arrcoc_core.errors import ConfigError
from arrcoc_core.formatting import plural
from arrcoc_core.results import state_word

if TYPE_CHECKING:
    from arrcoc_core.api import Run


def cancel(arguments: argparse.Namespace) -> int:
    from arrcoc_core.run import cancel_all

    targets = _targets(arguments)
    active = [run for run in targets if not run.finished]
    if not active:
        say(f"Nothing to cancel: {'it has already ended' if targets else 'no run is going'}.")
        return 0
    for run in active:
        say(f"{run.id}: {state_word(run)}")
    if not arguments.yes and is_tty() and sys.stdin.isatty():
        what = "this run" if len(active) == 1 else f"these {len(active)} runs"
        if not confirm(f"Cancel {what}? Checkpoints, metrics and logs stay."):
            say("Left as it is.")
            return 0
    cancel_all(active, active[0].root, "cancelled by the user")
    say(f"Cancelling {plural(len(active), 'run')}. Checkpoints, metrics and logs stay in .arrcoc/runs/.")
    return 0


def _targets(arguments: argparse.Namespace) -> list[Run]:
    from arrcoc_core.api import SweepRun, runs

    if arguments.all:
        if arguments.run:
            raise ConfigError("Give either a run or --all, not both.")
        return runs()
    if not arguments.run:
        raise ConfigError("Which run?", remedy="arrcoc cancel RUN, or arrcoc cancel --all; 'arrcoc runs' lists them.")
    found = run_or_sweep(arguments.run)
    return list(found.runs) if isinstance(found, SweepRun) else [found]
