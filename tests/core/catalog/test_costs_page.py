"""docs/costs.md and `arrcoc costs`: the numbers are what the shipped table comes to, and cannot drift."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import date
from pathlib import Path

import pytest

from arrcoc_core.catalog import MACHINES, machine_for, price
from arrcoc_core.catalog.prices import STALE_DAYS, shipped_prices
from arrcoc_core.catalog.tables import old_figures, saving
from arrcoc_core.discovery import discover
from arrcoc_core.formatting import money, percent

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "costs.md").read_text(encoding="utf-8")
SHIPPED = shipped_prices()


def _rows(header: str) -> list[list[str]]:
    """The rows of the table whose header line starts like this."""
    lines = PAGE[PAGE.index(header) :].splitlines()[2:]
    table = lines[: next(n for n, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_parts_of_the_example_are_the_tables() -> None:
    quote = price(machine_for("A100", 1), "us-central1", "spot")
    rows = [[part.label, f"{part.usd:.3f}"] for part in quote.parts]
    assert _rows("| part |") == [*rows, ["together", f"{quote.usd_per_h:.3f}"]]


def test_the_original_readmes_table_has_todays_numbers_beside_it() -> None:
    figures = old_figures()
    expected = [
        [
            figure.time,
            f"{figure.gpus} x A100",
            money(figure.then_usd),
            *(money(figure.today_usd(way)) for way in ("spot", "flex", "on-demand")),
        ]
        for figure in figures
    ]
    assert _rows("| time | machine |") == expected
    assert [money(figure.then_usd) for figure in figures] == ["$0.09", "$13.20", "$15.40"]
    assert [figure.printed_usd for figure in figures] == [0.09, 13.20, 7.70]
    rates = {way: quote.usd_per_h for way, quote in figures[0].today.items()}
    text = " ".join(PAGE.split())
    assert f"saves {percent(saving(rates['spot'], rates['on-demand']))}" in text
    assert f"flex-start saves {percent(saving(rates['flex'], rates['on-demand']))}" in text
    assert "4 GPUs x 3.5 h x $1.10 is $15.40, not the $7.70" in text


def test_the_dates_and_shares_of_the_page_are_the_tables() -> None:
    later = {day for row in SHIPPED.units.values() for unit in row.values() for day, _ in unit.dates.values()}
    assert set(re.findall(r"20\d\d-\d\d-\d\d", PAGE)) == {SHIPPED.as_of.isoformat(), *later}
    assert f"{SHIPPED.fee:.0%}".replace("%", " %") in PAGE and f"older than {STALE_DAYS} days" in PAGE
    flexible = {machine.gpu for machine in MACHINES if "flex" in machine.provisioning}
    sentence = re.search(r"seven days\. (.*?) only\.", PAGE)
    assert sentence is not None
    named = set(re.split(r", | and ", sentence[1]))
    assert named == flexible - {"A100-80GB", "H100-MEGA"}


def test_the_example_loads(project: Path) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (project / block.splitlines()[0].removeprefix("# ")).write_text(block)
    found = discover(project)
    assert found.broken == () and found.find("frugal")


def test_the_command_prints_both_tables(project: Path, arrcoc: list[str]) -> None:
    shown = subprocess.run([*arrcoc, "costs"], capture_output=True, text=True, check=True, cwd=project).stdout
    for piece in ("$0.09", "$13.20", "$15.40 *", "its table said $7.70", "70.0 %", "a2-highgpu-1g", "a4-highgpu-8g"):
        assert piece in shown
    assert f"prices of {SHIPPED.as_of}" in shown and SHIPPED.source in shown
    stale = (date.today() - SHIPPED.as_of).days > STALE_DAYS
    assert ("older than 90 days" in shown) == ("arrcoc costs --refresh" in shown) == stale
    answer = subprocess.run(
        [*arrcoc, "costs", "--json", "--gpu", "l4", "--region", "europe-west4"],
        capture_output=True,
        text=True,
        check=True,
        cwd=project,
    )
    held = json.loads(answer.stdout)
    assert held["region"] == "europe-west4" and held["refreshed"] is False
    assert [(row["gpu"], row["count"]) for row in held["machines"]] == [("L4", 1), ("L4", 2), ("L4", 4), ("L4", 8)]
    assert held["regions"]["of"]["L4"][0] == "us-central1" and held["regions"]["as_of"] and held["regions"]["source"]
    spot = held["machines"][0]["prices"]["spot"]
    assert spot["usd_per_h"] == pytest.approx(sum(spot["parts"].values())) and spot["as_of"] and spot["source"]


@pytest.mark.parametrize(
    ("arguments", "message", "remedy"),
    [
        (["--gpu", "L5"], "no GPU 'L5'", "A100-80GB"),
        (["--region", "us-cetral1"], "no region 'us-cetral1'", "us-central1"),
        (["--region", "mars"], "no region 'mars'", "europe-west4"),
    ],
)
def test_wrong_arguments(project: Path, arrcoc: list[str], arguments: list[str], message: str, remedy: str) -> None:
    done = subprocess.run([*arrcoc, "costs", *arguments], capture_output=True, text=True, check=False, cwd=project)
    assert done.returncode == 2 and message in done.stderr and remedy in done.stderr and done.stdout == ""
