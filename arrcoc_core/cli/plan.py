"""`arrcoc plan NAME`: what a launch would do. Exit code 2 when a check fails, as a launch would refuse.

For the cloud the preflight follows (`--no-preflight` leaves it out): what only the cloud knows, row by row. It creates
nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from arrcoc_core.cli.chosen import split_sets
from arrcoc_core.cli.terminal import paint, say, say_json

if TYPE_CHECKING:
    from arrcoc_core.facts import Check
    from arrcoc_core.planning import Plan
    from arrcoc_core.preflight import Preflight


def show_plan(arguments: argparse.Namespace) -> int:
    from arrcoc_core.api import plan

    name, sets = split_sets(arguments.name, arguments.sets)
    if arguments.events:
        from arrcoc_core.cli.event_lines import with_events

        return with_events(lambda: _events(plan(name or "default", sets=sets), arguments.no_preflight))
    made = plan(name or "default", sets=sets)
    # A plan that cannot be carried out anyway needs no cloud to say so.
    looks = made.cloud is not None and made.ok and not arguments.no_preflight
    if arguments.json:
        found = _look(made) if looks else None
        rows = [row._asdict() for row in found.checks] if found is not None else []
        ok = made.ok and (found is None or found.ok)
        say_json({**made.to_json(), "preflight": rows, "ok": ok})
        return 0 if ok else 2
    say(made.to_text())
    if not looks:
        return 0 if made.ok else 2
    from arrcoc_core.cli.check_view import row_text

    say(f"\n  {paint('Preflight: what only the cloud knows; nothing is created', 'muted')}")
    return 0 if _look(made, lambda row: say(row_text(row), flush=True)).ok else 2


def _events(made: Plan, no_preflight: bool) -> bool:
    from arrcoc_core.cli.event_lines import say_check, say_event

    say_event("plan", made.to_json())
    if made.cloud is None or not made.ok or no_preflight:
        return made.ok
    from arrcoc_core.preflight import rows_of

    say_event("checking", list(rows_of(made)))
    return _look(made, say_check).ok


def _look(made: Plan, on_check: Callable[[Check], None] | None = None) -> Preflight:
    from arrcoc_core.preflight import preflight
    from arrcoc_core.settings import find_root, load_settings

    return preflight(made, load_settings(find_root()), on_check=on_check)
