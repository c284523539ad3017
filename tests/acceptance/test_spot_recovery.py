"""A spot run through a stockout and preemptions, with nobody there, ends as if nothing had been.

In the sandbox, through Google's client libraries: image build, submit, a region without room, two machines taken away.
The same when the process that submits is killed right after its request was sent and the answer to it was lost.
"""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cloud_walk import Walk
from sandbox_settings import log_online

from arrcoc_core import (
    Checkpoints,
    Data,
    Evaluation,
    Experiment,
    Run,
    Tokens,
    Vertex,
    adopt,
    get_online_run,
    get_run,
    launch,
    lease,
    reconcile,
)
from arrcoc_core.catalog import gpu_quota
from arrcoc_core.cloud.names import ATTEMPT_LABEL, RUN_LABEL
from arrcoc_core.metrics import open_metrics
from arrcoc_core.processes import alive
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import LostAck, Preempt, Stockout
from arrcoc_core.settings import state_dir
from arrcoc_core.store import Store

PATIENCE_S = 1500
FIRST, SECOND = "us-central1", "europe-west4"
KILLED_AFTER_CREATE = """
import os, signal, sys
from arrcoc_core import supervisor
from arrcoc_core.targets.vertex_services import GoogleServices

create = GoogleServices.create_job

def create_and_die(*arguments):
    try:
        create(*arguments)
    finally:
        os.kill(os.getpid(), signal.SIGKILL)

GoogleServices.create_job = create_and_die
supervisor.main([sys.argv[1], "cloud"])
"""


@pytest.fixture
def cloud_project(project: Path, sandbox: Sandbox) -> Iterator[Path]:
    """A project that was set up in the sandbox, with a GPU for each of two runs: a place whose GPUs are in use is left
    out of what is launched, and whether the other run's job is there by then is a matter of moments. No supervisor
    outlives the test."""
    sandbox.box.service("cloudquotas").grant(gpu_quota("L4", "spot"), 2, SECOND)
    Walk(project, {}, timeout_s=300).arrcoc("setup", "--yes", "--copy-keys")
    yield project
    with Store(state_dir(project) / "store.db") as store:
        holder = lease.holder(store, "cloud")
    if holder is not None and alive(holder.pid, holder.stamp):
        subprocess.run(["kill", "-KILL", str(holder.pid)], check=False)


def experiment(full: bool, name: str, regions: tuple[str, ...]) -> tuple[Experiment, int]:
    """The tiny training on a spot L4, and how many steps lie between two checkpoints."""
    save, samples, batch = (50, 19_200, 32) if full else (4, 192, 8)
    value = Experiment(
        name=name,
        tokens=Tokens(keep=4),
        data=Data(max_train_samples=samples),
        evaluation=Evaluation(every_n_steps=save, samples=512 if full else 48, pictures=1),
        checkpoints=Checkpoints(save_every_n_steps=save),
        compute=Vertex(gpu="L4", spot=True, regions=regions),
    )
    return value.but(train=value.train.but(batch_size=batch, epochs=1)), save


@pytest.mark.timeout(3600)
def test_a_spot_run_ends_as_if_nothing_had_been(
    full: bool,
    cloud_project: Path,
    sandbox: Sandbox,
    arrcoc: list[str],
    tmp_path: Path,
    figures: Callable[..., None],
) -> None:
    quiet, save = experiment(full, "quiet", (SECOND,))
    stormy, _ = experiment(full, "stormy", (FIRST, SECOND))
    sandbox.set_scenario([Stockout(region=FIRST, times=1), *preemptions(full, "stormy-1", save)])
    whole = launch(quiet)
    log_online(sandbox.folder)
    run = launch(stormy, run_id="stormy-1")
    whole.wait(PATIENCE_S)
    run.wait(PATIENCE_S)
    assert whole.succeeded, (whole.cause, list(whole.logs())[-20:])
    recovered(full, run, whole, arrcoc, sandbox)
    figures(
        "spot_recovery",
        steps=run.total_steps,
        rows_at_wandb_equal_to_the_trainers=same_at_wandb(run, tmp_path),
        attempts=[(one.region, one.provisioning, one.state, round(one.cost_usd, 6)) for one in run.attempts],
    )


@pytest.mark.timeout(3600)
def test_a_submitter_that_is_killed_after_its_request_leaves_one_job(
    full: bool,
    cloud_project: Path,
    sandbox: Sandbox,
    arrcoc: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stormy, save = experiment(full, "stormy", (FIRST, SECOND))
    state = state_dir(cloud_project)
    state.mkdir(exist_ok=True)
    scenario: list[Any] = [LostAck(method="CreateCustomJob", times=None)]
    if full:
        scenario += [Stockout(region=FIRST, times=1), *preemptions(full, "stormy-1", save)]
    sandbox.set_scenario(scenario)
    with Store(state / "store.db") as store:
        assert lease.acquire(store, "cloud")  # so that launching starts no supervisor
        run = launch(stormy, run_id="stormy-1")
        lease.give_back(store, only_when_idle=False, kind="cloud")
    created = 0
    while created < (4 if full else 1):
        done = subprocess.run([sys.executable, "-c", KILLED_AFTER_CREATE, str(state)], timeout=PATIENCE_S, check=False)
        assert done.returncode == -9, "it was to be killed"
        created += 1
        assert len(jobs(sandbox, run.id)) == created == creates(sandbox)
    assert reconcile()
    if full:
        whole = launch(experiment(full, "quiet", (SECOND,))[0])
        assert whole.wait(PATIENCE_S).succeeded
        run.wait(PATIENCE_S)
        recovered(full, run, whole, arrcoc, sandbox)
        return
    # A second machine, which is a second state folder: it drives the run, too, and there is still one job.
    with monkeypatch.context() as second:
        second.setenv("ARRCOC_HOME", str(tmp_path / "second machine"))
        followed = adopt(run.id)
        watching = subprocess.Popen([*arrcoc, "watch"], cwd=cloud_project, stdout=subprocess.PIPE, text=True)
        patiently(lambda: run.refresh().state == followed.refresh().state == "running")
        assert followed.attempts[0].link == run.attempts[0].link and len(followed.attempts) == 1
        assert followed.cancel("seen enough").wait(PATIENCE_S).state == "cancelled"
        said, _ = watching.communicate(timeout=PATIENCE_S)
    assert watching.returncode == 0 and "attempt 1 has its machine" in said and "seen enough" in said, said
    assert run.wait(PATIENCE_S).state == "cancelled" and run.cause == "seen enough"
    assert [job.state.name for job in jobs(sandbox, run.id)] == ["JOB_STATE_CANCELLED"]


def preemptions(full: bool, run_id: str, save: int) -> list[Preempt]:
    """Of the second and, in full, the third attempt, each well after a checkpoint of its own."""
    attempts = (2, 3) if full else (2,)
    return [Preempt(at_step=2 * save * (n - 1) + save // 2, run=run_id, attempt=n) for n in attempts]


def recovered(full: bool, run: Run, whole: Run, arrcoc: list[str], sandbox: Sandbox) -> None:
    """One run, an attempt more than there were troubles, each step once, the same selector, each attempt's price."""
    attempts = [(one.region, one.provisioning, one.state, one.scope) for one in run.attempts]
    assert run.succeeded, (run.cause, attempts, list(run.logs())[-20:])
    assert attempts == [
        (FIRST, "spot", "failed", "stockout"),
        *[(SECOND, "spot", "preempted", "preempted")] * (2 if full else 1),
        (SECOND, "spot", "succeeded", ""),
    ]
    assert run.attempts[0].cost_usd == 0
    for one in run.attempts[1:]:
        assert one.running_at is not None and one.ended_at is not None and one.usd_per_h is not None
        assert 0 < one.cost_usd <= one.usd_per_h * (one.ended_at - one.running_at).total_seconds() / 3600
    assert (run.directory / "result" / "selector.safetensors").read_bytes() == (
        whole.directory / "result" / "selector.safetensors"
    ).read_bytes()
    rows = table(arrcoc, run)
    assert rows == table(arrcoc, whole)
    assert [int(float(row["trainer/step"])) for row in rows] == list(range(whole.total_steps + 1))
    mine = jobs(sandbox, run.id)
    assert len(mine) == len(run.attempts)
    spans = sorted((job.create_time, job.end_time) for job in mine)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans)), "two jobs at a time"
    log = list(get_run(run.id).logs())
    timed = [line for line in log if line[:4].isdigit()]  # others, such as where a key comes from, each attempt says
    assert len(timed) == len(set(timed)) > 20, "a line of the log twice"
    assert sum(" done: " in line for line in log) == 1


def same_at_wandb(run: Run, scratch: Path) -> int:
    """It has logged online all the time: every row of its server is the one in the trainer's own files, to the bit."""
    shutil.copytree(run.directory / "wandb", scratch / "files" / "wandb")  # and none that came from the server
    here, there = open_metrics(scratch / "files"), get_online_run(run.wandb_url)
    rows = list(there.metrics().rows())
    assert repr(rows) == repr(list(here.rows()))
    assert [(one.step, one.key) for one in there.pictures] == [(one.step, one.key) for one in here.media()]
    assert there.finished and there.config["name"] == run.experiment
    return len(rows)


def jobs(sandbox: Sandbox, run_id: str) -> list[Any]:
    """Every job of the run, by its attempt."""
    found = [
        job
        for region in (FIRST, SECOND)
        for job in sandbox.cloud(region)
        .jobs(region)
        .list_custom_jobs(parent=f"projects/{sandbox.cloud().project}/locations/{region}")
        if job.labels.get(RUN_LABEL) == run_id
    ]
    return sorted(found, key=lambda job: int(job.labels[ATTEMPT_LABEL]))


def creates(sandbox: Sandbox) -> int:
    return sum(request["method"] == "CreateCustomJob" for request in sandbox.requests())


def table(arrcoc: list[str], run: Run) -> list[dict[str, str]]:
    """`arrcoc metrics --csv` without what depends on the clock."""
    text = subprocess.run(
        [*arrcoc, "metrics", run.id, "--csv"], cwd=run.root, capture_output=True, text=True, check=True
    ).stdout
    return [
        {name: value for name, value in row.items() if not name.startswith(("perf/", "cost/"))}
        for row in csv.DictReader(io.StringIO(text))
    ]


def patiently(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
