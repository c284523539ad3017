"""`arrcoc plan NAME`: what a launch would do. Exit code 2 when a check fails, as a launch would refuse."""

from __future__ import annotations

import argparse

from arrcoc_core.cli.chosen import split_sets
from arrcoc_core.cli.terminal import say, say_json


def show_plan(arguments: argparse.Namespace) -> int:
    from arrcoc_core.api import plan

    name, sets = split_sets(arguments.name, arguments.sets)
    made = plan(name or "default", sets=sets)
    if arguments.json:
        say_json(made.to_json())
    else:
        say(made.to_text())
    return 0 if made.ok else 2
