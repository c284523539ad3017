"""`arrcoc launch`: start an experiment or a sweep in the background; `--watch` stays and follows.

In the cloud the preflight comes first, then the question whether it may cost what it costs (`--yes` answers it); once
the run exists, its image is watched being built until the job is submitted. Ctrl-C leaves; the run goes on.

With `--watch` the exit code is the job's: 0 when it succeeded, 1 when it did not.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from arrcoc_core.cli.chosen import split_sets
from arrcoc_core.cli.terminal import confirm, paint, say, say_json
from arrcoc_core.errors import ConfigError
from arrcoc_core.formatting import money, money_range, plural

if TYPE_CHECKING:
    from arrcoc_core.api import Run, SweepRun
    from arrcoc_core.facts import Check
    from arrcoc_core.staging import Staged

_NEEDS_REPAIR = 2


def launch_experiment(arguments: argparse.Namespace) -> int:
    from arrcoc_core.api import SweepRun, stage

    name, sets = split_sets(arguments.name, arguments.sets)
    if arguments.events:
        from arrcoc_core.cli.event_lines import with_events

        return with_events(lambda: _events(stage(name or "default", sets=sets)))
    staged = stage(name or "default", sets=sets)
    if staged.in_cloud and not arguments.json:
        staged.require()
        if not _look(staged):
            say("\nNothing was created.")
            return _NEEDS_REPAIR
        if not arguments.yes and not _agreed(staged, name):
            say("Nothing was created.")
            return 0
    elif not arguments.json:
        staged.check(_tell_trouble)
    started = _start(staged)
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
    if staged.in_cloud and not arguments.detach:
        from arrcoc_core.cli.submitting import follow_until_submitted

        code = follow_until_submitted(started.runs[0] if isinstance(started, SweepRun) else started)
        if code:
            return code
    say("It goes on without this terminal. Follow it here or in the app:")
    say(f"  {paint(f'arrcoc monitor {started.id}', 'accent')}")
    say(f"  {paint('arrcoc gui', 'accent')}")
    return 0


def _tell_trouble(row: Check) -> None:
    """Of a run on this machine only what is not as it should be is worth a line."""
    from arrcoc_core.cli.check_view import row_text

    if not row.ok:
        say(row_text(row), flush=True)


def _look(staged: Staged) -> bool:
    """Show the plans' headlines and the preflight's rows as they come; whether a launch may follow."""
    from arrcoc_core.cli.check_view import row_text
    from arrcoc_core.vertex_review import ladder_lines

    for plan in staged.places():
        assert plan.cloud is not None
        say(f"{paint(plan.experiment, 'bold')}: {plan.headline}, on {plan.machine}")
        for line in ladder_lines(plan.cloud):
            say(f"  {line}")
    return all(found.ok for found in staged.look(lambda row: say(row_text(row), flush=True)))


def _agreed(staged: Staged, name: str | None) -> bool:
    span = staged.cost_range
    cost = "It is not known what this costs." if span is None else f"This costs {money_range(*span)}."
    caps = {plan.cloud.max_cost_usd for plan in staged.plans if plan.cloud is not None}
    if caps != {0.0} and len(caps) == 1:
        cost += f" A run is cancelled at {money(max(caps))}."
    if not sys.stdin.isatty():
        raise ConfigError(
            f"{cost} Nobody is here to agree to it.", remedy=f"arrcoc launch {name or 'default'} --yes   launches it"
        )
    what = "it" if staged.sweep is None else f"{plural(len(staged.plans), 'run')}"
    return confirm(f"\n{cost} Launch {what}?")


def _start(staged: Staged) -> Run | SweepRun:
    from arrcoc_core.api import get_run, get_sweep

    run_ids, sweep_id = staged.start()
    return get_run(run_ids[0], root=staged.root) if sweep_id is None else get_sweep(sweep_id, root=staged.root)


def _events(staged: Staged) -> bool:
    from arrcoc_core.api import SweepRun
    from arrcoc_core.cli.event_lines import say_check, say_event

    for plan in staged.places() or staged.plans[:1]:
        say_event("plan", plan.to_json())
    staged.require()
    if staged.in_cloud:
        say_event("checking", staged.rows())
        if not all(found.ok for found in staged.look(say_check)):
            return False
    started = _start(staged)
    if isinstance(started, SweepRun):
        say_event("sweep", {"id": started.id, "name": started.name})
    for run in started.runs if isinstance(started, SweepRun) else [started]:
        say_event("run", run.to_json())
    return True
