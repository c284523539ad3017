"""`--events`: what a command does as one JSON object a line, written as it happens, for programs that watch it.

{"plan": …}                     once it is known what a launch would do
{"checking": ["credentials", …]}  the rows to come, in order (cloud only)
{"check": {…}}                  each row, as soon as it is known
{"sweep": {"id", "name"}}, {"run": {…}}   what was launched
{"done": true, "ok": …}         the end
{"error": {"message", "cause", "fixes", "scope"}}   or this, where an error ended it
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arrcoc_core.cli.terminal import say_line
from arrcoc_core.errors import ArrcocError, CloudError
from arrcoc_core.facts import Check


def say_event(name: str, value: Any, **more: Any) -> None:
    say_line({name: value, **more})


def say_check(check: Check) -> None:
    say_event("check", check._asdict())


def with_events(work: Callable[[], bool]) -> int:
    """Run a command that says events; its errors become one, too, besides the message on standard error."""
    try:
        ok = work()
    except ArrcocError as error:
        from arrcoc_core.infra.repairs import problem_of

        scope = error.scope if isinstance(error, CloudError) else ""
        say_event("error", {**problem_of(error).to_json(), "scope": scope})
        raise
    say_event("done", True, ok=ok)
    return 0 if ok else 2
