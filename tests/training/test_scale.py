"""Several processes train what one does: the same samples in the same order, the same losses; also after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arrcoc_core.metrics import open_metrics
from training.batches import Forwards, Order, load_batches
from training.devices import World
from training.samples import Sample
from training.sharding import wants_sharding

Start = Callable[..., Any]
MakeRun = Callable[..., Path]
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2")
CLOSE = 1e-5


@dataclass
class Torchrun:
    """Two ranks of a run, started as anybody would, with what they said."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def rank(self, rank: int) -> int:
        """Its process id."""
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(status.read_text().rpartition(")")[2].split()[1])
                environment = (status.parent / "environ").read_bytes().split(b"\0")
            except (OSError, IndexError):
                continue  # it has ended meanwhile
            if parent == self.process.pid and f"RANK={rank}".encode() in environment:
                return int(status.parent.name)
        raise AssertionError(f"no rank {rank}: {self.said}")


@pytest.fixture
def torchrun(pytestconfig: pytest.Config) -> Iterator[Callable[[Path], Torchrun]]:
    started: list[Torchrun] = []

    def start(run: Path) -> Torchrun:
        log = run / "torchrun.log"
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("ARRCOC_", "WANDB_"))}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*TORCHRUN, "-m", "training.train", str(run)],
                cwd=pytestconfig.rootpath,
                env={**clean, "XDG_CACHE_HOME": str(run / "cache"), "OMP_NUM_THREADS": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        started.append(Torchrun(process, log))
        return started[-1]

    yield start
    for ranks in started:
        if ranks.process.poll() is None:
            ranks.process.terminate()
            ranks.process.wait(60)


def losses(run: Path) -> dict[int, dict[str, float]]:
    """Step -> what was learned and what was measured, each step once."""
    rows = {int(row["trainer/step"]): row for row in open_metrics(run).rows()}
    assert sorted(rows) == list(range(len(rows)))
    names = ("train/loss", "eval/loss", "eval/accuracy")
    return {step: {name: row[name] for name in names if row.get(name) is not None} for step, row in rows.items()}


def assert_same(run: Path, alone: Path) -> None:
    ours, theirs = losses(run), losses(alone)
    assert len(ours) == len(theirs) == 13
    for step, row in theirs.items():
        assert ours[step] == pytest.approx(row, rel=0, abs=CLOSE), step


def committed(run: Path) -> list[str]:
    return sorted(marker.parent.name for marker in (run / "checkpoints").glob("step-*/COMMITTED"))


@pytest.mark.long
def test_two_that_share_the_base_are_killed_and_one_goes_on(
    whole_run: Path, make_run: MakeRun, start_trainer: Start, torchrun: Callable[[Path], Torchrun]
) -> None:
    run = make_run("compute.shard_base=always")
    ranks = torchrun(run)
    while committed(run)[-1:] < ["step-00000004"]:
        assert ranks.process.poll() is None, ranks.said
        time.sleep(0.01)
    os.kill(ranks.rank(1), signal.SIGKILL)
    assert ranks.process.wait(120) != 0
    assert "2 ranks" in ranks.said and "holds 1.7 of the base's 3.3 MB" in ranks.said, ranks.said

    last = start_trainer(run, attempt=2)
    assert last.wait() == 0, last.said
    assert "2 ranks had come so far, now there are 1" in last.said
    assert_same(run, whole_run)


@pytest.mark.long
def test_two_are_as_one_with_twice_the_batch(
    make_run: MakeRun, start_trainer: Start, torchrun: Callable[[Path], Torchrun]
) -> None:
    """An objective that draws at random; the base shared out, held-out questions for three passes, so that one rank
    has to go along with the other's last, and a cache of the encoder's features, of which each finds others."""
    both = ("train.objective=distil+rloo", "evaluation.samples=150")
    alone = make_run(*both, "train.batch_size=8", "train.gradient_accumulation_steps=1")
    one = start_trainer(alone)
    run = make_run(*both, "compute.shard_base=always", "data.feature_cache_gb=0.1")
    two = torchrun(run)
    assert one.wait() == 0, one.said
    assert two.process.wait(240) == 0, two.said
    assert_same(run, alone)


@dataclass(frozen=True)
class Numbered:
    """Ten pictures of two questions each, which say their number and how often they were drawn."""

    together: int = 2

    def __len__(self) -> int:
        return 20

    def get(self, index: int, draw: int = 0) -> Sample:
        picture = np.zeros((8, 8, 3), np.uint8)
        return Sample((picture,), (index // 2,), f"{draw}:{index}", "")


def questions(samples: Sequence[Sample]) -> list[str]:
    return [sample.question for sample in samples]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_order_hangs_neither_on_workers_nor_on_ranks(workers: int) -> None:
    """As loaded: 10 steps of 8 questions, 2 epochs and more; after 4 steps another number of ranks goes on."""
    order = Order(20, 8, seed=3, together=2)
    expected = [[f"{epoch}:{index}" for epoch, index in order.of_step(step)] for step in range(10)]
    assert {question for step in expected[:3] for question in step} == {f"0:{index}" for index in range(20)}
    for before, after in ((1, 1), (2, 1), (1, 4), (4, 2)):
        seen: list[list[str]] = []
        for size, first, last in ((before, 0, 4), (after, 4, 10)):
            ranks = [
                load_batches(
                    Numbered(),
                    Forwards(order, 2, World(rank, size), first, last),
                    questions,
                    workers=workers,
                    prefetch=2,
                )
                for rank in range(size)
            ]
            passes = 8 // size // 2
            for _ in range(first, last):
                seen.append([text for rank in ranks for _ in range(passes) for text in next(rank)])
        assert seen == expected, (before, after)


def test_when_a_base_is_shared_out() -> None:
    alone, two = World(), World(0, 2, 0)
    assert wants_sharding("auto", two, 20e9, None) == (False, "")  # on the processor
    assert wants_sharding("auto", two, 20e9, 22e9) == (False, "")
    shared, why = wants_sharding("auto", two, 24e9, 22e9)
    assert shared and "24.0 GB needed, 22 GB on each GPU" in why and "2 ranks" in why
    assert wants_sharding("always", two, 1e9, None)[0]
    assert wants_sharding("always", alone, 1e9, None) == (False, "")
    for mode, world in (("never", two), ("auto", alone), ("always", alone)):
        shared, why = wants_sharding(mode, world, 24e9, 22e9)  # type: ignore[arg-type]
        assert not shared and "may not fit" in why
    assert wants_sharding("auto", World(0, 2, 0, machines=2), 24e9, 22e9)[0] is False
