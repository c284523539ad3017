"""A project whose trainer is `fake_trainer.py`: runs last a second and need no torch."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arrcoc_core import Experiment, Local
from arrcoc_core.lease import holder
from arrcoc_core.processes import send
from arrcoc_core.settings import state_dir
from arrcoc_core.store import Store


@pytest.fixture
def fake_project(project: Path) -> Iterator[Path]:
    """A project to launch in; what is still alive at the end of the test is killed."""
    shutil.copy(Path(__file__).with_name("fake_trainer.py"), project / "training" / "train.py")
    yield project
    end_all(project)


@pytest.fixture
def experiment() -> Callable[..., Experiment]:
    """`experiment("name", steps=20, step_s=0.05, …)`: an experiment that tells the fake trainer how to behave."""

    def make(name: str = "fake", *, compute: Local | None = None, **how: object) -> Experiment:
        return Experiment(name=name, compute=compute or Local(), notes=json.dumps(how))

    return make


def end_all(root: Path) -> None:
    path = state_dir(root) / "store.db"
    if not path.exists():
        return
    with Store(path) as store:
        supervisor = holder(store)
        if supervisor is not None:
            send(supervisor.pid, supervisor.stamp, signal.SIGKILL)
        for run in store.runs(active=True):
            attempt = run.live_attempt
            if attempt is not None and attempt.handle is not None:
                send(attempt.handle["pid"], attempt.handle["stamp"], signal.SIGKILL)
