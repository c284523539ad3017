"""An attempt in the cloud: what it leaves in the bucket, how it ends, and that it goes on as if it had not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cloud_job import CloudRun

from arrcoc_core.metrics import open_metrics

MakeCloudRun = Callable[..., CloudRun]


def comparable_rows(run: Path) -> list[dict[str, Any]]:
    """All rows without what depends on the clock."""
    rows = open_metrics(run).rows()
    return [{k: v for k, v in row.items() if not k.startswith(("perf/", "cost/"))} for row in rows]


def wait_for(condition: Callable[[], object], run: CloudRun) -> None:
    while not condition():
        assert run.containers[-1].poll() is None, run.said()
        time.sleep(0.01)


def kill(container: subprocess.Popen[bytes]) -> None:
    """As the machine is taken away: all at once, without a word."""
    os.killpg(container.pid, signal.SIGKILL)
    container.wait()


@pytest.mark.long
def test_preempted_restarted_and_resumed_equals_one_left_alone(cloud_run: MakeCloudRun, whole_run: Path) -> None:
    run = cloud_run()
    first = run.start()
    wait_for(lambda: "step-00000003" in run.committed(), run)
    os.killpg(first.pid, signal.SIGTERM)  # the machine is wanted back, and says so
    assert first.wait(timeout=60) == 75, run.said()
    left = run.json("attempts/1/exit.json")
    assert left["code"] == 75 and left["reason"].startswith("stopped by SIGTERM after step")
    run.pull()

    # The same job again, on another machine: this one is lost without a word, within a checkpoint.
    second = run.start()
    wait_for(lambda: run.names("checkpoints/") and run.committed()[-1] >= "step-00000007", run)
    kill(second)
    newest = sorted({name.split("/")[1] for name in run.names("checkpoints/")})[-1]
    run.objects.delete(f"checkpoints/{newest}/COMMITTED")
    run.pull()

    third = run.start(attempt=2)
    assert third.wait(timeout=240) == 0, run.said()
    assert f"skipping checkpoint {newest}" in run.said()
    mirror = run.pull(thorough=True)
    selector = (mirror / "result" / "selector.safetensors").read_bytes()
    assert selector == (whole_run / "result" / "selector.safetensors").read_bytes()
    assert (mirror / "result" / "DONE").exists()
    assert comparable_rows(mirror) == comparable_rows(whole_run)
    costs = [row["cost/usd"] for row in open_metrics(mirror).rows() if row.get("cost/usd") is not None]
    assert len(costs) > 2 and costs == sorted(costs)
    pictures = [(m.step, m.key, m.caption, m.path.read_bytes()) for m in open_metrics(mirror).media()]
    assert pictures == [(m.step, m.key, m.caption, m.path.read_bytes()) for m in open_metrics(whole_run).media()]
    assert run.committed() == ["step-00000011", "step-00000012"]
    said = (mirror / "logs" / "attempt-1.log").read_text()
    assert said.startswith(run.said(0)) and "started again" in said


def test_an_attempt_has_one_job(cloud_run: MakeCloudRun) -> None:
    run = cloud_run()
    claim = {"job": "job-1", "at": "2026-11-22T12:00:00.000Z", "token": "t"}
    run.objects.put_if_absent("attempts/1/claim.json", json.dumps(claim).encode())
    run.objects.put_if_absent("attempts/1/exit.json", b'{"code": 0}')
    run.objects.put_if_absent("attempts/3/claim.json", b'{"job": "closed"}')
    before = run.objects.listing()
    # A container of the job that had ended, another job of the same attempt, an attempt before the newest one.
    assert run.start(job="job-1").wait(timeout=60) == 0
    assert run.start(job="job-2").wait(timeout=60) == 76
    assert "trained by job job-1" in run.said()
    assert run.objects.listing() == before
    assert run.start(attempt=2).wait(timeout=60) == 76
    assert "attempt 3 has begun" in run.said()
    assert run.start(attempt=3).wait(timeout=60) == 76
    assert len(run.objects.listing()) == len(before) + 1  # the claim of attempt 2
    # An attempt of which a later one was only submitted, and one of a run that is over.
    run.objects.put_if_absent("attempts/7/fence.json", b"{}")
    assert run.start(attempt=4).wait(timeout=60) == 76
    assert "attempt 7 has begun" in run.said()
    run.objects.put_if_absent("stop.json", b"{}")
    assert run.start(attempt=8).wait(timeout=60) == 76
    assert "the run was stopped" in run.said()


def test_a_job_that_cannot_train_says_why(cloud_run: MakeCloudRun) -> None:
    run = cloud_run()
    run.objects.delete("experiment.json")
    for _ in range(2):  # a restarted container does not try again
        assert run.start().wait(timeout=60) == 2, run.said()
    assert "has ended with code 2 before" in run.said()
    left = run.json("attempts/1/exit.json")
    assert left["code"] == 2 and left["reason"] == f"there is no experiment.json in {run.uri}"
    assert "no experiment.json" in (run.pull() / "logs" / "attempt-1.log").read_text()
