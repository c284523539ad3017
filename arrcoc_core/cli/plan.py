"""`arrcoc plan NAME`: what a launch would do. Exit code 2 when a check fails, as a launch would refuse.

Of a sweep: a line for each of its runs, and what they cost together. For the cloud the preflight follows
(`--no-preflight` leaves it out): what only the cloud knows, row by row. It creates nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from arrcoc_core.cli.chosen import split_sets
from arrcoc_core.cli.terminal import paint, say, say_json

if TYPE_CHECKING:
    from arrcoc_core.facts import Check
    from arrcoc_core.preflight import Preflight
    from arrcoc_core.staging import Staged


def show_plan(arguments: argparse.Namespace) -> int:
    from arrcoc_core.api import stage

    name, sets = split_sets(arguments.name, arguments.sets)
    if arguments.events:
        from arrcoc_core.cli.event_lines import with_events

        return with_events(lambda: _events(stage(name or "default", sets=sets), arguments.no_preflight))
    made = stage(name or "default", sets=sets)
    # A plan that cannot be carried out anyway needs no cloud to say so.
    looks = made.in_cloud and made.ok and not arguments.no_preflight
    if arguments.json:
        found = _look(made) if looks else []
        rows = [row._asdict() for one in found for row in one.checks]
        ok = made.ok and all(one.ok for one in found)
        say_json({**made.to_json(), "preflight": rows, "ok": ok})
        return 0 if ok else 2
    say(made.to_text())
    if not looks:
        return 0 if made.ok else 2
    from arrcoc_core.cli.check_view import row_text

    say(f"\n  {paint('Preflight: what only the cloud knows; nothing is created', 'muted')}")
    return 0 if all(one.ok for one in _look(made, lambda row: say(row_text(row), flush=True))) else 2


def _events(made: Staged, no_preflight: bool) -> bool:
    from arrcoc_core.cli.event_lines import say_check, say_event

    for plan in made.plans:
        say_event("plan", plan.to_json())
    if not made.in_cloud or not made.ok or no_preflight:
        return made.ok
    say_event("checking", made.rows())
    return all(one.ok for one in _look(made, say_check))


def _look(made: Staged, on_check: Callable[[Check], None] | None = None) -> list[Preflight]:
    """The preflight of each different place in the cloud that the runs are to have."""
    from arrcoc_core.preflight import preflight

    return [preflight(place, made.settings, on_check=on_check) for place in made.places()]
