"""`arrcoc teardown`: remove exactly what is ours. Lists it with sizes and prices, then wants the name typed.

Checkpoints and results go only with `--with-checkpoints`, and then the name of their bucket is to be typed as well.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from arrcoc_core.cli.asking import ask, can_ask, refused, show_problem
from arrcoc_core.cli.live_rows import LiveRows
from arrcoc_core.cli.terminal import confirm, say, say_line, table
from arrcoc_core.errors import ConfigError, RunError
from arrcoc_core.formatting import money, plural, size

if TYPE_CHECKING:
    from arrcoc_core.infra.teardown import Item, Live
    from arrcoc_core.infra.world import World

_CANCEL_S = 300.0
_POLL_S = 1.0


def teardown(arguments: argparse.Namespace) -> int:
    from arrcoc_core.infra.preconditions import first_problem, no_project
    from arrcoc_core.infra.repairs import problem_of
    from arrcoc_core.infra.teardown import find_live, find_ours, still_live
    from arrcoc_core.infra.world import World, has_others
    from arrcoc_core.settings import find_root, load_settings

    settings = load_settings(find_root())
    if not settings.get("GCP_PROJECT_ID") and not has_others(settings):
        raise no_project()
    world = World.of(settings, request_quota=False)
    asks = can_ask() and not arguments.json
    problem = first_problem(world)
    if problem is not None:
        return refused(problem, as_json=arguments.json)
    items = find_ours(world, with_checkpoints=arguments.with_checkpoints)
    live = find_live(world)
    _list(items, live, world, arguments)
    if arguments.dry_run:
        if arguments.json:
            say_line(_done(0, sum(not item.removed for item in items), 0, dry_run=True))
        else:
            say("Nothing was changed.")
        return 0
    if live and not (arguments.cancel_runs or (asks and confirm("Cancel them?"))):
        return refused(problem_of(still_live(live), world), as_json=arguments.json)
    if not any(item.removed for item in items):
        if arguments.json:
            say_line(_done(0, len(items), 0))
        else:
            say("There is nothing to remove.")
        return 0
    problem = _unconfirmed(world, items, arguments, asks)
    if problem is not None:
        return refused(problem_of(problem, world), as_json=arguments.json)
    if live:
        if not arguments.json:
            say("Cancelling, and waiting until they have ended …", flush=True)
        _cancel(world, live)
    return _remove(world, arguments)


def _remove(world: World, arguments: argparse.Namespace) -> int:
    from arrcoc_core.infra.teardown import STAYS, run_teardown

    view = LiveRows(as_json=arguments.json)
    try:
        with view:
            outcome = run_teardown(world, with_checkpoints=arguments.with_checkpoints, on_event=view.tell)
    except KeyboardInterrupt:
        if not arguments.json:
            say("\nInterrupted. What is removed is gone: arrcoc teardown   lists the rest.")
        raise
    removed, kept, failed = outcome.count("removed"), outcome.count("kept"), len(outcome.failed)
    stays = f" {STAYS}" if world.on_google else ""
    if arguments.json:
        say_line(_done(removed, kept, failed))
        return outcome.exit_code
    for event in outcome.failed:
        if event.error is not None:
            show_problem(event.error)
    say()
    say(f"{plural(removed, 'thing')} removed, {kept} kept.{stays}")
    if failed:
        say("Run arrcoc teardown again when that is repaired.")
    return outcome.exit_code


def _list(items: list[Item], live: Live, world: World, arguments: argparse.Namespace) -> None:
    if arguments.json:
        for item in items:
            say_line(item.to_json())
        for line in live.to_json():
            say_line(line)
        bucket = world.names.runs_bucket if arguments.with_checkpoints else ""
        say_line({"type": "confirm", "confirm": world.names.owner, "confirm_checkpoints": bucket})
        return
    if not items:
        say(f"Nothing{_in_project(world)} carries the label of {world.names.owner}.")
        return
    cells = [
        (
            "remove" if item.removed else "keep",
            item.resource.title,
            item.name,
            size(item.size_bytes),
            money(item.usd_per_month) if item.usd_per_month else "",
            item.why,
        )
        for item in items
    ]
    say(f"What is ours{_in_project(world)}, by its label arrcoc_owner={world.names.owner}:")
    say(table(("", "what", "name", "size", "a month", ""), cells, right=(3, 4)))
    lines = live.to_json()
    if lines:
        say()
        say("Going on:")
        say(
            table(
                ("run", "region", "state"), [(one["run"] or one["job"], one["region"], one["state"]) for one in lines]
            )
        )


def _in_project(world: World) -> str:
    return f" in project {world.names.project}" if world.on_google else ""


def _unconfirmed(world: World, items: list[Item], arguments: argparse.Namespace, asks: bool) -> ConfigError | None:
    """None when the names have been typed, or given on the command line; else what is missing."""
    name, bucket = world.names.owner, world.names.runs_bucket
    typed = arguments.confirm
    if typed is None and asks:
        typed = ask(f"Type {name} to remove this")
    if typed != name:
        return ConfigError(
            "Nothing was removed: that is not the name." if typed else "Nothing was removed: it was not confirmed.",
            remedy=f"arrcoc teardown --confirm {name}",
        )
    if not arguments.with_checkpoints or all(item.resource.key != "runs-bucket" for item in items):
        return None
    typed = arguments.confirm_checkpoints
    if typed is None and asks:
        typed = ask(f"Checkpoints and results of all runs go too. Type {bucket} to remove them")
    if typed != bucket:
        return ConfigError(
            "Nothing was removed: removing checkpoints and results was not confirmed by the name of their bucket.",
            remedy=f"arrcoc teardown --with-checkpoints --confirm {name} --confirm-checkpoints {bucket}",
        )
    return None


def _cancel(world: World, live: Live) -> None:
    """Cancel what goes on and wait until it has ended."""
    from arrcoc_core.cloud.calling import call
    from arrcoc_core.errors import CloudError
    from arrcoc_core.infra.teardown import find_live
    from arrcoc_core.run import cancel_all

    if live.runs:
        cancel_all(list(live.runs), live.runs[0].root, "cancelled by teardown")
    known = {run.id for run in live.runs}
    for job in live.jobs:
        if job.run not in known and job.state != "CANCELLING":
            try:
                call(world.cloud.jobs(job.region).cancel_custom_job, request={"name": job.job})
            except CloudError as error:
                if error.scope not in ("not-found", "invalid"):  # it ended by itself meanwhile
                    raise
    deadline = time.monotonic() + _CANCEL_S
    while find_live(world):
        if time.monotonic() > deadline:
            raise RunError(
                f"The runs have not ended {_CANCEL_S:.0f} s after they were cancelled.",
                remedy="arrcoc runs   shows them; then run arrcoc teardown again",
            )
        time.sleep(_POLL_S)


def _done(removed: int, kept: int, failed: int, *, dry_run: bool = False) -> dict[str, object]:
    counts = {"removed": removed, "kept": kept, "failed": failed}
    return {"type": "done", "done": True, "ok": not failed, **counts, "dry_run": dry_run}
