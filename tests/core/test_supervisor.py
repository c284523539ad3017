"""The supervisor, driven step by step in this process, where a test can be faster than its clocks."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from arrcoc_core import Experiment, Local, lease, lifecycle, plan
from arrcoc_core.errors import StoreError
from arrcoc_core.launching import apply
from arrcoc_core.processes import alive, stamp
from arrcoc_core.records import Event, RunRecord
from arrcoc_core.store import Store
from arrcoc_core.supervisor import Supervisor
from arrcoc_core.targets import AttemptKey, JobRequest
from arrcoc_core.targets.local import LocalTarget

Make = Callable[..., Experiment]


class Bench:
    """A store with runs in it and a supervisor that takes a step only when told."""

    def __init__(self, root: Path, store: Store) -> None:
        self.root, self.store, self.said = root, store, list[str]()
        self.state = store.path.parent
        self.supervisor = Supervisor(store, self.state, self.said.append)

    def launch(self, experiment: Experiment) -> str:
        run_id = f"run-{len(self.store.runs())}"
        apply([plan(experiment)], self.root, run_ids=[run_id])
        return run_id

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not true():
            assert time.monotonic() < deadline, self.said
            self.supervisor.step()
            time.sleep(0.02)

    def run(self, run_id: str) -> RunRecord:
        return self.store.run(run_id)

    def reap(self) -> None:
        """End what this process has started and not waited for."""
        for target in self.supervisor.driver.targets.values():
            assert isinstance(target, LocalTarget)
            for child in target._children.values():
                child.kill()
                child.wait()


@pytest.fixture
def bench(fake_project: Path) -> Iterator[Bench]:
    with Store(fake_project / ".arrcoc" / "store.db") as store:
        assert lease.acquire(store)  # so that launching starts no other
        bench = Bench(fake_project, store)
        yield bench
        lease.give_back(store, only_when_idle=False)
        bench.reap()


def test_a_trainer_that_is_deaf_is_killed_after_the_grace_period(
    bench: Bench, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.launch(experiment(deaf=True, steps=10_000, step_s=0.02))
    bench.until(lambda: bench.run(run_id).state == "running")
    bench.store.append([Event(run_id, "cancel_requested", time.time(), cause="enough")])
    bench.until(lambda: bench.run(run_id).attempts[0].interrupted_at is not None)
    for _ in range(20):
        bench.supervisor.step()
    assert bench.run(run_id).state == "cancelling"
    monkeypatch.setattr(lifecycle, "GRACE_S", 0.0)
    bench.until(lambda: bench.run(run_id).finished)
    run = bench.run(run_id)
    assert (run.state, run.attempts[0].exit_code) == ("cancelled", -signal.SIGKILL)
    kinds = [event.kind for event in bench.store.events(run_id)]
    assert kinds.count("interrupt_sent") == kinds.count("kill_sent") == 1


def test_a_submission_whose_answer_was_lost_is_found_again(bench: Bench, experiment: Make) -> None:
    run_id = bench.launch(experiment(steps=30, step_s=0.05))
    bench.store.append([Event(run_id, "attempt_started", time.time(), 1)])
    directory = bench.state / "runs" / run_id
    request = JobRequest(directory, (sys.executable, "-m", "training.train", str(directory)), {})
    lost = LocalTarget()
    handle = lost.submit(request, AttemptKey(run_id, 1))
    bench.until(lambda: bench.run(run_id).attempts[0].handle is not None)
    found = bench.run(run_id).attempts[0].handle
    assert found is not None and (found["pid"], found["stamp"]) == (handle["pid"], handle["stamp"])
    assert LocalTarget().find(request, AttemptKey(run_id, 2)) is None
    bench.until(lambda: lost.observe(handle).kind == "ended")
    bench.until(lambda: bench.run(run_id).finished)
    assert bench.run(run_id).state == "succeeded" and len(bench.run(run_id).attempts) == 1


def test_an_attempt_that_was_never_started_costs_capacity_only(bench: Bench, experiment: Make) -> None:
    run_id = bench.launch(experiment(steps=1))
    bench.store.append([Event(run_id, "attempt_started", time.time(), 1)])
    bench.supervisor.step()
    run = bench.run(run_id)
    assert (run.state, run.used.capacity, run.used.failure) == ("recovering", 1, 0)


def test_a_machine_without_room_is_waited_for(bench: Bench, experiment: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = bench.launch(experiment(steps=1))

    def full(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", full)
        bench.until(lambda: bench.run(run_id).used.capacity == 1)
    run = bench.run(run_id)
    assert "no room" in run.cause and run.not_before > time.time()
    with bench.store.writing() as db:
        db.execute("UPDATE runs SET not_before = 0")  # as if the pause were over
    bench.supervisor = Supervisor(bench.store, bench.state, bench.said.append)
    bench.until(lambda: bench.run(run_id).finished)
    assert bench.run(run_id).state == "succeeded" and len(bench.run(run_id).attempts) == 2


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EMFILE, errno.ENOSPC])
def test_whatever_runs_out_is_waited_for(
    bench: Bench, experiment: Make, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    run_id = bench.launch(experiment(steps=1))

    def full(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess, "Popen", full)
    bench.until(lambda: bench.run(run_id).used.capacity == 1)
    assert not bench.run(run_id).finished


def test_a_store_that_cannot_be_written_for_a_while_costs_no_run(
    bench: Bench, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.launch(experiment(steps=20, step_s=0.05))
    bench.until(lambda: bench.run(run_id).state == "running")
    written, refused = bench.store.append, list[int]()

    def full(events: Sequence[Event], **more: Any) -> list[int]:
        if len(refused) < 2:
            refused.append(1)
            raise StoreError("the disk is full")
        return written(events, **more)

    monkeypatch.setattr(bench.store, "append", full)
    monkeypatch.setattr("arrcoc_core.supervisor.STORE_PAUSE_S", 0.01)
    bench.supervisor.serve()
    run = bench.run(run_id)
    assert len(refused) == 2 and (run.state, run.attempts[0].exit_code) == ("succeeded", 0)


def test_files_that_hold_something_else_end_that_run_and_no_other(bench: Bench, experiment: Make) -> None:
    broken, sound = bench.launch(experiment(steps=1)), bench.launch(experiment(steps=1))
    (bench.state / "runs" / broken / "plan.json").write_text("[]")
    (bench.state / "runs" / sound / "summary.json").write_text("[]")
    bench.until(lambda: bench.run(broken).finished and bench.run(sound).finished)
    assert (bench.run(broken).state, bench.run(sound).state) == ("failed", "succeeded")


def test_an_attempt_that_ended_before_its_number_was_known_is_closed(bench: Bench, experiment: Make) -> None:
    run_id = bench.launch(experiment(steps=1))
    bench.store.append([Event(run_id, "attempt_started", time.time(), 1)])
    directory = bench.state / "runs" / run_id
    request = JobRequest(directory, (sys.executable, "-m", "training.train", str(directory)), {})
    lost = LocalTarget()
    handle = lost.submit(request, AttemptKey(run_id, 1))
    bench_until = time.monotonic() + 60
    while lost.observe(handle).kind != "ended" and time.monotonic() < bench_until:
        time.sleep(0.02)
    bench.until(lambda: bench.run(run_id).finished)
    run = bench.run(run_id)
    assert (run.state, len(run.attempts), run.attempts[0].exit_code) == ("succeeded", 1, 0)


def test_a_trainer_has_the_environment_of_its_launch_and_not_of_its_supervisor(
    bench: Bench, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = bench.root / "training" / "train.py"
    told = "def main():\n    print('sees', os.environ.get('CUDA_VISIBLE_DEVICES'), os.environ.get('HF_HOME'))\n"
    source.write_text(source.read_text().replace("def main():\n", told))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    chosen = bench.launch(experiment(steps=1))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    free = bench.launch(experiment(steps=1))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")  # of the shell that the supervisor happens to be of
    monkeypatch.setenv("HF_HOME", "/of/the/supervisor")
    bench.until(lambda: bench.run(chosen).finished and bench.run(free).finished)
    logs = [(bench.state / "runs" / run / "logs" / "attempt-1.log").read_text() for run in (chosen, free)]
    assert "sees 1 None" in logs[0] and "sees None None" in logs[1]


def test_a_run_that_cannot_be_driven_is_stopped_before_it_ends(
    bench: Bench, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = bench.launch(experiment(steps=10_000, step_s=0.02))
    bench.until(lambda: bench.run(run_id).state == "running")
    handle = bench.run(run_id).attempts[0].handle
    assert handle is not None
    target, failures = bench.supervisor.driver.targets["local"], list[int]()
    observe = target.observe

    def broken(handle: dict[str, Any]) -> Any:
        if not failures:
            failures.append(1)
            raise ValueError("something is wrong")
        return observe(handle)

    monkeypatch.setattr(target, "observe", broken)
    bench.until(lambda: bool(failures))
    run = bench.run(run_id)
    assert (run.state, run.verdict) == ("cancelling", "failed") and run.live_attempt is not None
    bench.until(lambda: bench.run(run_id).finished)
    run = bench.run(run_id)
    assert (run.state, run.cause) == ("failed", "ValueError: something is wrong")
    assert not alive(handle["pid"], handle["stamp"]) and run.attempts[0].exit_code in (75, -15)


def test_a_trainer_is_no_rank_of_the_job_that_launched_it(
    bench: Bench, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = bench.root / "training" / "train.py"
    source.write_text(source.read_text().replace("def main():\n", "def main():\n    assert 'RANK' not in os.environ\n"))
    monkeypatch.setenv("RANK", "3")
    run_id = bench.launch(experiment(steps=1))
    bench.until(lambda: bench.run(run_id).finished)
    assert bench.run(run_id).state == "succeeded"


def test_helpers_that_a_killed_trainer_left_are_ended(bench: Bench, experiment: Make) -> None:
    source = bench.root / "training" / "train.py"
    helper = "import subprocess\nsubprocess.Popen(['sleep', '600'])\n"
    source.write_text(source.read_text().replace("def main():", f"{helper}\n\ndef main():"))
    run_id = bench.launch(experiment(steps=3, step_s=0.05))
    bench.until(lambda: bench.run(run_id).finished)
    handle = bench.run(run_id).attempts[0].handle
    assert handle is not None
    deadline = time.monotonic() + 60
    while session_of(handle["pid"]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not session_of(handle["pid"])


def test_a_session_of_somebody_else_with_the_same_number_is_left_alone(bench: Bench, experiment: Make) -> None:
    run_id = bench.launch(experiment(steps=1))
    other = subprocess.Popen(["sh", "-c", "sleep 600 & wait"], start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while len(session_of(other.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        members = session_of(other.pid)
        assert len(members) == 2
        directory = str(bench.state / "runs" / run_id)
        handle = {"pid": other.pid, "stamp": "gone", "directory": directory, "n": 1, "started_at": time.time() - 9}
        assert LocalTarget().observe(handle).kind == "ended"
        time.sleep(0.2)
        assert session_of(other.pid) == members
    finally:
        os.killpg(other.pid, signal.SIGKILL)
        other.wait()


def session_of(leader: int) -> list[int]:
    import psutil

    members: list[int] = []
    for pid in psutil.pids():
        try:
            if os.getsid(pid) == leader and stamp(pid) is not None:
                members.append(pid)
        except ProcessLookupError:
            continue
    return members


def test_a_state_folder_that_disappears_ends_supervisor_and_trainers(bench: Bench, experiment: Make) -> None:
    run_id = bench.launch(experiment(steps=10_000, step_s=0.02))
    bench.until(lambda: bench.run(run_id).state == "running")
    handle = bench.run(run_id).attempts[0].handle
    assert handle is not None
    shutil.rmtree(bench.state, ignore_errors=True)
    bench.supervisor.serve()
    assert "the state folder is gone" in bench.said
    deadline = time.monotonic() + 60
    while alive(handle["pid"], handle["stamp"]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(handle["pid"], handle["stamp"])


def test_the_lease_passes_on_only_when_its_holder_is_gone_or_hangs(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        other = subprocess.Popen(["sleep", "600"])
        mark = stamp(other.pid)

        def held_by_other(heartbeat: float) -> None:
            with store.writing() as db:
                db.execute("INSERT OR REPLACE INTO leases VALUES ('supervisor', ?, ?, ?)", (other.pid, mark, heartbeat))

        held_by_other(time.time())
        assert lease.driven(store) and not lease.acquire(store) and not lease.renew(store)
        held_by_other(time.time() - lease.STALE_S["local"] - 1)
        assert not lease.driven(store) and lease.acquire(store) and lease.renew(store)
        assert other.wait(timeout=60) == -signal.SIGKILL, "one that hangs is ended, so that there are never two"
        held_by_other(time.time())
        assert not lease.driven(store) and lease.acquire(store)
        assert lease.give_back(store, only_when_idle=True) and not lease.driven(store)


def test_only_one_of_many_doors_starts_a_supervisor(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store, Store(tmp_path / "store.db") as second:
        assert [lease.announce_start(one).now for one in (store, second, store)] == [True, False, False]
        assert lease.acquire(store) and not lease.announce_start(second).now
        assert lease.announce_start(second, "cloud").now, "the two kinds do not wait for each other"
        lease.give_back(store, only_when_idle=True)
        assert lease.announce_start(second).now


def test_a_supervisor_that_dies_at_once_is_not_started_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(lease.time, "time", lambda: now[0])
    with Store(tmp_path / "store.db") as store:
        started: list[float] = []
        for _ in range(400):
            answer = lease.announce_start(store, "cloud")
            if answer.now:
                started.append(now[0])
            now[0] += 1.0
        assert len(started) == lease.MOST_STARTS + 6 and answer.fruitless >= lease.MOST_STARTS
        now[0] += lease.RETRY_S
        assert lease.announce_start(store, "cloud").now and lease.acquire(store, "cloud")
        lease.renew(store, "cloud")
        lease.give_back(store, only_when_idle=False, kind="cloud")
        assert lease.announce_start(store, "cloud") == (True, 0), "one that stayed is forgiven what was before"


def test_no_start_is_announced_while_a_supervisor_takes_the_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "store.db") as store:
        looked, real = list[bool](), lease.driven

        def driven(which: Store, kind: lease.Kind = "local") -> bool:
            looked.append(real(which, kind))
            if len(looked) == 1:  # another door's supervisor is there just after this look
                assert lease.acquire(store)
            return looked[-1]

        monkeypatch.setattr(lease, "driven", driven)
        assert not lease.announce_start(store).now
        lease.give_back(store, only_when_idle=True)
        assert lease.announce_start(store).now, "nothing was announced that would hold up the next launch"


def test_the_lease_is_kept_while_a_run_is_unfinished(bench: Bench, experiment: Make) -> None:
    run_id = bench.launch(experiment(steps=1))
    assert not lease.give_back(bench.store, only_when_idle=True)
    bench.until(lambda: bench.run(run_id).finished)
    assert lease.give_back(bench.store, only_when_idle=True)


def test_runs_are_kept_where_arrcoc_home_says(
    fake_project: Path, tmp_path: Path, experiment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arrcoc_core import launch

    home = tmp_path / "a home with spaces"
    monkeypatch.setenv("ARRCOC_HOME", str(home))
    run = launch(experiment(steps=2, compute=Local(max_failures=0))).wait(120)
    assert run.succeeded, run.cause
    assert run.directory.is_relative_to(home) and not (fake_project / ".arrcoc" / "runs").exists()
