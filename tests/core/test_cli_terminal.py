"""Tables, sparklines and paint."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import Any

import pytest

from arrcoc_core.cli import terminal


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def pretend(columns: int) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)

    return pretend


def test_colour_only_on_a_terminal(on_terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal.paint("ran", "good") == "ran"
    on_terminal(80)
    assert terminal.paint("ran", "good") == "\x1b[32mran\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal.paint("ran", "good") == "ran"


def test_tables_fit_the_terminal_and_are_whole_in_a_pipe(on_terminal: Any) -> None:
    rows = [("a-very-long-name-of-an-experiment", "98.4 %"), ("short", "7.0 %")]
    whole = terminal.table(("experiment", "accuracy"), rows, right=(1,))
    assert "a-very-long-name-of-an-experiment" in whole
    on_terminal(30)
    fitted = terminal.table(("experiment", "accuracy"), rows, right=(1,)).splitlines()
    assert all(terminal._visible(line) <= 30 for line in fitted)
    assert "…" in fitted[1]
    assert fitted[1].endswith("98.4 %")
    assert fitted[2].endswith(" 7.0 %")


def test_sparkline() -> None:
    assert terminal.sparkline([0, 1, 2, 3], 4) == "▁▃▆█"
    assert terminal.sparkline([0.5], 10, low=0, high=1) == "▅"
    assert terminal.sparkline([1, math.nan, 1], 3) == "▁ ▁"
    assert terminal.sparkline([], 5) == ""
    assert len(terminal.sparkline(range(1000), 20)) == 20


def test_what_files_say_cannot_steer_the_terminal() -> None:
    assert terminal.printable("\x1b[2Jred\x1b[31m \x07bell\x1b]0;title\x07 end\r") == "red bell end"


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say_json({"loss": math.nan, "rows": (1, math.inf)})
    assert json.loads(capsys.readouterr().out) == {"loss": None, "rows": [1, None]}


def test_what_to_type_next_stays_in_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "Next: arrcoc plan NAME, arrcoc launch NAME; arrcoc sandbox stop, arrcoc monitor NAME"
    assert terminal.as_typed(said) == said
    monkeypatch.setattr(terminal.Typed, "sandbox", True)
    assert terminal.as_typed(said) == (
        "Next: arrcoc --sandbox plan NAME, arrcoc --sandbox launch NAME; arrcoc sandbox stop, arrcoc monitor NAME"
    )
