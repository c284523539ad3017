"""The command line `arrcoc`: the third door, beside the desktop app and scripts.

It renders the core's objects and holds no logic that the other doors lack. Each command lives in a module of its own
that is imported only when it runs, so that `arrcoc --help` costs argparse and nothing else.

Exit codes: 0 done; 1 the job failed; 2 wrong usage or configuration, and nothing was created; 130 after Ctrl-C.
Errors are one message with its remedy; `ARRCOC_DEBUG=1` shows the traceback too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # A terminal or pipe that cannot show a block character shows "?" rather than failing.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    try:
        code = _run(argv)
        sys.stdout.flush()  # a reader that has gone away is met here, not at the interpreter's exit
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`head`, `less`) has seen enough. Python flushes once more at exit: give it somewhere to write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(argv: Sequence[str] | None) -> int:
    from arrcoc_core.cli.parser import build_parser, load_command

    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed its help (0) or its message (2)
        return stop.code if isinstance(stop.code, int) else 2
    try:
        if arguments.sandbox and arguments.command != "sandbox":
            from arrcoc_core.cli.sandbox import enter

            enter()
        return load_command(arguments.command)(arguments)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the last line of defence: every error becomes one message
        return _report(error)


def _report(error: Exception) -> int:
    from arrcoc_core.cli.terminal import as_typed, paint
    from arrcoc_core.errors import ArrcocError, render

    if os.environ.get("ARRCOC_DEBUG"):
        import traceback

        traceback.print_exception(error)
    sys.stdout.flush()
    label = paint("error", "bad", sys.stderr)
    if isinstance(error, ArrcocError):
        sys.stderr.write(f"{label}: {as_typed(render(error))}\n")
        return error.exit_code
    sys.stderr.write(
        f"{label}: {type(error).__name__}: {error}\n"
        "  → This is a fault of arrcoc itself. Run the command again with ARRCOC_DEBUG=1 and report what it prints.\n"
    )
    return 1
