"""`arrcoc adopt [RUN]`: go on here with a run that was launched on another machine; without a name, list those."""

from __future__ import annotations

import argparse

from arrcoc_core.cli.terminal import say, say_json


def adopt(arguments: argparse.Namespace) -> int:
    from arrcoc_core.adopting import runs_elsewhere
    from arrcoc_core.api import adopt as adopt_run
    from arrcoc_core.settings import find_root, load_settings

    if arguments.run:
        run = adopt_run(arguments.run)
        if arguments.json:
            say_json(run.to_json())
        else:
            say(f"{run.id} is followed here, too. Watch it: arrcoc monitor {run.id}")
        return 0
    root = find_root(None)
    found = runs_elsewhere(root, load_settings(root))
    if arguments.json:
        say_json(found)
        return 0
    for run_id in found:
        say(run_id)
    say(
        "arrcoc adopt RUN   follows one of them here."
        if found
        else "There is no run in the cloud that is not known here."
    )
    return 0
