"""`arrcoc launch`: start an experiment or a sweep in the background; `--watch` stays and follows.

With `--watch` the exit code is the job's: 0 when it succeeded, 1 when it did not. Ctrl-C leaves; the run goes on.
"""

from __future__ import annotations

import argparse

from arrcoc_core.cli.chosen import split_sets
from arrcoc_core.cli.terminal import paint, say, say_json
from arrcoc_core.formatting import plural


def launch_experiment(arguments: argparse.Namespace) -> int:
    from arrcoc_core.api import SweepRun, launch

    name, sets = split_sets(arguments.name, arguments.sets)
    started = launch(name or "default", sets=sets)
    if arguments.json and not arguments.watch:
        say_json([run.to_json() for run in started.runs] if isinstance(started, SweepRun) else started.to_json())
        return 0
    if isinstance(started, SweepRun):
        say(f"Launched {plural(len(started.runs), 'run')} of {paint(started.name, 'bold')}: {started.id}")
    else:
        say(f"Launched {paint(started.id, 'bold')}")
    if arguments.watch:
        from arrcoc_core.cli.monitor import follow

        return follow(started)
    say("It goes on without this terminal. Follow it here or in the app:")
    say(f"  {paint(f'arrcoc monitor {started.id}', 'accent')}")
    say(f"  {paint('arrcoc gui', 'accent')}")
    return 0
