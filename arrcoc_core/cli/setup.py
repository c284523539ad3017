"""`arrcoc setup`: everything that training needs in the cloud, at W&B and on the Hub, made where it is missing.

Asks for project and region where `.training` has none, for each key before it is copied, and once before anything is
made. `--yes` makes without asking what is free and can be taken back; `--json` never asks. Without a Google Cloud
project it sets up W&B and the Hub alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.cli.asking import can_ask, refused, repair, show_problem
from arrcoc_core.cli.choosing import check_region, chosen, hub_name, list_choices, with_values
from arrcoc_core.cli.live_rows import LiveRows
from arrcoc_core.cli.terminal import confirm, say, say_line
from arrcoc_core.formatting import plural

if TYPE_CHECKING:
    from arrcoc_core.infra.events import Problem
    from arrcoc_core.infra.running import Outcome
    from arrcoc_core.infra.world import World
    from arrcoc_core.settings import Settings

_REPAIRS = 3
"""Times a repair is offered before the command gives up."""


WRITTEN = ("GCP_PROJECT_ID", "GCP_ROOT_RESOURCE_REGION")
"""Settings that setup asks a person for where they stand nowhere, and writes."""
PUT_RIGHT = ("HF_HUB_REPO_ID",)
"""Settings that it writes only where it puts them right."""


def setup(arguments: argparse.Namespace) -> int:
    from arrcoc_core.settings import find_root, load_settings

    root = find_root()
    settings = with_values(load_settings(root), _given(arguments))
    if arguments.list:
        return list_choices(arguments.list, settings)
    asks = can_ask() and not arguments.json and not arguments.yes
    settings = chosen(settings, root, asks)
    settings = with_values(settings, hub_name(settings, asks=asks, yes=arguments.yes))
    changes = _changes(settings, load_settings(root), WRITTEN if asks else tuple(_given(arguments)))
    world = _world(settings, arguments, asks)
    problem = _blocked(world, asks, arguments.yes)
    if problem is not None:
        return refused(problem, as_json=arguments.json)
    _write(root, settings, changes, arguments)
    if asks and not arguments.dry_run:
        world = replace(world, copy=_ask_for_keys(world))
    return _run(world, arguments, asks)


def _run(world: World, arguments: argparse.Namespace, asks: bool) -> int:
    from arrcoc_core.infra.running import run_setup

    view = LiveRows(as_json=arguments.json)

    def proceed(found: Outcome) -> bool:
        if not asks:
            return True
        todo = [event for event in found.events if event.state in ("missing", "different")]
        view.pause()
        if world.on_google:
            say("Until runs fill them, these cost nothing but $0.06 a month for each key.")
        answer = confirm(f"Make or change {plural(len(todo), 'thing')}?")
        view.resume()
        return answer

    try:
        with view:
            outcome = run_setup(world, dry_run=arguments.dry_run, on_event=view.tell, proceed=proceed)
    except KeyboardInterrupt:
        if not arguments.json:
            say("\nInterrupted. What is made stays: arrcoc setup   makes the rest.")
        raise
    if arguments.json:
        say_line(_done(outcome, arguments.dry_run))
    else:
        _summary(outcome, arguments.dry_run)
    return outcome.exit_code


def _done(outcome: Outcome, dry_run: bool) -> dict[str, Any]:
    return {
        "type": "done",
        "done": True,
        "ok": outcome.ok,
        "created": outcome.count("created", "requested"),
        "failed": len(outcome.failed),
        "skipped": outcome.count("skipped"),
        "dry_run": dry_run,
    }


def _summary(outcome: Outcome, dry_run: bool) -> None:
    say()
    for event in outcome.events:
        if event.error is not None:
            if event.state in ("failed", "foreign", "unknown"):
                show_problem(event.error)
            else:
                say(f"{event.title}: {event.error.to_text()}")
    if dry_run:
        todo = outcome.count("missing", "different")
        say(f"Nothing was changed. Setup would make {plural(todo, 'thing')}." if todo else "Nothing to do.")
    elif outcome.blocked:
        say("Nothing was made.")
    elif outcome.failed:
        say("Run arrcoc setup again when that is repaired: what is there stays, the rest is made.")
    elif outcome.count("created"):
        say(f"{plural(outcome.count('created'), 'thing')} made. Next: arrcoc plan NAME, arrcoc launch NAME")
    elif outcome.count("missing", "different"):
        say("Nothing was made.")
    else:
        say("Everything is in place; nothing was changed.")


def _given(arguments: argparse.Namespace) -> dict[str, str]:
    """Settings that the command line names."""
    from arrcoc_core.settings_writer import check_setting

    named = {"GCP_PROJECT_ID": arguments.project, "GCP_ROOT_RESOURCE_REGION": arguments.region}
    given = {key: value for key, value in named.items() if value}
    for key, value in given.items():
        check_setting(key, value)
    if arguments.region:
        check_region(arguments.region)
    return given


def _changes(settings: Settings, before: Settings, said: Collection[str]) -> dict[str, str]:
    """What has to be written: values that are others now, and those of `said` that stand nowhere yet."""
    found = {
        key: str(settings.get(key))
        for key in (*WRITTEN, *PUT_RIGHT)
        if settings.get(key) != before.get(key) or (key in said and before.source(key).kind == "default")
    }
    if not settings.get("GCP_PROJECT_ID"):  # without a project there is no region to choose
        for key in WRITTEN:
            found.pop(key, None)
    return found


def _write(root: Path, settings: Settings, changes: dict[str, str], arguments: argparse.Namespace) -> None:
    from arrcoc_core.settings_writer import settings_file, starter_file, write_settings

    file = settings_file(root, settings)
    written = bool(changes) and not arguments.dry_run
    if written:
        starter = None if str(settings.get("CLOUD_ENDPOINTS")) else starter_file(root)
        written = write_settings(file, changes, starter=starter)
    if arguments.json:
        say_line({"type": "settings", "file": str(file), "changes": changes, "written": written})
    elif changes:
        shown = ", ".join(f"{key}={value}" for key, value in changes.items())
        say(f"{file}: {shown}" if written else f"{file} would get: {shown}")


def _world(settings: Settings, arguments: argparse.Namespace, asks: bool) -> World:
    from arrcoc_core.cloud.names import SECRET_KEYS
    from arrcoc_core.infra.world import World

    return World.of(
        settings,
        copy=frozenset(SECRET_KEYS) if arguments.copy_keys else frozenset(),
        request_quota=not arguments.no_quota and (asks or arguments.yes or arguments.dry_run),
        contact=arguments.contact or "",
    )


def _blocked(world: World, asks: bool, yes: bool) -> Problem | None:
    """The first precondition that fails, after its repair has been offered; None when there is none."""
    from arrcoc_core.infra.preconditions import first_problem

    for _ in range(_REPAIRS):
        problem = first_problem(world)
        if problem is None or not (asks or yes):
            return problem
        if asks:
            show_problem(problem)
        if not repair(problem, asks=asks, yes=yes):
            return problem
        world = replace(world, cloud=type(world.cloud)(world.cloud.endpoints, world.names.project, world.names.region))
    return first_problem(world)


def _ask_for_keys(world: World) -> frozenset[str]:
    """The keys that the user wants copied; only those that are not there yet are asked for."""
    from arrcoc_core.accounts.keys import TITLES
    from arrcoc_core.errors import CloudError
    from arrcoc_core.infra.secret_copies import secrets

    wanted = set(world.copy)
    for secret in secrets(world) if world.on_google else ():
        local = world.keys.get(secret.variable)
        if local is None or secret.variable in wanted:
            continue
        try:
            state = secret.check(replace(world, copy=frozenset({secret.variable}))).state
        except CloudError as error:
            if error.scope != "api-disabled":
                continue  # its row will say what is wrong
            state = "missing"
        question = f"Copy the {TITLES[secret.variable]} ({local.where}) to Secret Manager, where only jobs read it?"
        if state in ("missing", "different") and confirm(question):
            wanted.add(secret.variable)
    return frozenset(wanted)
