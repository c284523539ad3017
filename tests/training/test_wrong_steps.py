"""What stops a training in the middle: one clear message, and nothing lost of what was saved before."""

from __future__ import annotations

import math
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_experiment import SMALL

from arrcoc_core.errors import RunError
from arrcoc_core.metrics import open_metrics
from training.batches import Order
from training.checkpoints import Checkpoint, DiskStore, latest, save
from training.devices import World
from training.soundness import AGAIN_EXIT_CODE, Watch, remembered

Start = Callable[..., Any]
MakeRun = Callable[..., Path]
BEFORE = "step-00000011"


def contents(run: Path) -> dict[str, bytes]:
    """What lies among the checkpoints of a run."""
    folder = run / "checkpoints"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def saved(make_run: MakeRun, whole_run: Path) -> Path:
    """A run that goes on with its last step, the twelfth."""
    run = make_run()
    shutil.copytree(whole_run / "checkpoints" / BEFORE, run / "checkpoints" / BEFORE)
    return run


def spoil(run: Path, change: Callable[[Checkpoint], Checkpoint]) -> None:
    store = DiskStore(run / "checkpoints")
    held = latest(store, pytest.fail)
    assert held is not None
    shutil.rmtree(run / "checkpoints" / BEFORE)
    save(store, change(held), limit=1)


def with_sharpness(log_sharpness: float) -> Callable[[Checkpoint], Checkpoint]:
    """A selector that has run away: its scores are as large as e to this power."""
    value = torch.tensor(log_sharpness)
    return lambda held: replace(held, selector={**held.selector, "log_sharpness": value})


def with_another_base(held: Checkpoint) -> Checkpoint:
    return replace(held, state={**held.state, "base": "0" * 64})


def last_questions() -> str:
    data, train = SMALL.data, SMALL.train
    order = Order(data.max_train_samples, train.batch_size * train.gradient_accumulation_steps, train.seed, 4)
    return ", ".join(str(number) for _, number in order.of_step(11))


CASES = [
    pytest.param(with_sharpness(1e4), ("the loss is nan at step 12, in forward pass 1",), id="loss"),
    pytest.param(
        with_sharpness(85.0),
        ("the gradient is inf at step 12", last_questions()),
        id="gradient",
        marks=pytest.mark.long,
    ),
    pytest.param(
        with_another_base,
        ("the checkpoint at step 11 was trained with a base tiny of other parameters",),
        id="base",
        marks=pytest.mark.long,
    ),
]


@pytest.mark.parametrize(("change", "told"), CASES)
def test_what_cannot_go_on_loses_nothing(
    saved: Path, start_trainer: Start, change: Callable[[Checkpoint], Checkpoint], told: tuple[str, ...]
) -> None:
    spoil(saved, change)
    before = contents(saved)
    trainer = start_trainer(saved)
    assert trainer.wait() == 1, trainer.said
    assert all(words in trainer.said for words in told), trainer.said
    assert "→" in trainer.said and "Traceback" not in trainer.said
    left = contents(saved)
    assert {name: data for name, data in left.items() if not name.startswith("unsound/")} == before
    assert ("unsound/step-00000012" in left) is ("at step 12" in told[0])
    rows = {int(row["trainer/step"]): row for row in open_metrics(saved).rows()}
    if "loss is nan" in told[0]:
        assert math.isnan(rows[12]["train/loss"])


@pytest.mark.long
def test_a_disk_that_is_full(saved: Path, pytestconfig: pytest.Config) -> None:
    """No file may grow beyond 400 kB, which the optimizer's does."""
    before = contents(saved)
    assert max(map(len, before.values())) > 600_000
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ARRCOC_", "WANDB_"))}
    done = subprocess.run(
        [sys.executable, "-m", "training.train", str(saved)],
        cwd=pytestconfig.rootpath,
        env=clean,
        capture_output=True,
        text=True,
        timeout=240,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "try 1 of 3 (OSError: [Errno 27]" in done.stdout
    assert "the checkpoint of step 12 could not be written" in done.stderr and "Make room" in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(saved) == before
    assert latest(DiskStore(saved / "checkpoints"), pytest.fail) is not None


def test_which_pass_is_told() -> None:
    watch = Watch(7, "train")
    watch.see(0, 0.5, [1, 2])
    assert watch.error(0.5, 1.0, [1, 2, 3, 4]) is None
    watch.see(1, math.inf, [3, 4])
    told = watch.error(math.inf, 1.0, [1, 2, 3, 4])
    assert told is not None and told.exit_code == 1
    assert "the loss is inf at step 7, in forward pass 2 of it, over questions 3, 4 of 'train'" in told.message
    of_another = Watch(7, "train").error(math.nan, 1.0, [1, 2])
    assert of_another is not None and "by the pass of another rank" in of_another.message
    many = Watch(7, "train").error(1.0, math.nan, list(range(100)))
    assert many is not None and "63 … (100 in all)" in many.message


def test_the_second_time_at_the_same_step_is_the_last(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)

    def met(step: int, good: int) -> RunError:
        watch = Watch(step, "train")
        watch.see(0, math.nan, [5])
        error = watch.error(math.nan, 1.0, [5])
        assert error is not None
        return remembered(error, step, good, store, World())

    first, other, again = met(12, 10), met(13, -1), met(12, 11)
    assert (first.exit_code, other.exit_code, again.exit_code) == (1, 1, AGAIN_EXIT_CODE)
    assert "The newest good checkpoint is that of step 10." in first.remedy
    assert "There is no checkpoint yet." in other.remedy
    assert "the loss is nan at step 12" in again.message and "in an attempt before" in again.message
    assert "The newest good checkpoint is that of step 11." in again.message
    assert latest(store, pytest.fail) is None  # what is remembered is no checkpoint
