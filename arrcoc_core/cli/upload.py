"""`arrcoc upload RUN`: the selector of a run to the Hugging Face Hub; one that is there already is left alone.

Ctrl-C leaves the repository as it was; the next call goes on with what has not been sent yet.
"""

from __future__ import annotations

import argparse

from arrcoc_core.cli.hub_view import progress_line
from arrcoc_core.cli.terminal import is_tty, paint, say, say_line, show_over
from arrcoc_core.hub.state import Upload


def upload(arguments: argparse.Namespace) -> int:
    from arrcoc_core.api import get_run

    run = get_run(arguments.run)
    told = _tell_json if arguments.json else _show if is_tty() else _say_nothing
    try:
        done = run.upload(arguments.repo, private=arguments.private, on_progress=told)
    finally:
        if told is _show:
            show_over("")
    if not arguments.json:
        say(f"{run.id} is on the Hub: {paint(done.url, 'accent')}")
        say(f"  commit {done.revision}, tag {run.id}")
        if done.detail:
            say(f"  {done.detail}")
    return 0


def _show(told: Upload) -> None:
    show_over(progress_line(told))


def _tell_json(told: Upload) -> None:
    say_line(told.to_json())


def _say_nothing(_told: Upload) -> None:
    """Into a file or a pipe goes only what it came to."""
