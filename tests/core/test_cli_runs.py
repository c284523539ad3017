"""The command line with runs: launched, followed, left, cancelled, failed, read."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from arrcoc_core import get_run, runs
from arrcoc_core.cli import main
from arrcoc_core.run import cancel_all

Arrcoc = Callable[..., "Said"]

SMALL = [
    f"--set={item}"
    for item in (
        "data.max_train_samples=96",
        "evaluation.samples=16",
        "evaluation.every_n_steps=1",
        "evaluation.pictures=1",
        "compute.device=cpu",
    )
]
A_PICTURE = "from training.tiny.synthetic import picture as draw\npicture = draw('validation', 0, 0).pixels\n"


@dataclass
class Said:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(project: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Arrcoc]:
    """The command line in this process, in a project of its own; what it launches are processes all the same."""

    def call(*arguments: str) -> Said:
        return Said(main(arguments), *capsys.readouterr())

    yield call
    left = [run for run in runs(root=project) if not run.finished]
    if left:
        cancel_all(left, project, "the test is over")
        for run in left:
            assert run.wait(60).finished


def trainer(project: Path, code: str) -> None:
    """Another trainer for this project: what a researcher's edit may turn `training/train.py` into."""
    (project / "training/train.py").write_text(code, encoding="utf-8")


def test_launch_watch_and_read(run: Arrcoc, project: Path) -> None:
    done = run("launch", "default", *SMALL, "--watch")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "default: succeeded" in done.stdout
    assert "default answers" in done.stdout
    assert "ArrCocQwen.from_pretrained" in done.stdout

    (row,) = json.loads(run("runs", "--json").stdout)
    assert set(row) >= {
        "id", "experiment", "fingerprint", "code", "target", "state", "created_at", "started_at", "ended_at",
        "attempts", "summary", "cost_usd",
    }  # fmt: skip
    assert (row["experiment"], row["state"], row["target"]) == ("default", "succeeded", "local")
    assert set(row["attempts"][0]) >= {"n", "state", "cause", "started_at", "ended_at", "cost_usd"}
    assert row["created_at"].endswith("Z")
    assert "eval/accuracy" in row["summary"]

    table = list(csv.reader(io.StringIO(run("metrics", "default", "--csv").stdout)))
    header, *rows = table
    assert header[0] == "trainer/step"
    assert header[1:] == sorted(header[1:])
    assert [int(line[0]) for line in rows] == [0, 1, 2]
    loss = header.index("train/loss")
    series = get_run("latest", root=project).series("train/loss")
    assert [float(line[loss]) for line in rows if line[loss]] == series.value.tolist()
    assert [line["trainer/step"] for line in json.loads(run("metrics", "latest", "--json").stdout)] == [0, 1, 2]
    assert "eval/accuracy" in run("metrics", row["id"]).stdout

    assert "step 2/2" in run("logs", row["id"][:-2]).stdout
    assert all("text" in json.loads(line) for line in run("logs", "latest", "--json").stdout.splitlines())
    assert json.loads(run("monitor", "latest", "--json").stdout)["step"] == 2
    assert "default answers" in run("monitor").stdout
    shown = json.loads(run("show", "latest", "--json").stdout)
    assert Path(shown["result"]["selector_path"]).exists()
    loaded = subprocess.run(
        [sys.executable, "-c", A_PICTURE + shown["result"]["load_snippet"]],
        cwd=project,
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.strip()
    compared = json.loads(run("diff", "latest", "quickstart", "--json").stdout)
    assert {"path": "tokens.keep", "a": 8, "b": 4} in compared["differences"]
    assert run("cancel", "latest").stdout.startswith("Nothing to cancel")
    assert {item["name"]: item["status"] for item in json.loads(run("list", "--json").stdout)}["default"] == (
        "config changed"
    )
    assert "default answers" in run().stdout


def test_a_job_that_fails_gives_exit_code_1(run: Arrcoc, project: Path) -> None:
    trainer(project, 'raise SystemExit("no luck today")\n')
    done = run("launch", "quickstart", "--set", "compute.max_failures=0", "--watch")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "quickstart failed" in done.stdout
    assert "arrcoc logs quickstart-" in done.stdout
    assert done.stderr == ""
    assert "no luck today" in run("logs", "quickstart").stdout
    assert run("monitor", "quickstart").returncode == 1
    assert "Needs you" in run().stdout


def test_leaving_does_not_end_the_run_and_cancel_does(run: Arrcoc, arrcoc: list[str], project: Path) -> None:
    trainer(project, "import time\nprint('here', flush=True)\ntime.sleep(600)\n")
    with subprocess.Popen(
        [*arrcoc, "launch", "quickstart", "--watch"],
        cwd=project,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as watching:
        assert watching.stdout is not None
        for line in watching.stdout:
            if line.startswith("quickstart: starting"):
                break
        watching.send_signal(signal.SIGINT)
        rest, errors = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert "It goes on" in rest
    assert errors == ""
    assert not get_run("quickstart", root=project).finished
    cancelled = run("cancel", "quickstart")
    assert "Checkpoints, metrics and logs stay" in cancelled.stdout
    assert get_run("quickstart", root=project).wait(60).state == "cancelled"
    assert run("monitor", "quickstart").returncode == 1


def test_a_sweep_is_a_queue_and_is_cancelled_as_one(run: Arrcoc, project: Path) -> None:
    trainer(project, "import time\ntime.sleep(600)\n")
    rows = json.loads(run("launch", "token_budget", "--json").stdout)
    assert [row["experiment"] for row in rows] == [f"token_budget/keep-{keep}" for keep in (2, 4, 8, 16)]
    assert len(json.loads(run("monitor", "token_budget", "--json").stdout)["runs"]) == 4
    assert "Cancelling 4 runs" in run("cancel", "token_budget", "--yes").stdout
    done = run("monitor", "token_budget")
    assert done.returncode == 1
    assert "tokens.keep" in done.stdout
