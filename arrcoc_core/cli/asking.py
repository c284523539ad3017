"""Questions on the terminal, and repairs that are run when the answer is yes."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys

from arrcoc_core.cli.terminal import as_typed, confirm, paint, say, say_line
from arrcoc_core.infra.events import Fix, Problem


def can_ask() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask(question: str, default: str = "") -> str:
    """The line that is typed, or `default` for an empty one."""
    shown = f" [{default}]" if default else ""
    sys.stdout.write(f"{question}{shown}: ")
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:  # the end of the input is no answer, and no reason to ask for ever
        raise KeyboardInterrupt
    return line.strip() or default


def show_problem(problem: Problem) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"{paint('error', 'bad', sys.stderr)}: {as_typed(problem.to_text())}\n")
    sys.stderr.flush()


def refused(problem: Problem, *, as_json: bool) -> int:
    """Tell why nothing was done, as a person or a program reads it; the exit code."""
    if as_json:
        say_line({"type": "error", "error": problem.to_json()})
    else:
        show_problem(problem)
    return 2


def repair(problem: Problem, *, asks: bool, yes: bool) -> bool:
    """Offer the commands of a repair; whether one was run and ended well.

    `yes` runs those that are free and can be taken back without asking. Others are run only when a person says so.
    """
    done = False
    for fix in problem.fixes:
        if not _known(fix):
            continue
        if (yes and fix.safe) or (asks and confirm(f"Run this now?  {fix.command}")):
            say(f"running: {fix.command}") if asks else None
            # Its own output must not mix with the events on standard output.
            ended = subprocess.run(shlex.split(fix.command), stdout=None if asks else sys.stderr, check=False)
            done = done or ended.returncode == 0
    return done


def _known(fix: Fix) -> bool:
    return fix.runnable and fix.command.startswith("gcloud ") and shutil.which("gcloud") is not None
