"""`arrcoc launch` in the cloud: looks, asks, creates the run, and stays until its job is submitted."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ready_sandbox import ready_sandbox

from arrcoc_core import get_run, runs
from arrcoc_core.cli import main
from arrcoc_core.sandbox import Sandbox

EXPERIMENT = """
from arrcoc_core import Data, Evaluation, Experiment, Vertex

far = Experiment(
    name="far", compute=Vertex(gpu="L4"), data=Data(max_train_samples=480), evaluation=Evaluation(samples=64)
)
"""


@pytest.fixture(scope="module")
def ready(make_project: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Path]]:
    root = make_project()
    (root / "experiments" / "far.py").write_text(EXPERIMENT)
    with ready_sandbox(root, tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox, root
        for run in runs(root=root):
            run.cancel().wait(60)


def created(box: Sandbox) -> int:
    return sum(one["method"] == "CreateCustomJob" for one in box.requests())


def test_a_no_to_the_price_creates_nothing(ready: tuple[Sandbox, Path]) -> None:
    box, root = ready
    before = len(box.changes())
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "arrcoc_core.cli", "launch", "far"],
        cwd=root,
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    shown = ""
    while "[y/N]" not in shown:
        shown += os.read(leader, 4096).decode()
    os.write(leader, b"n\n")
    assert process.wait(30) == 0
    shown += os.read(leader, 4096).decode()
    os.close(leader)
    assert "This costs $" in shown and "Nothing was created." in shown
    assert len(box.changes()) == before and not (root / ".arrcoc" / "runs").exists()


def test_a_launch_stays_until_its_job_is_submitted_and_a_cancel_reaches_it(
    ready: tuple[Sandbox, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    box, root = ready
    monkeypatch.chdir(root)
    assert main(["launch", "far", "--yes"]) == 0
    said = capsys.readouterr().out
    assert "image" in said and "Submitted to us-central1, spot: http://" in said
    run = get_run("far", root=root)
    assert f"arrcoc monitor {run.id}" in said
    assert created(box) == 1
    assert run.sandbox and run.attempts[0].region == "us-central1" and run.preparation is not None
    stored = json.loads((run.directory / "plan.json").read_text())
    assert stored["cloud"]["rungs"][0]["provisioning"] == "spot" and stored["image"] == "image to be built first"
    assert main(["show", run.id]) == 0
    shown = capsys.readouterr().out
    assert "us-central1, spot" in shown and "sandbox" in shown
    run.cancel()
    run.wait(60)
    assert run.state == "cancelled" and created(box) == 1
    # The same code again: its image is there.
    assert main(["plan", "far"]) == 0
    assert "nothing to build" in capsys.readouterr().out
