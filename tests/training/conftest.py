"""Small real runs of the trainer, as the supervisor starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cloud_job import CloudRun
from small_experiment import SMALL

from arrcoc_core.paths import with_assignments
from arrcoc_core.resolving import resolve
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.settings import load_settings
from arrcoc_core.stored import save_experiment

MakeRun = Callable[..., Path]


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> MakeRun:
    """A run's directory, ready to be trained, of SMALL with some assignments (`train.seed=3`)."""

    def make(*assignments: str) -> Path:
        directory = tmp_path_factory.mktemp("run")
        settings = load_settings(directory, {})
        save_experiment(resolve(with_assignments(SMALL, assignments), settings), directory)
        return directory

    return make


class Trainer:
    """One attempt: the trainer as a process, its output in `logs/`."""

    def __init__(self, directory: Path, root: Path, attempt: int = 1, **environment: str) -> None:
        self.log = directory / "logs" / f"attempt-{attempt}.log"
        self.log.parent.mkdir(exist_ok=True)
        own = {"ARRCOC_RUN_ID": "small-run", "ARRCOC_ATTEMPT": str(attempt), "PYTHONUNBUFFERED": "1"}
        self.marker = self.log.with_suffix(".exit")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("ARRCOC_", "WANDB_"))}
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "training.train", str(directory)],
                cwd=root,
                env={**clean, **own, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> int:
        return self.process.wait(timeout=240)

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def start_trainer(pytestconfig: pytest.Config) -> Iterator[Callable[..., Trainer]]:
    """Start attempt `attempt` of a run; whatever still runs when the tests end is ended."""
    started: list[Trainer] = []

    def start(directory: Path, attempt: int = 1, **environment: str) -> Trainer:
        started.append(Trainer(directory, pytestconfig.rootpath, attempt, **environment))
        return started[-1]

    yield start
    for trainer in started:
        if trainer.process.poll() is None:
            trainer.process.kill()
            trainer.process.wait()


@pytest.fixture(scope="session")
def whole_run(make_run: MakeRun, start_trainer: Callable[..., Trainer]) -> Path:
    """SMALL, trained without a pause."""
    directory = make_run()
    trainer = start_trainer(directory)
    assert trainer.wait() == 0, trainer.said
    return directory


@pytest.fixture
def cloud_run(sandbox: Sandbox, tmp_path: Path) -> Iterator[Callable[..., CloudRun]]:
    """Make SMALL, with some assignments, a run in the sandbox's Storage; its containers are ended with the test."""
    made: list[CloudRun] = []

    def make(*assignments: str) -> CloudRun:
        made.append(CloudRun(sandbox, tmp_path, SMALL, *assignments))
        return made[-1]

    yield make
    for run in made:
        run.end_all()
