"""`arrcoc costs`: what each machine costs an hour in a region, and the original README's sums with today's beside them.

Needs no account; `--refresh` asks Google's price list, which does.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from arrcoc_core.catalog.machines import Provisioning
from arrcoc_core.catalog.prices import Price, Prices
from arrcoc_core.catalog.tables import CostRow, OldFigure
from arrcoc_core.cli.terminal import paint, say, say_json, table
from arrcoc_core.errors import ConfigError
from arrcoc_core.formatting import UNKNOWN, money, percent

HOME = "us-central1"


def costs(arguments: argparse.Namespace) -> int:
    from arrcoc_core.catalog import tables

    gpu = _known_gpu(arguments.gpu)
    prices, home = _world(arguments.refresh, arguments.json)
    region = _known_region(arguments.region or home)
    old = tables.old_figures(prices=prices)
    rows = tables.cost_rows(region, gpu=gpu, prices=prices)
    if arguments.json:
        say_json(_as_json(region, prices, old, rows))
        return 0
    say(_old_text(old))
    say()
    say(_machines_text(region, rows))
    if gpu is not None:
        say(_regions_text(gpu))
    return 0


def _world(refresh: bool, as_json: bool) -> tuple[Prices, str]:
    """The project's prices and region; outside of a project the shipped ones."""
    from arrcoc_core.catalog import load_prices, refresh_prices
    from arrcoc_core.errors import NoProjectError
    from arrcoc_core.settings import find_root, load_settings, state_dir

    try:
        root = find_root()
    except NoProjectError:
        if refresh:
            raise
        return load_prices(None), HOME
    settings, state = load_settings(root), state_dir(root)
    home = str(settings.get("GCP_ROOT_RESOURCE_REGION") or HOME)
    if refresh:
        from arrcoc_core.cloud.clients import Cloud

        def tell(line: str) -> None:
            if not as_json:
                sys.stderr.write(f"{line}\n")

        return refresh_prices(Cloud.of(settings), state, tell), home
    return load_prices(state), home


def _known_gpu(typed: str | None) -> str | None:
    from arrcoc_core.catalog import MACHINES

    names = tuple(dict.fromkeys(machine.gpu for machine in MACHINES))
    found = next((name for name in names if typed is not None and name.lower() == typed.lower()), None)
    if typed is not None and found is None:
        raise ConfigError(f"There is no GPU {typed!r} in the catalogue.", remedy=f"It has {', '.join(names)}.")
    return found


def _known_region(typed: str) -> str:
    from arrcoc_core.catalog.regions import REGIONS, nearest_regions

    if typed in REGIONS:
        return typed
    meant = nearest_regions(typed)
    raise ConfigError(
        f"Vertex AI has no region {typed!r}.",
        remedy=f"Did you mean {' or '.join(meant)}?" if meant else f"It is in {', '.join(REGIONS)}.",
    )


def _old_text(old: tuple[OldFigure, ...]) -> str:
    from arrcoc_core.catalog.tables import OLD_ON_DEMAND_USD_PER_H, OLD_SPOT_USD_PER_H, saving

    rows = [
        [
            figure.time,
            f"{figure.gpus} x A100",
            money(figure.then_usd) + ("" if abs(figure.then_usd - figure.printed_usd) < 0.005 else " *"),
            *(money(figure.today_usd(way)) for way in figure.today),
        ]
        for figure in old
    ]
    quotes = old[0].today
    full = quotes["on-demand"].usd_per_h
    cheap = [percent(saving(quote.usd_per_h, full)) for way, quote in quotes.items() if way != "on-demand"]
    rows.append(["saved", "", percent(saving(OLD_SPOT_USD_PER_H, OLD_ON_DEMAND_USD_PER_H)), *cheap, ""])
    wrong = next(figure for figure in old if abs(figure.then_usd - figure.printed_usd) >= 0.005)
    lines = [
        paint("The original README's table, and the same today in us-central1", "bold"),
        table(("time", "machine", "then, spot", "today, spot", "flex-start", "on demand"), rows, right=(2, 3, 4, 5)),
        f"then: one A100 at ${OLD_SPOT_USD_PER_H:.2f}/h spot, ${OLD_ON_DEMAND_USD_PER_H:.2f}/h on demand",
        f"* its table said {money(wrong.printed_usd)}: {wrong.gpus} GPUs x {wrong.hours} h x "
        f"${OLD_SPOT_USD_PER_H:.2f} is {money(wrong.then_usd)}",
    ]
    return "\n".join([*lines, *_dates(list(quotes.values()))])


def _machines_text(region: str, rows: tuple[CostRow, ...]) -> str:
    shown = [
        (
            row.machine.gpu,
            str(row.machine.count),
            row.machine.machine_type,
            f"{row.machine.vcpus} vCPU, {row.machine.memory_gb:g} GiB",
            *(_cell(row, way) for way in ("spot", "flex", "on-demand")),
        )
        for row in rows
    ]
    headers = ("GPU", "count", "machine", "host", "spot", "flex-start", "on demand")
    lines = [
        paint(f"Dollars an hour on Vertex AI in {region}", "bold"),
        table(headers, shown, right=(1, 4, 5, 6)),
        f"{UNKNOWN} no price known   no: not offered   <= at most   v flex-start is cheaper than spot",
        "with Vertex AI's management fee; without boot disk (about $0.05), local SSD and network",
    ]
    quotes = [quote for row in rows for quote in row.quotes.values() if quote.usd_per_h is not None]
    return "\n".join([*lines, *_dates(quotes)])


def _regions_text(gpu: str) -> str:
    from arrcoc_core.catalog.regions import AS_OF, SOURCE, regions_of

    return f"{gpu} is in {', '.join(regions_of(gpu))}\nregions of {AS_OF}: {SOURCE}"


def _cell(row: CostRow, way: Provisioning) -> str:
    quote = row.quotes.get(way)
    if quote is None:
        return "no"
    if quote.usd_per_h is None:
        return UNKNOWN
    text = f"{quote.usd_per_h:.2f}"
    if "the most it can be" in quote.problem:
        return f"<= {text}"
    return f"v {text}" if quote.note and way == "spot" else text


def _dates(quotes: list[Price]) -> list[str]:
    """Each date and source once, with what is wrong with its age."""
    from arrcoc_core.catalog.prices import too_old

    found = sorted({(quote.as_of, quote.source) for quote in quotes})
    lines = [f"prices of {as_of}: {source}{_old(too_old(as_of))}" for as_of, source in found]
    if any(too_old(as_of) for as_of, _ in found):
        lines.append("→ arrcoc costs --refresh   asks Google for today's prices")
    return lines


def _old(problem: str) -> str:
    return f"; {paint(problem, 'warn')}" if problem else ""


def _as_json(region: str, prices: Prices, old: tuple[OldFigure, ...], rows: tuple[CostRow, ...]) -> dict[str, Any]:
    from arrcoc_core.catalog.prices import shipped_prices
    from arrcoc_core.catalog.regions import AS_OF, SOURCE, regions_of

    gpus = dict.fromkeys(row.machine.gpu for row in rows)
    return {
        "region": region,
        "regions": {"as_of": AS_OF.isoformat(), "source": SOURCE, "of": {gpu: regions_of(gpu) for gpu in gpus}},
        "as_of": prices.as_of.isoformat(),
        "source": prices.source,
        "refreshed": prices != shipped_prices(),
        "original_readme": [figure.to_json() for figure in old],
        "machines": [row.to_json() for row in rows],
    }
