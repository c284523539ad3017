"""The reader against the real wandb: its rows are those that wandb's own tool shows, whole or cut anywhere."""

from __future__ import annotations

import json
import math
import os
import random
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arrcoc_core.metrics import ingest, open_metrics, records
from arrcoc_core.metrics.framing import read_batch

WRITER = """
import math, sys, wandb
run = wandb.init(project="p", id=sys.argv[2], dir=sys.argv[1], mode="offline", config={"seed": 3})
first, last = int(sys.argv[3]), int(sys.argv[4])
for step in range(first, last):
    row = {"trainer/step": step, "train/loss": math.exp(-step / 70), "lr": 1e-4 / (step + 1), "n": step}
    if step % 10 == 0:
        row |= {"eval/accuracy": 1 - 1 / (step + 2), "note": f'step "{step}" \\u00e9'}
        row |= {"flag": step > 50, "big": 2**60 + step}
    if step % 25 == 0:
        import numpy
        picture = wandb.Image(numpy.full((8, 20, 3), step % 255, numpy.uint8), caption=f"Q: {step}?")
        row |= {"pictures/0": picture, "bad": float("nan"), "worse": float("-inf"), "nested": {"deep": {"x": 0.5}}}
        row["spread"] = wandb.Histogram([1, 2, step])
        print("printed at", step)
    run.log(row, commit=True)
run.finish()
"""


def log(run_dir: Path, run_id: str, first: int, last: int) -> Path:
    """A real run of wandb's client; returns its file."""
    before = set(run_dir.glob("wandb/wandb/offline-run-*/*.wandb"))
    (run_dir / "wandb").mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "WANDB_SILENT": "true", "WANDB_BASE_URL": "http://localhost:9"}
    command = [sys.executable, "-c", WRITER, str(run_dir / "wandb"), run_id, str(first), str(last)]
    subprocess.run(command, env=environment, check=True, cwd=run_dir, stdout=subprocess.DEVNULL)
    (path,) = set(run_dir.glob("wandb/wandb/offline-run-*/*.wandb")) - before
    return path


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with one attempt of 400 rows."""
    run_dir = tmp_path_factory.mktemp("run")
    log(run_dir, "one", 0, 400)
    return run_dir


def leet_rows(path: Path) -> list[dict[str, Any]]:
    """The history rows that `wandb leet inspect --json` shows."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    return [record["history"]["item"] for record in shown if record["type"] == "history"]


def our_rows(path: Path) -> list[dict[str, Any]]:
    """All items of all history rows, as our decoder gives them."""
    rows: list[dict[str, Any]] = []
    with path.open("rb") as file:
        batch = read_batch(file, 0, 1 << 30)
    for i in range(len(batch)):
        record = batch.record(i)
        kind, start, end = records.kind_of(record)
        if kind == records.HISTORY:
            rows.append({".".join(key): value for key, value in records.history_items(record, start, end)})
    return rows


def as_leet(value: Any) -> Any:
    """leet writes what JSON has no number for as words."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    return value


def test_rows_equal_those_of_wandbs_own_tool(logged: Path) -> None:
    (path,) = logged.glob("wandb/wandb/offline-run-*/*.wandb")
    theirs = leet_rows(path)
    assert len(theirs) == 400
    ours = our_rows(path)
    assert [{key: as_leet(value) for key, value in row.items()} for row in ours] == theirs
    table = list(open_metrics(logged).rows())
    for row, want in zip(table, theirs, strict=True):
        plain = {key: value for key, value in want.items() if key in row}
        assert {key: as_leet(value) for key, value in row.items()} == plain
        hidden = {key.split(".")[0] for key in want.keys() - row.keys()}
        assert hidden <= {"_step", "_timestamp", "_runtime", "pictures/0", "spread"}


def test_pictures_console_and_system_of_a_real_run(logged: Path) -> None:
    metrics = open_metrics(logged)
    media = metrics.media()
    assert [(one.step, one.key, one.caption) for one in media] == [
        (step, "pictures/0", f"Q: {step}?") for step in range(0, 400, 25)
    ]
    assert all(one.path.is_file() for one in media)
    assert [line.text for line in metrics.console()] == [f"printed at {step}" for step in range(0, 400, 25)]
    assert metrics.config["seed"] == 3
    assert metrics.system_names


def test_a_file_cut_at_random_bytes_is_read_up_to_the_last_whole_record_and_goes_on(
    logged: Path, tmp_path: Path, full: bool, figures: Callable[..., None]
) -> None:
    (path,) = logged.glob("wandb/wandb/offline-run-*/*.wandb")
    whole = path.read_bytes()
    wanted = list(open_metrics(logged).rows())
    ends = history_ends(path)
    chance = random.Random(8)
    cuts = 200 if full else 25
    for number in range(cuts):
        cut = chance.randrange(len(whole) + 1)
        run_dir = tmp_path / str(number)
        copy = run_dir / path.relative_to(logged)
        copy.parent.mkdir(parents=True)
        copy.write_bytes(whole[:cut])
        ingest(run_dir)
        metrics = open_metrics(run_dir)
        assert _same(list(metrics.rows()), wanted[: sum(end <= cut for end in ends)])
        copy.write_bytes(whole)
        metrics.refresh(ingest_first=True)
        assert _same(list(metrics.rows()), wanted)
    figures("reader cut at random bytes", cuts=cuts, bytes=len(whole))


def history_ends(path: Path) -> list[int]:
    """Where each history record ends in the file, found without the code under test."""
    data = path.read_bytes()
    ends: list[int] = []
    position, record = 7, b""
    while position + 7 <= len(data):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        crc, length, kind = struct.unpack_from("<IHB", data, position)
        payload = data[position + 7 : position + 7 + length]
        assert zlib.crc32(data[position + 6 : position + 7 + length]) == crc
        position += 7 + length
        record = payload if kind in (1, 2) else record + payload
        if kind in (1, 4) and re.match(rb"\x08[\x80-\xff]*[\x00-\x7f]\x12", record, re.DOTALL):
            ends.append(position)
    return ends


def _same(ours: list[dict[str, Any]], want: list[dict[str, Any]]) -> bool:
    """Equal, NaN to NaN."""
    return [{key: as_leet(value) for key, value in row.items()} for row in ours] == [
        {key: as_leet(value) for key, value in row.items()} for row in want
    ]


@pytest.mark.long
def test_attempts_of_a_real_run_are_one_series(tmp_path: Path) -> None:
    for first, last in ((0, 60), (40, 90), (80, 130)):
        log(tmp_path, "resumed", first, last)
    metrics = open_metrics(tmp_path)
    assert metrics.series("n").step.tolist() == list(range(130))
    assert metrics.series("n").value.tolist() == list(range(130))
    assert [rows for _, rows in metrics.attempts] == [60, 50, 50]
    assert [row["trainer/step"] for row in metrics.rows()] == list(range(130))
