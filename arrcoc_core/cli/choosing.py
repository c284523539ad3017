"""What setup lets a person choose: the project, the region by its prices and granted quota, and their name on the Hub.

On a terminal it asks; `--list` gives a form the same choices as JSON lines.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.cli.asking import ask
from arrcoc_core.cli.terminal import confirm, say, say_line, table
from arrcoc_core.errors import CloudError, ConfigError, SettingsError
from arrcoc_core.formatting import UNKNOWN, money

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings

_REGIONS_SHOWN = 12


def chosen(settings: Settings, root: Path, asks: bool) -> Settings:
    """The settings with a project and a region; asked for where they are not set and somebody can answer.

    Without a project there has to be something else to set up: W&B, or a repository on the Hub.
    """
    from arrcoc_core.infra.preconditions import no_project
    from arrcoc_core.infra.world import has_others

    fresh = not settings.get("GCP_PROJECT_ID")
    if not asks:
        if fresh and not has_others(settings):
            raise no_project()
        return settings
    if fresh:
        settings = with_values(settings, {"GCP_PROJECT_ID": _ask_project(settings, needed=not has_others(settings))})
        if not settings.get("GCP_PROJECT_ID"):
            return settings
    if fresh or settings.source("GCP_ROOT_RESOURCE_REGION").kind == "default":
        settings = with_values(settings, {"GCP_ROOT_RESOURCE_REGION": _ask_region(settings, root)})
    return settings


def list_choices(what: str, settings: Settings) -> int:
    """What a form offers, one JSON object a line."""
    if what == "projects":
        rows: list[dict[str, Any]] = _projects(settings)
    elif what == "regions":
        assert settings.root is not None
        rows = [row.to_json() for row in _region_rows(settings, settings.root)]
    else:
        from arrcoc_core.accounts.keys import TITLES, find_keys

        held = find_keys(settings)
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
        say_line(row)
    return 0


def hub_name(settings: Settings, *, asks: bool, yes: bool) -> dict[str, str]:
    """HF_HUB_REPO_ID with the account's own name, where YOUR_USERNAME was left in it and that is wanted."""
    from arrcoc_core.accounts.hub_account import who
    from arrcoc_core.errors import ArrcocError
    from arrcoc_core.infra.hub_rows import is_placeholder, real_name

    if not is_placeholder(settings) or not (asks or yes):
        return {}
    try:
        name = real_name(settings, who(settings))
    except ArrcocError:
        return {}  # the account's row says what is wrong
    if asks and not confirm(f"HF_HUB_REPO_ID is {settings.get('HF_HUB_REPO_ID')}: make it {name}?"):
        return {}
    return {"HF_HUB_REPO_ID": name}


def _ask_project(settings: Settings, *, needed: bool) -> str:
    """What is typed; "" only where it is not `needed`, because there is something else to set up."""
    from arrcoc_core.settings_writer import check_setting

    try:
        known = _projects(settings)
    except CloudError as error:
        if needed:
            raise
        say(f"Google Cloud: {error.message} Without a project, runs stay on this machine.")
        return ""
    if known:
        say(table(("project", "name"), [(one["value"], one["title"]) for one in known]))
    question = "Google Cloud project" if needed else "Google Cloud project (none: an empty line)"
    while True:
        typed = ask(question, known[0]["value"] if len(known) == 1 and needed else "")
        if not typed and not needed:
            return ""
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
            check_region(typed)
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
    dated = f"Prices {problems[0]}." if problems else f"Prices of {rows[0].price_as_of}." if rows else "No prices."
    return [*lines, f"{dated} arrcoc costs --refresh   asks Google for today's."]


def _count(limit: int | None) -> str:
    return UNKNOWN if limit is None else "unlimited" if limit < 0 else str(limit)


def _projects(settings: Settings) -> list[dict[str, Any]]:
    """The projects that the account may see; none where that cannot be found out."""
    from arrcoc_core.cloud.clients import Cloud
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


def check_region(region: str) -> None:
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


def with_values(settings: Settings, values: dict[str, str]) -> Settings:
    return replace(settings, values={**settings.values, **values}, memo={}) if values else settings
