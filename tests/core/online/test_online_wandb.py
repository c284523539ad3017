"""With wandb's own client: what a training logs online is what is shown, through two preemptions, row by row."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arrcoc_core import get_online_run
from arrcoc_core.cli import main
from arrcoc_core.metrics import open_metrics
from arrcoc_core.online.addresses import parse_run_path
from arrcoc_core.online.polling import Pace, Poller
from arrcoc_core.online.servers import Server
from arrcoc_core.sandbox import Sandbox

REPOSITORY = Path(__file__).parents[3]


def start(box: Sandbox, folder: Path, place: str, steps: int, pause_s: float) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "HOME": str(folder),
        "RUN_ID": "trained",
        "WANDB_MODE": "online",
        "WANDB_ENTITY": "sandbox",
        "WANDB_PROJECT": place,
        "WANDB_BASE_URL": box.endpoints.services["wandb"],
        "WANDB_API_KEY": Path(box.endpoints.keys["WANDB_API_KEY"]).read_text(encoding="utf-8").strip(),
        "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1",
    }
    command = [sys.executable, str(Path(__file__).with_name("online_trainer.py"))]
    return subprocess.Popen([*command, str(folder), str(steps), str(pause_s)], env=environment, text=True)


def beside(folder: Path) -> dict[int, dict[str, float]]:
    """What the trainer wrote beside it: of each step the last."""
    rows: dict[int, dict[str, float]] = {}
    for line in (folder / "trainer.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        rows[int(row.pop("step"))] = row
    return rows


@pytest.mark.timeout(300)
def test_a_training_that_is_preempted_twice_is_shown_row_by_row(
    box: Sandbox,
    server: Server,
    place: str,
    tmp_path: Path,
    full: bool,
    figures: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "trainer"
    folder.mkdir()
    steps, pause = (900, 0.03) if full else (110, 0.02)
    said: list[dict[str, Any]] = []
    poller = Poller(said.append, pace=Pace(visible_s=0.3))
    path = parse_run_path(f"sandbox/{place}/trained")
    watched = tmp_path / "watched"
    chance = random.Random(11)
    try:
        for share in (0.35, 0.75, None):
            trainer = start(box, folder, place, steps, pause)
            poller.watch(watched, server, path, expected=True)
            if share is not None:
                until = chance.randint(int(steps * share), int(steps * share) + 10)
                _wait(lambda until=until: _count(folder) >= until, trainer)
                trainer.kill()
                trainer.wait()
            else:
                assert trainer.wait(240) == 0
        want = beside(folder)
        assert sorted(want) == list(range(steps))
        deadline = time.monotonic() + 60
        while not said or said[-1].get("state") != "finished":
            assert time.monotonic() < deadline, said[-3:]
            time.sleep(0.1)
    finally:
        poller.close()
    metrics = open_metrics(watched, refresh=False)
    assert metrics.series("trainer/step").step.tolist() == list(range(steps))
    names = {"train/loss", "train/rate", "eval/accuracy", "eval/worst"}
    assert set(metrics.names) == names
    for name in names:
        series = metrics.series(name)
        logged = {step: row[name] for step, row in want.items() if name in row}
        assert dict(zip(series.step.tolist(), map(repr, series.value.tolist()), strict=True)) == {
            step: repr(float(value)) for step, value in logged.items()
        }
    assert [(one.step, one.caption) for one in metrics.media()] == [(i, f"step {i}") for i in range(0, steps, 20)]
    local = open_metrics(folder)  # the trainer's own files, in three segments
    assert repr(list(metrics.rows())) == repr(list(local.rows()))
    assert not any("error" in line for line in said)
    capsys.readouterr()
    assert main(["metrics", str(path), "--csv"]) == 0
    shown = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [int(row["trainer/step"]) for row in shown] == list(range(steps))
    for step, row in enumerate(shown):
        for name in names:
            assert (row[name] == "") == (name not in want[step])
            if row[name]:
                assert float(row[name]) == want[step][name] or math.isnan(want[step][name])
    run = get_online_run(str(path))
    assert (run.config, run.state) == ({"seed": 3, "tokens": {"keep": 4}}, "finished")
    assert len(run.fetch_pictures()) == len(range(0, steps, 20))
    figures("online preempted twice", rows=steps, equal_rows=steps, attempts=3)


def _count(folder: Path) -> int:
    file = folder / "trainer.jsonl"
    return len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0


def _wait(fits: Callable[[], bool], trainer: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not fits():
        assert trainer.poll() is None, f"the trainer has ended with {trainer.returncode}"
        assert time.monotonic() < deadline
        time.sleep(0.02)
