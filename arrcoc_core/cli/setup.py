"""`arrcoc setup`: everything in the cloud that training needs, made where it is missing.

Asks for project and region where `.training` has none, for each key before it is copied, and once before anything is
made. `--yes` makes without asking what is free and can be taken back; `--json` never asks.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.cli.asking import ask, can_ask, repair, show_problem
from arrcoc_core.cli.live_rows import LiveRows, say_event
from arrcoc_core.cli.terminal import confirm, say, table
from arrcoc_core.errors import ConfigError, SettingsError
from arrcoc_core.formatting import UNKNOWN, money, plural

if TYPE_CHECKING:
    from arrcoc_core.infra.events import Problem
    from arrcoc_core.infra.running import Outcome
    from arrcoc_core.infra.world import World
    from arrcoc_core.settings import Settings

_REGIONS_SHOWN = 12
_REPAIRS = 3
"""Times a repair is offered before the command gives up."""


def setup(arguments: argparse.Namespace) -> int:
    from arrcoc_core.settings import find_root, load_settings

    root = find_root()
    settings = _with(load_settings(root), _given(arguments))
    if arguments.list:
        return _list(arguments.list, settings)
    asks = can_ask() and not arguments.json and not arguments.yes
    settings = _chosen(settings, root, asks)
    changes = _changes(settings, load_settings(root), _given(arguments))
    world = _world(settings, arguments, asks)
    problem = _blocked(world, asks, arguments.yes)
    if problem is not None:
        return _refused(problem, arguments.json)
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
        say("Until runs fill them, these cost nothing but $0.06 a month for each key.")
        answer = confirm(f"Make or change {plural(len(todo), 'thing')}?")
        view.resume()
        return answer

    with view:
        outcome = run_setup(world, dry_run=arguments.dry_run, on_event=view.tell, proceed=proceed)
    if arguments.json:
        say_event(_done(outcome, arguments.dry_run))
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
        _check_region(arguments.region)
    return given


def _check_region(region: str) -> None:
    from arrcoc_core.catalog import REGIONS
    from arrcoc_core.catalog.regions import nearest_regions

    if region in REGIONS:
        return
    near = nearest_regions(region)
    raise SettingsError(
        f"Vertex AI has no region {region!r}.",
        key="GCP_ROOT_RESOURCE_REGION",
        remedy=f"Did you mean {near[0]}?" if near else "arrcoc setup --list regions   lists those with GPUs",
    )


def _with(settings: Settings, values: dict[str, str]) -> Settings:
    return replace(settings, values={**settings.values, **values}, memo={}) if values else settings


def _chosen(settings: Settings, root: Path, asks: bool) -> Settings:
    """The settings with a project and a region; asked for where they are not set and somebody can answer."""
    from arrcoc_core.infra.preconditions import no_project

    fresh = not settings.get("GCP_PROJECT_ID")
    if not asks:
        if fresh:
            raise no_project()
        return settings
    if fresh:
        settings = _with(settings, {"GCP_PROJECT_ID": _ask_project(settings)})
    if fresh or settings.source("GCP_ROOT_RESOURCE_REGION").kind == "default":
        settings = _with(settings, {"GCP_ROOT_RESOURCE_REGION": _ask_region(settings, root)})
    return settings


def _ask_project(settings: Settings) -> str:
    from arrcoc_core.settings_writer import check_setting

    known = _projects(settings)
    if known:
        say(table(("project", "name"), [(one["value"], one["title"]) for one in known]))
    while True:
        typed = ask("Google Cloud project", known[0]["value"] if len(known) == 1 else "")
        try:
            check_setting("GCP_PROJECT_ID", typed)
        except SettingsError as error:
            say(error.message)
            continue
        if typed:
            return typed


def _ask_region(settings: Settings, root: Path) -> str:
    home = str(settings.get("GCP_ROOT_RESOURCE_REGION"))
    rows = _region_rows(settings, root)
    for line in _region_table(rows, home):
        say(line)
    while True:
        typed = ask("Region", home)
        try:
            _check_region(typed)
            return typed
        except SettingsError as error:
            say(f"{error.message} {error.remedy}")


def _region_table(rows: list[Any], home: str) -> list[str]:
    """One line for each region: prices and quota of each GPU; regions that have all of them come first."""
    gpus = list(dict.fromkeys(row.gpu for row in rows))
    held: dict[str, dict[str, Any]] = {}
    for row in rows:
        held.setdefault(row.region, {})[row.gpu] = row
    regions = sorted(held, key=lambda region: (region != home, -len(held[region])))
    cells: list[list[str]] = []
    for region in regions[:_REGIONS_SHOWN]:
        line = [region]
        for gpu in gpus:
            row = held[region].get(gpu)
            price = ("", "") if row is None else (money(row.spot_usd_per_h), money(row.usd_per_h))
            quota = ("", "") if row is None else (_count(row.spot_quota), _count(row.quota))
            line += [*price, " / ".join(quota).strip(" /")]
        cells.append(line)
    headers = ["region", *(word for gpu in gpus for word in (f"{gpu} spot", "on demand", "quota"))]
    lines = ["What one GPU costs an hour, and how many this project may use at once (spot / on demand):"]
    lines += table(headers, cells, right=tuple(range(1, len(headers)))).splitlines()
    if len(regions) > _REGIONS_SHOWN:
        lines.append(f"… and {len(regions) - _REGIONS_SHOWN} more: arrcoc setup --list regions")
    problems = list(dict.fromkeys(row.problem for row in rows if row.spot_usd_per_h is not None and row.problem))
    dated = f"Prices of {rows[0].price_as_of}" if rows else ""
    return [*lines, f"{dated}{', ' + problems[0] if problems else ''}. arrcoc costs   refreshes them."]


def _count(limit: int | None) -> str:
    return UNKNOWN if limit is None else "unlimited" if limit < 0 else str(limit)


def _changes(settings: Settings, before: Settings, given: dict[str, str]) -> dict[str, str]:
    """What has to be written: values that were asked for or named, and are not there."""
    keys = ("GCP_PROJECT_ID", "GCP_ROOT_RESOURCE_REGION")
    return {
        key: str(settings.get(key))
        for key in keys
        if settings.get(key) != before.get(key) or (key in given and before.source(key).kind == "default")
    }


def _write(root: Path, settings: Settings, changes: dict[str, str], arguments: argparse.Namespace) -> None:
    from arrcoc_core.settings_writer import settings_file, starter_file, write_settings

    file = settings_file(root, settings)
    written = bool(changes) and not arguments.dry_run
    if written:
        starter = None if str(settings.get("CLOUD_ENDPOINTS")) else starter_file(root)
        written = write_settings(file, changes, starter=starter)
    if arguments.json:
        say_event({"type": "settings", "file": str(file), "changes": changes, "written": written})
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


def _refused(problem: Problem, as_json: bool) -> int:
    if as_json:
        say_event({"type": "error", "error": problem.to_json()})
    else:
        show_problem(problem)
    return 2


def _ask_for_keys(world: World) -> frozenset[str]:
    """The keys that the user wants copied; only those that are not there yet are asked for."""
    from arrcoc_core.errors import CloudError
    from arrcoc_core.infra.keys import TITLES
    from arrcoc_core.infra.secret_copies import secrets

    wanted = set(world.copy)
    for secret in secrets(world):
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


def _list(what: str, settings: Settings) -> int:
    """What a form offers, one JSON object a line."""
    if what == "projects":
        rows: list[dict[str, Any]] = _projects(settings)
    elif what == "regions":
        assert settings.root is not None
        rows = [row.to_json() for row in _region_rows(settings, settings.root)]
    else:
        from arrcoc_core.infra.keys import TITLES, find_keys

        held = find_keys(str(settings.get("WANDB_BASE_URL")))
        rows = [
            {
                "type": "key",
                "variable": variable,
                "title": title,
                "found": variable in held,
                "where": held[variable].where if variable in held else "",
            }
            for variable, title in TITLES.items()
        ]
    for row in rows:
        say_event(row)
    return 0


def _projects(settings: Settings) -> list[dict[str, Any]]:
    """The projects that the account may see; none where that cannot be found out."""
    from arrcoc_core.cloud.clients import Cloud
    from arrcoc_core.errors import CloudError
    from arrcoc_core.infra.resource import listed

    try:
        found = listed(Cloud.of(settings).projects().search_projects, request={"query": "state:ACTIVE"})
    except CloudError as error:
        if error.scope in ("auth", "offline"):
            raise
        return []
    return [{"type": "choice", "what": "project", "value": one.project_id, "title": one.display_name} for one in found]


def _region_rows(settings: Settings, root: Path) -> list[Any]:
    from arrcoc_core.cloud.clients import Cloud
    from arrcoc_core.errors import CloudError
    from arrcoc_core.infra.needs import gpu_needs
    from arrcoc_core.infra.quotas import read_quotas
    from arrcoc_core.infra.tables import DEFAULT_GPUS, region_rows
    from arrcoc_core.settings import state_dir

    gpus = tuple(dict.fromkeys(need.gpu for need in gpu_needs(root, settings))) or DEFAULT_GPUS
    try:
        quotas = read_quotas(Cloud.of(settings)) if settings.get("GCP_PROJECT_ID") else None
    except (CloudError, ConfigError):
        quotas = None  # the prices are worth showing without
    return region_rows(gpus, state_dir(root), quotas, str(settings.get("GCP_ROOT_RESOURCE_REGION")))
