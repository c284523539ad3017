"""From launch to result, with the fake trainer: every way in which a run goes on without those who started it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from arrcoc_core import Experiment, Local, Run, Tokens, get_run, get_sweep, launch, plan, reconcile, runs, sweep, sweeps
from arrcoc_core.api import changes_token
from arrcoc_core.errors import PlanError, UnknownRunError, WorldMovedError
from arrcoc_core.launching import apply, new_run_id
from arrcoc_core.lease import holder
from arrcoc_core.processes import alive, send, stamp
from arrcoc_core.settings import state_dir
from arrcoc_core.store import Store

Make = Callable[..., Experiment]
PATIENCE_S = 120


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def at_step(run: Run, step: int) -> bool:
    progress = run.refresh().progress
    return run.state == "running" and progress is not None and progress.phase == "training" and progress.step >= step


def supervisor(root: Path) -> tuple[int, str]:
    with Store(state_dir(root) / "store.db") as store:
        until(lambda: holder(store) is not None)
        found = holder(store)
        assert found is not None
        return found.pid, found.stamp


def trainer(run: Run) -> tuple[int, str]:
    with Store(run.root / ".arrcoc" / "store.db") as store:
        attempt = store.run(run.id).live_attempt
    assert attempt is not None and attempt.handle is not None
    return attempt.handle["pid"], attempt.handle["stamp"]


def result(run: Run) -> str:
    return (run.directory / "result" / "selector.txt").read_text()


def test_a_run_from_launch_to_result(fake_project: Path, experiment: Make) -> None:
    run = launch(experiment(steps=5))
    assert run.state in ("queued", "starting") and run.cost_usd == 0.0
    assert run.wait(PATIENCE_S).succeeded, run.cause
    assert run.summary["tokens/kept"] == 4.0
    assert [(attempt.n, attempt.state, attempt.exit_code) for attempt in run.attempts] == [(1, "succeeded", 0)]
    assert run.started_at is not None and run.ended_at is not None and run.created_at <= run.started_at <= run.ended_at
    assert run.progress is not None and run.progress.fraction == 1.0 and run.eta_s == 0.0
    assert "as launched from step 0" in "".join(run.logs())
    row = json.loads(json.dumps(run.to_json()))
    assert row["state"] == "succeeded" and row["created_at"].endswith("Z") and row["cost_usd"] == 0.0
    assert {"n", "state", "cause", "started_at", "ended_at", "cost_usd"} <= set(row["attempts"][0])
    assert run.resolved.name == "fake" and run.plan["code"] == run.code
    assert "pydantic==" in (run.directory / "packages.txt").read_text()
    assert get_run("latest") == get_run(run.id) == get_run(run.id[:8]) == get_run("fake") == runs()[0]


def test_a_launch_can_be_repeated_and_gives_the_same_run(fake_project: Path, experiment: Make) -> None:
    run_id = new_run_id("fake")
    first = launch(experiment(steps=2), run_id=run_id)
    token = changes_token()
    first.wait(PATIENCE_S)
    assert changes_token() > token
    assert launch(experiment(steps=2), run_id=run_id).wait(PATIENCE_S).id == first.id
    assert len(runs()) == 1 and len(first.attempts) == 1


def test_the_id_of_another_run_is_refused_and_its_folder_left_alone(fake_project: Path, experiment: Make) -> None:
    first = launch(experiment(steps=2), run_id=new_run_id("fake"))
    held = (first.directory / "experiment.json").read_bytes()
    with pytest.raises(PlanError, match="there is a run"):
        launch(experiment(steps=2).but(tokens=Tokens(keep=3)), run_id=first.id)
    assert (first.directory / "experiment.json").read_bytes() == held
    assert first.wait(PATIENCE_S).succeeded and len(runs()) == 1


def test_a_launch_refuses_when_the_code_moved_and_creates_nothing(fake_project: Path, experiment: Make) -> None:
    planned = plan(experiment())
    (fake_project / "training" / "new.py").write_text("")
    with pytest.raises(WorldMovedError):
        apply([planned], fake_project, run_ids=["fake-1"])
    with pytest.raises(PlanError):
        launch(experiment(compute=Local(device="cuda", gpus=9)))
    assert runs() == [] and not (fake_project / ".arrcoc" / "runs").exists()


def test_a_killed_trainer_is_resumed_from_its_snapshot(fake_project: Path, experiment: Make) -> None:
    whole = launch(experiment(steps=40)).wait(PATIENCE_S)
    run = launch(experiment(steps=40, step_s=0.05))
    until(lambda: at_step(run, 5))
    source = fake_project / "training" / "train.py"
    source.write_text(source.read_text().replace("as launched", "edited"))
    assert send(*trainer(run), signal.SIGKILL)
    assert run.wait(PATIENCE_S).succeeded, run.cause
    assert [attempt.state for attempt in run.attempts] == ["preempted", "succeeded"]
    assert "SIGKILL" in run.attempts[0].cause
    log = list(run.logs())
    assert len(log) == 2 and all("as launched" in line for line in log) and "from step 0 " not in log[1]
    assert result(run) == result(whole)
    edited = launch(experiment(steps=1)).wait(PATIENCE_S)
    assert "edited" in "".join(edited.logs()) and edited.code != run.code


def test_a_trainer_survives_its_supervisor_and_is_adopted(fake_project: Path, experiment: Make) -> None:
    run = launch(experiment(steps=40, step_s=0.05))
    until(lambda: at_step(run, 2))
    first = supervisor(fake_project)
    process = trainer(run)
    assert send(*first, signal.SIGKILL)
    until(lambda: not alive(*first))
    assert alive(*process)
    assert reconcile() and not run.refresh().finished
    until(lambda: supervisor(fake_project) != first)
    assert not reconcile()
    assert run.wait(PATIENCE_S).succeeded, run.cause
    assert [attempt.exit_code for attempt in run.attempts] == [0]
    assert f"as {process[0]}" in "".join(run.logs())


def test_when_supervisor_and_trainer_are_gone_waiting_is_enough(fake_project: Path, experiment: Make) -> None:
    run = launch(experiment(steps=30, step_s=0.05))
    until(lambda: at_step(run, 5))
    process = trainer(run)
    send(*supervisor(fake_project), signal.SIGKILL)
    send(*process, signal.SIGKILL)
    assert run.wait(PATIENCE_S).succeeded, run.cause
    assert [attempt.state for attempt in run.attempts] == ["preempted", "succeeded"]


@pytest.mark.parametrize("no_marker", [False, True])
def test_what_ended_while_nobody_watched_is_closed(fake_project: Path, experiment: Make, no_marker: bool) -> None:
    run = launch(experiment(steps=20, step_s=0.05, no_marker=no_marker))
    until(lambda: at_step(run, 2))
    process = trainer(run)
    send(*supervisor(fake_project), signal.SIGKILL)
    until(lambda: not alive(*process))
    assert reconcile()
    assert run.wait(PATIENCE_S).succeeded, run.cause
    assert len(run.attempts) == 1


def test_failures_are_tried_again_and_a_wrong_config_is_not(fake_project: Path, experiment: Make) -> None:
    flaky = launch(experiment("flaky", exit_at={"1": [4, 1]}))
    wrong = launch(experiment("wrong", exit_at={"1": [1, 2]}))
    hopeless = launch(experiment("hopeless", compute=Local(max_failures=1), exit=1, steps=2))
    empty = launch(experiment("empty", compute=Local(max_failures=0), no_done=True, steps=2))
    assert flaky.wait(PATIENCE_S).succeeded and len(flaky.attempts) == 2
    assert wrong.wait(PATIENCE_S).state == "failed" and len(wrong.attempts) == 1
    assert "wrong configuration: ValueError: as asked" in wrong.cause
    assert hopeless.wait(PATIENCE_S).state == "failed" and len(hopeless.attempts) == 2
    assert "failed 2 times, 1 allowed" in hopeless.cause
    assert empty.wait(PATIENCE_S).state == "failed" and "without a complete result" in empty.cause


def test_cancelling_lets_the_trainer_checkpoint(fake_project: Path, experiment: Make) -> None:
    run = launch(experiment(steps=10_000, step_s=0.05, save_every=10_000))
    waiting = launch(experiment("next", steps=1))
    until(lambda: at_step(run, 2))
    assert waiting.refresh().state == "queued"
    assert waiting.cancel().state == "cancelled" and waiting.attempts == ()
    process = trainer(run)
    assert run.cancel("enough").state == "cancelling"
    assert run.wait(PATIENCE_S).state == "cancelled"
    assert (run.cause, run.attempts[0].state, run.attempts[0].exit_code) == ("enough", "cancelled", 75)
    assert list((run.directory / "checkpoints").glob("*/COMMITTED")) and not alive(*process)
    assert run.cancel("again").cause == "enough"


def test_a_sweep_is_a_queue(fake_project: Path, experiment: Make) -> None:
    points = sweep(experiment("budget", steps=6, step_s=0.05), {"tokens.keep": [2, 4, 8]})
    launched = launch(points)
    assert launched.eta_s is not None and launched.eta_s > 0 and launched.progress < 1
    seen: set[int] = set()
    while not launched.refresh().finished:
        seen.add(sum(run.active for run in launched.runs))
        time.sleep(0.02)
    assert max(seen) == 1
    assert launched.succeeded and launched.progress == 1.0 and launched.eta_s == 0.0
    starts = [run.started_at for run in launched.runs]
    assert starts == sorted(starts, key=str) and [run.experiment for run in launched.runs] == [p.name for p in points]
    assert [one.id for one in sweeps()] == [launched.id] == [get_sweep(launched.id[:9]).id]
    assert get_sweep(points.name).name == points.name


def test_a_sweep_runs_in_parallel_and_is_cancelled_as_a_whole(fake_project: Path, experiment: Make) -> None:
    base = experiment("wide", compute=Local(max_parallel=2), steps=10_000, step_s=0.05)
    launched = launch(sweep(base, {"tokens.keep": [2, 4, 8, 16]}))
    until(lambda: sum(run.state == "running" for run in launched.refresh().runs) == 2)
    assert launched.runs[0].cancel().state == "cancelling"
    until(lambda: sum(run.state == "running" for run in launched.refresh().runs) == 2)
    launched.cancel()
    assert [run.state for run in launched.runs[2:]] == ["cancelling", "cancelled"]
    launched.wait(PATIENCE_S)
    assert {run.state for run in launched.runs} == {"cancelled"} and launched.state == "cancelled"


def test_what_is_broken_about_one_run_ends_that_run_only(fake_project: Path, experiment: Make) -> None:
    blocker = launch(experiment("first", steps=20, step_s=0.05))
    broken = launch(experiment("broken", steps=1))
    after = launch(experiment("after", steps=1))
    (broken.directory / "plan.json").write_text("{")
    assert blocker.wait(PATIENCE_S).succeeded
    assert broken.wait(PATIENCE_S).state == "failed" and broken.cause
    assert after.wait(PATIENCE_S).succeeded


def test_logs_are_followed_over_attempts(fake_project: Path, experiment: Make) -> None:
    run = launch(experiment(steps=6, exit_at={"1": [3, 1]}))
    lines = list(run.logs(follow=True))
    assert [line.split()[:2] for line in lines if line.startswith("attempt")] == [["attempt", "1"], ["attempt", "2"]]
    assert "ValueError: as asked" in lines
    assert run.refresh().succeeded


def test_the_supervisor_ends_when_nothing_is_left_and_the_next_launch_starts_another(
    fake_project: Path, experiment: Make
) -> None:
    launch(experiment(steps=1)).wait(PATIENCE_S)
    first = supervisor(fake_project)
    until(lambda: not alive(*first))
    assert not reconcile()
    assert launch(experiment(steps=1)).wait(PATIENCE_S).succeeded


def test_no_children_are_left_with_the_launcher(fake_project: Path, experiment: Make) -> None:
    import psutil

    before = {child.pid for child in psutil.Process().children(recursive=True)}
    launch(experiment(steps=1)).wait(PATIENCE_S)
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_runs_are_found_by_what_identifies_them(fake_project: Path, experiment: Make) -> None:
    with pytest.raises(UnknownRunError):
        get_run("latest")
    assert runs() == [] and not reconcile() and changes_token() == 0
    assert not (fake_project / ".arrcoc" / "store.db").exists()
    first, second = (launch(experiment("fake", steps=1)) for _ in range(2))
    assert get_run("fake").id == second.id
    with pytest.raises(UnknownRunError, match="beginning of 2 runs"):
        get_run("fak")
    with pytest.raises(UnknownRunError, match="no run is called"):
        get_run("nonesuch")
    assert get_run(first.id).id == first.id
    first.wait(PATIENCE_S)
    second.wait(PATIENCE_S)


def test_run_ids_are_labels() -> None:
    import re

    for name in ("quickstart", "Über/Ärger + 3", "x" * 120, "/", "a/keep-4,lr-0.001"):
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", new_run_id(name))
    assert len({new_run_id("a") for _ in range(200)}) > 190


def test_a_process_is_known_by_pid_and_start() -> None:
    mine = stamp(os.getpid())
    assert mine is not None and alive(os.getpid(), mine)
    assert not alive(os.getpid(), mine + "0") and not alive(2**22 - 1, mine)
    assert not send(os.getpid(), "another process", signal.SIGKILL)
