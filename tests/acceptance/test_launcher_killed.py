"""The launcher dies, the runs do not: a run and a sweep of four whose command line was killed right after the start."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from arrcoc_core import Run, get_run, runs, sweeps

PATIENCE_S = 1200
SMALL = ["data.max_train_samples=80", "train.batch_size=8", "evaluation.samples=48", "evaluation.every_n_steps=5"]


def launched_and_killed(arrcoc: list[str], project: Path, name: str, sets: list[str], count: int) -> list[Run]:
    """Launch from a terminal of its own, kill everything in that terminal once the first run trains."""
    command = [*arrcoc, "launch", name, "--watch", *(part for one in sets for part in ("--set", one))]
    launcher = subprocess.Popen(
        command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = runs(root=project)
        if len(found) == count and any(run.state == "running" for run in found):
            break
        assert launcher.poll() is None, "the launcher ended by itself"
        time.sleep(0.1)
    else:
        pytest.fail("no run was started")
    os.killpg(launcher.pid, signal.SIGKILL)
    launcher.wait()
    assert not any(run.finished for run in found)
    return found


@pytest.mark.timeout(3600)
def test_a_run_survives_its_launcher(full: bool, project: Path, arrcoc: list[str]) -> None:
    (run,) = launched_and_killed(arrcoc, project, "quickstart", [] if full else SMALL, 1)
    assert run.wait(PATIENCE_S).succeeded, run.cause
    assert len(run.attempts) == 1
    again = get_run("latest", root=project)
    assert again == run and again.summary["eval/accuracy"] >= 0.0
    assert (run.directory / "result" / "DONE").exists()
    series = again.series("eval/accuracy")
    assert series.step[0] == 0 and series.step[-1] == run.total_steps


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_sweep_survives_its_launcher(
    full: bool, project: Path, arrcoc: list[str], figures: Callable[..., None]
) -> None:
    sets = ["data.max_train_samples=4800", "evaluation.samples=256"] if full else SMALL
    points = launched_and_killed(arrcoc, project, "token_budget", sets, 4)
    (sweep,) = sweeps(root=project)
    assert sweep.wait(PATIENCE_S).succeeded, [run.cause for run in sweep.runs]
    assert {run.id for run in sweep.runs} == {run.id for run in points}
    assert [run.summary["tokens/kept"] for run in sweep.runs] == [2.0, 4.0, 8.0, 16.0]
    accuracies = {f"keep_{run.summary['tokens/kept']:.0f}": run.summary["eval/accuracy"] for run in sweep.runs}
    figures("sweep_of_four", **accuracies)
