"""Runs of a W&B server in the terminal: a frame that is redrawn while they go on, and what is known of one."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from arrcoc_core.cli.terminal import (
    height,
    is_tty,
    paint,
    paint_state,
    printable,
    say,
    shorten,
    sparkline,
    table,
    width,
)
from arrcoc_core.formatting import UNKNOWN, ago, clock, duration, literal, metric, plural

if TYPE_CHECKING:
    from arrcoc_core.api import Run
    from arrcoc_core.metrics import RunMetrics
    from arrcoc_core.online.reader import Look
    from arrcoc_core.online.run import OnlineRun

_LOOK_S = 1.0
_QUIET_S = 15.0
_CURVES = 12


def read_metrics(run: Run | OnlineRun) -> RunMetrics:
    """The metrics, up to date. A long run of W&B is counted up on stderr; what could not be asked is said there."""
    from arrcoc_core.online.run import OnlineRun

    if not isinstance(run, OnlineRun):
        found = run.metrics()
        if run.offline:
            note(f"W&B: {run.offline}. What is shown is what has come here by other ways.")
        return found
    counted = 0

    def count(look: Look) -> None:
        nonlocal counted
        counted += look.rows
        if look.more and is_tty(sys.stderr):
            sys.stderr.write(f"\r{counted:,} of {run.rows:,} rows read")

    found = run.metrics(on_look=count)
    if counted and is_tty(sys.stderr):
        sys.stderr.write("\r\x1b[K")
    say_behind(run)
    return found


def say_behind(run: OnlineRun) -> None:
    """On stderr, how old what is shown is, where the server could not be asked."""
    if run.offline:
        note(f"behind by {duration(run.behind_s)}: {run.offline}")


def note(text: str) -> None:
    sys.stderr.write(paint(printable(text), "warn", sys.stderr) + "\n")


def show_online(run: OnlineRun) -> None:
    """What there is to know of a run: `arrcoc show entity/project/run`."""
    say_behind(run)
    say(f"{paint(run.name, 'bold')}  {paint_state(run.state)}  {paint(run.path, 'muted')}\n")
    facts = [("logged by", run.user or UNKNOWN), ("started", clock(run.created_at)), ("took", duration(run.elapsed_s))]
    facts += [("rows", f"{run.rows:,}"), ("tags", ", ".join(run.tags)), ("notes", run.notes), ("page", run.url)]
    say("\n".join(f"{name:<10}{printable(value)}" for name, value in facts if value))
    from arrcoc_core.online.decoding import flat_config

    config = flat_config(run.config)
    if config:
        say()
        say(table(("value of", "is"), [(printable(path), printable(literal(value))) for path, value in config.items()]))
    if run.summary:
        say()
        rows = [(printable(name), metric(name, value)) for name, value in sorted(run.summary.items())]
        say(table(("metric", "last"), rows, right=(1,)))


def follow_online(run: OnlineRun) -> int:
    """Show the run until it has ended; 0 where it finished well, 1 else, 130 after Ctrl-C."""
    drawn, said_at = 0, float("-inf")
    said: tuple[str, bool] | None = None
    live = is_tty()
    try:
        while True:
            metrics = run.metrics(console=True)
            if live:
                lines = _frame(run, metrics, [line.text for line in metrics.console()[-8:]])
                up = f"\x1b[{drawn}F" if drawn else ""
                sys.stdout.write(up + "\x1b[J" + "\n".join(lines) + "\n")
                drawn = len(lines)
            elif said != (run.state, bool(run.offline)) or time.monotonic() - said_at > _QUIET_S:
                said, said_at = (run.state, bool(run.offline)), time.monotonic()
                say(_line(run, metrics))
            sys.stdout.flush()
            if run.finished and not run.offline:
                return 0 if run.succeeded else 1
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        say(f"\nLeft. It goes on; come back with: arrcoc monitor {run.path}")
        return 130


def _frame(run: OnlineRun, metrics: RunMetrics, tail: list[str]) -> list[str]:
    columns = width()
    behind = paint(f"  behind by {duration(run.behind_s)}: {run.offline}", "warn") if run.offline else ""
    heard = (
        f"  heard of {ago(run.heartbeat_at, datetime.now(UTC))}"
        if run.heartbeat_at is not None and not run.finished
        else ""
    )
    lines = [
        f"{paint(printable(run.name), 'bold')}  {paint_state(run.state)}  {duration(run.elapsed_s)}  "
        f"{paint(run.path, 'muted')}{behind}",
        f"{plural(metrics.steps, 'step')}  by {printable(run.user) or UNKNOWN}{heard}",
        "",
    ]
    names = [name for name in metrics.names if len(metrics.series(name)) > 1][:_CURVES]
    size = max((len(name) for name in names), default=0)
    room = max(10, min(60, columns - size - 15))
    for name in names[: max(1, height() - 14)]:
        values = [float(value) for value in metrics.series(name).value[-4096:]]
        drawn = paint(sparkline(values, room), "accent")
        lines.append(f"{printable(name):<{size}} {metric(name, values[-1]):>10}  {drawn}")
    if tail:
        lines += ["", paint("log", "muted"), *(printable(line) for line in tail)]
    if not run.finished:
        lines += ["", paint("Ctrl-C leaves; the run goes on.", "muted")]
    return [shorten(line, columns - 1) for line in lines]


def _line(run: OnlineRun, metrics: RunMetrics) -> str:
    behind = f"  behind by {duration(run.behind_s)}: {run.offline}" if run.offline else ""
    return f"{run.path}: {run.state}  {plural(metrics.steps, 'step')}{behind}"
