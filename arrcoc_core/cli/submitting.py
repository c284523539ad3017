"""From a launch to its job: the image being built, and the job being submitted, as lines on the terminal.

On a terminal the last line is rewritten, with the newest line of the build's log beside it; elsewhere there is a line
for each change. Ctrl-C leaves; the run goes on.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from arrcoc_core.cli.terminal import is_tty, paint, say, shorten, width

if TYPE_CHECKING:
    from arrcoc_core.api import Run

POLL_S = 0.5
RECONCILE_S = 5.0
INTERRUPTED = 130


def follow_until_submitted(run: Run) -> int:
    """0 once there is a job, 1 when the run ended before, 130 after Ctrl-C."""
    line = _Line()
    try:
        _follow(run, line)
    except KeyboardInterrupt:
        line.end()
        say(f"Left. It goes on; come back with: arrcoc monitor {run.id}")
        return INTERRUPTED
    line.end()
    if run.finished and not run.succeeded:
        say(paint(f"It {run.state}: {run.cause}", "bad"))
        if run.remedy:
            for remedy in run.remedy.splitlines():
                say(f"  → {remedy}")
        return 1
    if run.attempts:
        attempt = run.attempts[-1]
        say(f"Submitted to {attempt.region}, {attempt.provisioning}: {attempt.link}")
    return 0


def _follow(run: Run, line: _Line) -> None:
    from arrcoc_core.api import reconcile
    from arrcoc_core.cli.monitor import log_tail

    reconciled = time.monotonic()
    while not _submitted(run):
        preparation = run.preparation
        if preparation is not None:
            detail = f"{run.state}: {preparation.detail}" if preparation.detail else run.state
            detail += f"  → {preparation.todo}" if preparation.todo else ""
            line.show(detail, log_tail(preparation.log_path, 1))
        if time.monotonic() - reconciled > RECONCILE_S:
            reconcile(run.root)
            reconciled = time.monotonic()
        time.sleep(POLL_S)
        run.refresh()


def _submitted(run: Run) -> bool:
    return run.finished or bool(run.attempts and (run.attempts[-1].link or run.attempts[-1].state != "starting"))


class _Line:
    """What is going on now."""

    def __init__(self) -> None:
        self._shown = ""
        self._tty = is_tty()

    def show(self, text: str, log: list[str]) -> None:
        if self._tty:
            newest = f"  {log[-1].strip()}" if log else ""
            whole = shorten(f"  {text}{newest}", width() - 1)
            sys.stdout.write(f"\r\x1b[K{whole}")
        elif text != self._shown:
            sys.stdout.write(f"  {text}\n")
        self._shown = text
        sys.stdout.flush()

    def end(self) -> None:
        if self._tty and self._shown:
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()
