"""Log lines, progress.json, summary.json and the time left."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from training.progress import Clock, Story, duration


def test_lines_begin_with_the_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Story(tmp_path).say("a line")
    Story(tmp_path, silent=True).say("of another rank")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z a line\n", capsys.readouterr().out)


def test_progress_is_written_at_once_when_the_phase_changes(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.total_steps = 10
    story.progress("training", 1, samples_per_s=20.0, eta_s=3.0)
    story.progress("training", 2)  # too soon after the first
    written = json.loads((tmp_path / "progress.json").read_text())
    assert (written["step"], written["total_steps"], written["samples_per_s"], written["eta_s"]) == (1, 10, 20.0, 3.0)
    story.progress("evaluating", 2)
    assert json.loads((tmp_path / "progress.json").read_text())["phase"] == "evaluating"
    story.summary({"eval/accuracy": 0.5})
    assert json.loads((tmp_path / "summary.json").read_text()) == {"eval/accuracy": 0.5}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["progress.json", "summary.json"]


def test_the_time_left_counts_steps_and_evaluations() -> None:
    clock = Clock(total_steps=100, evaluate_every=30)
    assert clock.left(0) is None
    clock.stepped(2.0)
    assert clock.left(90) == pytest.approx(20.0)
    assert clock.left(0) == pytest.approx(200.0)


def test_durations_as_people_say_them() -> None:
    assert [duration(s) for s in (0, 59.4, 125, 12_000)] == ["0 s", "59 s", "2 min 05 s", "3 h 20 min"]
