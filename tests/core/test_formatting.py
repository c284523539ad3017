"""Numbers and times in words."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from arrcoc_core.formatting import (
    about_money,
    ago,
    duration,
    literal,
    metric,
    money,
    money_range,
    number,
    percent,
    plural,
    points,
)


@pytest.mark.parametrize(
    ("seconds", "long", "short"),
    [
        (0.4, "0 s", "0 s"),
        (45, "45 s", "45 s"),
        (120, "2 min", "2 min"),
        (134, "2 min 14 s", "2 min"),
        (3599, "59 min 59 s", "1 h"),
        (3900, "1 h 05 min", "1.1 h"),
        (3 * 86400 + 4 * 3600, "3 d 4 h", "3 d"),
        (None, "—", "—"),
        (math.inf, "—", "—"),
    ],
)
def test_duration(seconds: float | None, long: str, short: str) -> None:
    assert duration(seconds) == long
    assert duration(seconds, short=True) == short


def test_money_percent_points() -> None:
    assert [money(value) for value in (0, 0.001, 0.09, 13.2, None)] == ["$0", "under $0.01", "$0.09", "$13.20", "—"]
    assert [about_money(value) for value in (0, 0.001, 0.09)] == ["$0", "under $0.01", "about $0.09"]
    assert money_range(0.02, 0.12) == "$0.02 to $0.12"
    assert money_range(0.001, 0.12) == "at most $0.12"
    assert money_range(0.001, 0.002) == "under $0.01"
    assert percent(0.98425) == "98.4 %"
    assert percent(math.nan) == "nan"
    assert points(-0.012) == "-1.2 points"
    assert points(0.3) == "+30.0 points"


def test_number_and_metric() -> None:
    assert [number(value) for value in (3.0, 1024, 0.000312, 12.3456, 123456.7, 2.5e-7)] == [
        "3",
        "1,024",
        "0.000312",
        "12.35",
        "123,457",
        "2.5e-07",
    ]
    for name in ("accuracy_full", "accuracy/colour_of_shape", "vqa_accuracy", "vqa_accuracy_by_question/how_many"):
        assert metric(f"eval/{name}", 1.0) == "100.0 %"
    assert metric("train/loss", 0.25) == "0.25"


def test_ago_and_plural() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert ago(now - timedelta(seconds=3), now) == "just now"
    assert ago(now - timedelta(minutes=3), now) == "3 min ago"
    assert ago(None, now) == "—"
    assert (plural(1, "run"), plural(2000, "run"), plural(2, "entry", "entries")) == (
        "1 run",
        "2,000 runs",
        "2 entries",
    )


@pytest.mark.parametrize("value", [64, 0.0003, 1e-05, 2e-3, "tiny", 'say "hi"', "a\nb", True, (), ("a", "b")])
def test_literal_reads_back(value: object) -> None:
    import ast

    assert ast.literal_eval(literal(value)) == value
