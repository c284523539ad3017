"""`arrcoc sync RUN…`: runs that were logged offline, or have lost rows online, to W&B, with their true steps.

What is there already is not sent again, so it may be interrupted (Ctrl-C) and called as often as one likes.
Exit code 1: a run was not uploaded, the others were; 2: nothing could be (no account, a run that has not ended).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from arrcoc_core.cli.terminal import as_typed, is_tty, paint, progress_bar, say, say_line, show_over
from arrcoc_core.errors import ConfigError, RunError, render
from arrcoc_core.formatting import number, plural, time_left
from arrcoc_core.syncing.state import Sync, is_offline, logged_size, read_sync

if TYPE_CHECKING:
    from arrcoc_core.api import Run


def sync(arguments: argparse.Namespace) -> int:
    chosen = _chosen(arguments)
    failed = 0
    for run in chosen:
        told = _teller(run, arguments.json)
        try:
            done = run.sync(entity=arguments.entity, project=arguments.project, on_progress=told)
        except RunError as error:
            if len(chosen) == 1:
                raise
            failed += 1
            if not arguments.json:  # it has been told
                say(f"{paint(run.id, 'bad')}: {as_typed(render(error))}")
            continue
        finally:
            if not arguments.json and is_tty():
                show_over("")
        if not arguments.json:
            _say_done(run, done)
    if not chosen and not arguments.json:
        say("Every run that was logged offline and has ended is at W&B already.")
    return 1 if failed else 0


def _chosen(arguments: argparse.Namespace) -> list[Run]:
    from arrcoc_core.api import get_run, runs
    from arrcoc_core.syncing import SYNCABLE

    if arguments.all == bool(arguments.runs):
        raise ConfigError("Which runs?", remedy="arrcoc sync RUN…, or arrcoc sync --all for every one logged offline")
    if arguments.runs:
        return [get_run(name) for name in arguments.runs]
    return [run for run in reversed(runs()) if run.state in SYNCABLE and is_offline(run.directory) and not _there(run)]


def _there(run: Run) -> bool:
    """Whether all that it has logged was uploaded; nobody is asked."""
    done = read_sync(run.directory)
    return done is not None and done.complete and done.size == logged_size(run.directory)


def _teller(run: Run, as_json: bool) -> Callable[[Sync], None]:
    def tell_json(told: Sync) -> None:
        say_line({"run": run.id, **told.to_json()})

    def show(told: Sync) -> None:
        show_over(f"{progress_bar(told.fraction, 30)} {run.id}  {_words(told)}")

    def say_nothing(_told: Sync) -> None:
        """Into a file or a pipe goes only what it came to."""

    return tell_json if as_json else show if is_tty() else say_nothing


def _words(told: Sync) -> str:
    if told.detail:
        return told.detail
    if told.state == "looking":
        return "looking at what is there"
    if told.state == "checking":
        return "checking that all has arrived"
    rate = f", {number(told.rows_per_s)} rows/s" if told.rows_per_s else ""
    time = time_left(told.left_s)
    left = f", {time}" if time else ""
    return f"{told.rows:,} of {plural(told.total, 'row')}{rate}{left}"


def _say_done(run: Run, done: Sync) -> None:
    sent = f"{plural(done.sent, 'row')} and {plural(done.files, 'file')} sent" if done.sent or done.files else ""
    say(f"{run.id} is at W&B: {paint(done.url, 'accent')}")
    say(f"  {plural(done.total, 'row')} there, {sent or 'nothing was missing'}")
    if done.appended:
        say(
            f"  {plural(done.appended, 'row')} lay between others that were there already: W&B takes rows at the end"
            " only,\n  so their trainer/step is true and their _step is not."
        )
