"""A trainer killed at three different steps, one of them in the middle of a checkpoint, ends as if nothing had been."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arrcoc_core import Run, launch
from arrcoc_core.processes import alive, send
from arrcoc_core.settings import state_dir
from arrcoc_core.store import Store

PATIENCE_S = 1200
Process = tuple[int, str]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_killed_run_equals_one_that_was_left_alone(
    full: bool, project: Path, arrcoc: list[str], figures: Callable[..., None]
) -> None:
    # Full: quickstart as it is, killed three times. Reduced: 24 small steps of it, killed once.
    reduced = ["data.max_train_samples=192", "train.batch_size=8", "evaluation.samples=48"]
    save, small = (50, []) if full else (6, reduced)
    sets = [*small, f"evaluation.every_n_steps={save}", f"checkpoints.save_every_n_steps={save}"]
    whole = launch("quickstart", sets=sets)
    assert isinstance(whole, Run)
    assert whole.wait(PATIENCE_S).succeeded, whole.cause

    killed = launch("quickstart", sets=sets)
    assert isinstance(killed, Run)
    resumed_from: list[int] = []
    moments = (after_step(save), in_a_checkpoint, after_step(3 * save)) if full else (in_a_checkpoint,)
    for n, moment in enumerate(moments, start=1):
        process = trainer(killed, n)
        moment(killed, process)
        assert send(*process, signal.SIGKILL)
        resumed_from.append(newest_checkpoint(killed))
        edit(project / "training" / "train.py", n)
        edit(project / "training" / "data.py", n)
    assert killed.wait(PATIENCE_S).succeeded, killed.cause
    assert len(killed.attempts) == len(moments) + 1
    assert {attempt.exit_code for attempt in killed.attempts} == {-signal.SIGKILL, 0}

    assert killed.code == whole.code
    assert selector(killed) == selector(whole)
    rows, expected = table(arrcoc, killed), table(arrcoc, whole)
    assert rows == expected
    steps = [int(float(row["trainer/step"])) for row in rows]
    assert steps == list(range(whole.total_steps + 1)), "a step twice, or one missing"
    figures(
        "kill_resume",
        steps=whole.total_steps,
        kills=len(moments),
        resumed_from=resumed_from,
        attempts=len(killed.attempts),
    )


def after_step(step: int) -> Callable[[Run, Process], None]:
    """The moment at which the trainer tells that it trains and is past `step`; it tells a change of phase at once."""

    def wait(run: Run, process: Process) -> None:
        for _ in patiently(process):
            told = run.progress
            if told is not None and told.phase == "training" and told.step > step:
                return

    return wait


def in_a_checkpoint(run: Run, process: Process) -> None:
    """The moment at which a checkpoint has files and is not committed; the trainer is stopped at it."""
    folder = run.directory / "checkpoints"
    known = {path.name for path in folder.glob("step-*") if (path / "COMMITTED").exists()}
    for _ in patiently(process):
        fresh = [path for path in folder.glob("step-*") if path.name not in known]
        if not fresh:
            continue
        os.kill(process[0], signal.SIGSTOP)
        if any(fresh[0].iterdir()) and not (fresh[0] / "COMMITTED").exists():
            return
        os.kill(process[0], signal.SIGCONT)
        if (fresh[0] / "COMMITTED").exists():
            known.add(fresh[0].name)


def patiently(process: Process) -> Iterator[None]:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert alive(*process), "the trainer ended before it could be killed"
        yield
        time.sleep(0.002)
    pytest.fail("the moment did not come")


def trainer(run: Run, n: int) -> Process:
    """The process of attempt `n`, when it is there."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with Store(state_dir(run.root) / "store.db") as store:
            attempts = store.run(run.id).attempts
        if len(attempts) == n and attempts[-1].handle is not None:
            return attempts[-1].handle["pid"], attempts[-1].handle["stamp"]
        time.sleep(0.05)
    return pytest.fail(f"attempt {n} was not started")


def newest_checkpoint(run: Run) -> int:
    committed = (run.directory / "checkpoints").glob("step-*/COMMITTED")
    return max((int(path.parent.name[5:]) for path in committed), default=-1)


def edit(source: Path, n: int) -> None:
    """A change that no run could survive if it took it up."""
    source.write_text(f"raise SystemExit('edit {n} reached a run')\n" + source.read_text())


def selector(run: Run) -> bytes:
    return (run.directory / "result" / "selector.safetensors").read_bytes()


def table(arrcoc: list[str], run: Run) -> list[dict[str, str]]:
    """`arrcoc metrics RUN --csv`, without what depends on the clock."""
    command = [*arrcoc, "metrics", run.id, "--csv"]
    done = subprocess.run(command, cwd=run.root, capture_output=True, text=True, check=True)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    return [{name: value for name, value in row.items() if not name.startswith("perf/")} for row in rows]
