"""The Vertex target against the sandbox, through Google's client libraries; and its tables against the real types."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arrcoc_core.cloud.names import OWNER_LABEL, Names
from arrcoc_core.errors import CloudError
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import LostAck, Unavailable
from arrcoc_core.sandbox.images import publish
from arrcoc_core.sandbox.vertex.output import ml_entry
from arrcoc_core.targets import AttemptKey, JobRequest, StoppedError, UnseenError, Verdict
from arrcoc_core.targets.vertex import VertexTarget
from arrcoc_core.targets.vertex_logs import AttemptLog, LogLine
from arrcoc_core.targets.vertex_services import (
    GoogleServices,
    JobView,
    _view,  # pyright: ignore[reportPrivateUsage]
    labels_of,
)
from arrcoc_core.targets.vertex_states import JOB_STATES, cause_of, end_of, exit_status
from tests.core.vertex_bench import cloud_plan, created_data
from tests.core.vertex_model import Job, World

NO_ROOM = "Resources are insufficient in region: us-central1. Please try a different region"


def test_every_state_of_a_job_is_in_the_table() -> None:
    from google.cloud.aiplatform_v1 import JobState

    assert JOB_STATES.keys() == {state.name for state in JobState}
    assert len(JOB_STATES) == 12


@pytest.mark.parametrize(
    ("code", "text", "had_machine", "expected"),
    [
        (8, "The following quota metrics exceed quota limits: aiplatform.googleapis.com/x", False, ("quota", None)),
        (8, NO_ROOM, False, ("stockout", None)),
        (8, NO_ROOM, True, ("preempted", None)),
        (8, "The replica workerpool0-0 was preempted: its Spot VM was reclaimed.", True, ("preempted", None)),
        (8, "", False, ("stockout", None)),
        (13, "Internal error occurred for the current attempt.", False, ("internal", None)),
        (14, "try again", False, ("unavailable", None)),
        (3, "The replica workerpool0-0 exited with a non-zero status of 1. To find out more", True, ("", 1)),
        (3, "The replica workerpool0-0 exited with a non-zero status of 137. Out of memory", True, ("", -9)),
        (3, "The replica workerpool0-0 exited with a non-zero status of 76.", True, ("", 76)),
        (3, "Machine type is not supported", False, ("invalid", None)),
        (7, "Permission denied on the service account", False, ("permission", None)),
        (5, "Image not found", False, ("not-found", None)),
        (4, "", True, ("timeout", None)),
        (0, "", False, ("internal", None)),
    ],
)
def test_what_the_error_of_a_job_is_about(
    code: int, text: str, had_machine: bool, expected: tuple[str, int | None]
) -> None:
    assert cause_of(code, text, had_machine=had_machine) == expected


def test_what_the_trainer_left_is_believed_before_the_service() -> None:
    def ended(state: str, told: dict[str, Any] | None, **more: Any) -> tuple[str, int | None]:
        job = JobView("projects/p/locations/r/customJobs/7", "r", state, error_text="was preempted", **more)
        seen = end_of(job, told, had_machine=True, committed_step=1, done=False)
        return seen.scope, seen.exit_code

    assert ended("JOB_STATE_FAILED", {"code": 2, "job": "7"}) == ("", 2)
    assert ended("JOB_STATE_FAILED", {"code": 75, "job": "7"}) == ("preempted", None)
    assert ended("JOB_STATE_FAILED", {"code": 1, "job": "another"}) == ("preempted", None)
    assert ended("JOB_STATE_SUCCEEDED", None) == ("", 0)
    assert ended("JOB_STATE_PARTIALLY_SUCCEEDED", None) == ("", 0)
    assert ended("JOB_STATE_CANCELLED", None) == ("stopped", None)
    assert ended("JOB_STATE_EXPIRED", None) == ("stockout", None)
    assert [exit_status(status) for status in (0, 1, 76, 128, 137, 143, 255)] == [0, 1, 76, 128, -9, -15, 255]


def test_a_state_that_is_newer_than_the_library_is_unknown_and_no_end(tmp_path: Path) -> None:
    from google.cloud.aiplatform_v1 import CustomJob

    name = "projects/p/locations/us-central1/customJobs/1"
    with pytest.warns(UserWarning, match="99"):
        view = _view(CustomJob.from_json(json.dumps({"name": name, "state": 99})), "us-central1")
    world = World()
    world.jobs.append(Job(name, "us-central1", {}, 0.0, 0.0, state=view.state))
    handle = {"cloud": cloud_plan([]), "job": name, "run": "r", "n": 1, "directory": str(tmp_path)}
    with pytest.raises(UnseenError, match="state as 99"):
        VertexTarget(lambda _: world).observe(handle)


# Against the sandbox


class Bench:
    """Two state folders and one cloud, set up as far as jobs and objects need it."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.sandbox, self.folder = sandbox, folder
        cloud = sandbox.cloud()
        self.names = Names(cloud.project, "us-central1", "o")
        for service in ("aiplatform", "iam", "artifactregistry", "logging", "storage"):
            sandbox.box.service("serviceusage").switch(f"{service}.googleapis.com", True)
        parent = f"projects/{cloud.project}/locations/us-central1"
        cloud.registry().create_repository(parent=parent, repository_id="o", repository={"format": "DOCKER"})
        files = {"/app/training/__init__.py": "", "/app/training/train.py": "import time; time.sleep(600)"}
        self.image = f"{self.names.image}@{publish(sandbox.box, f'{self.names.image}:t', files)}"
        cloud.storage().create_bucket(self.names.runs_bucket)
        account = self.names.training_account
        cloud.accounts().create_service_account(
            request={"name": f"projects/{cloud.project}", "account_id": account.split("@")[0]}
        )
        self.plan = {
            **cloud_plan(created_data()["ladder"]),
            "project": cloud.project,
            "endpoints": str(sandbox.folder),
            "service_account": account,
            "runs_bucket": self.names.runs_bucket,
            "labels": {OWNER_LABEL: "o"},
            "disk_type": "pd-ssd",
        }
        self.services = GoogleServices(self.plan)

    def request(self, machine: str, *, rung: int = 0) -> JobRequest:
        directory = self.folder / machine / "runs" / "r"
        (directory / "logs").mkdir(parents=True, exist_ok=True)
        plan = {"cloud": self.plan, "created": created_data()}
        return JobRequest(directory, (), {}, plan, rung, self.image)

    def jobs(self) -> list[JobView]:
        return self.services.list_jobs("us-central1", labels_of("r"))


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox) -> Bench:
    return Bench(tmp_path, sandbox)


KEY = AttemptKey("r", 1)


def test_a_lost_answer_and_a_second_machine_make_no_second_job(bench: Bench) -> None:
    bench.sandbox.set_scenario([LostAck(method="CreateCustomJob", times=1)])
    one, other = VertexTarget(), VertexTarget()
    handle = one.submit(bench.request("a"), KEY)
    assert handle["job"] == bench.jobs()[0].name and len(bench.jobs()) == 1
    assert other.submit(bench.request("b"), KEY)["job"] == handle["job"]
    assert other.find(bench.request("b"), KEY) == {**handle, "directory": str(bench.request("b").directory)}
    assert VertexTarget().find(bench.request("a"), KEY) == handle
    assert len(bench.jobs()) == 1
    assert handle["link"].startswith("http") and handle["usd_per_h"] == 1.2
    fence = bench.services.read("r", "attempts/1/fence.json")
    assert fence is not None and fence.content["owner"] == (bench.folder / "a" / "owner").read_text()


def test_a_refused_request_leaves_the_attempt_to_be_closed(bench: Bench) -> None:
    bench.sandbox.set_scenario([Unavailable(method="CreateCustomJob", times=1)])
    now = [time.time()]
    target = VertexTarget(clock=lambda: now[0])
    with pytest.raises(CloudError) as refused:
        target.submit(bench.request("a"), KEY)
    assert refused.value.scope == "unavailable"
    with pytest.raises(UnseenError):
        target.find(bench.request("a"), KEY)
    now[0] += 60
    assert target.find(bench.request("a"), KEY) is None and bench.jobs() == []
    claim = bench.services.read("r", "attempts/1/claim.json")
    assert claim is not None and claim.content["job"] == "closed"


def test_a_stale_fence_is_taken_over_once_whatever_this_machines_clock_says(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.services.put_new("r", "attempts/1/fence.json", {"owner": "gone", "at": time.time(), "regions": ["us-east1"]})
    for wrong in (-3600, 0, 3600):
        with pytest.raises(UnseenError, match="gone"):
            VertexTarget(clock=lambda: time.time() + wrong).submit(bench.request("a"), KEY)  # noqa: B023
    monkeypatch.setattr("arrcoc_core.targets.vertex.STALE_S", 0.0)
    handles = [VertexTarget().submit(bench.request("a"), KEY)]
    monkeypatch.undo()
    handles.append(VertexTarget().submit(bench.request("b"), KEY))
    assert handles[0]["job"] == handles[1]["job"] and len(bench.jobs()) == 1
    fence = bench.services.read("r", "attempts/1/fence.json")
    assert fence is not None and fence.content["regions"] == ["us-east1", "us-central1"]


def test_cancelling_and_clearing_reach_the_job_and_every_machine(bench: Bench) -> None:
    target, request = VertexTarget(), bench.request("a")
    handle = target.submit(request, KEY)
    assert target.observe(handle).kind == "alive"
    target.cancel(handle)
    until(lambda: target.observe(handle).kind == "ended")
    seen = target.observe(handle)
    assert (seen.scope, seen.verdict) == ("stopped", "cancelled") and "outside" in seen.reason
    verdict = Verdict("cancelled", "enough")
    until(lambda: target.clear(request, "r", {}, verdict).kind == "absent")
    assert VertexTarget().observe(handle).reason == "enough"
    with pytest.raises(StoppedError, match="enough"):
        VertexTarget().submit(bench.request("b"), AttemptKey("r", 2))


def test_the_sandbox_comes_up_on_other_ports_and_is_found(bench: Bench) -> None:
    target = VertexTarget()
    handle = target.submit(bench.request("a"), KEY)
    bench.sandbox.restart()
    assert target.observe(handle).kind in ("alive", "ended")


def test_a_sandbox_that_was_thrown_away_ends_what_ran_in_it(tmp_path: Path) -> None:
    gone = {**cloud_plan([]), "endpoints": str(tmp_path / "gone")}
    seen = VertexTarget().observe({"cloud": gone, "job": "", "run": "r", "n": 1, "directory": str(tmp_path)})
    assert (seen.kind, seen.verdict) == ("ended", "failed")


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# The log


class Lines:
    """Cloud Logging of one job."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []

    def log(self, job: str, since: float) -> list[LogLine]:
        return [line for line in self.lines if line.at >= since]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Lines, Callable[..., list[str]]]:
    from arrcoc_core.targets import vertex_logs

    monkeypatch.setattr(vertex_logs, "EVERY_S", 0.0)
    (tmp_path / "logs").mkdir()
    source = Lines()
    job = JobView("projects/p/locations/r/customJobs/7", "r", "JOB_STATE_RUNNING", created_at=1000.0)

    def update(*, ended: bool = False, log: list[AttemptLog] = []) -> list[str]:  # noqa: B006 - one log for all calls
        if not log:
            log.append(AttemptLog(tmp_path, 1))
        log[0].update(source, job, ended=ended)  # pyright: ignore[reportArgumentType]
        return (tmp_path / "logs" / "attempt-1.log").read_text().splitlines()

    return tmp_path, source, update


def lines(*texts: str) -> list[LogLine]:
    return [LogLine(f"id-{text}", 1000.0 + number, text) for number, text in enumerate(texts)]


def test_lines_come_once_however_late_and_often_they_are_read(told: Any) -> None:
    folder, source, update = told
    source.lines = lines("a", "b", "d")
    assert update() == ["a", "b", "d"]
    source.lines.insert(2, LogLine("id-c", 1001.5, "c"))
    assert update() == ["a", "b", "d", "c"]
    log = AttemptLog(folder, 1)
    log.update(source, JobView("j", "r", "", created_at=1000.0))  # pyright: ignore[reportArgumentType]
    assert update() == ["a", "b", "d", "c"]


def test_what_a_killed_process_wrote_without_counting_is_cut_off(told: Any) -> None:
    folder, source, update = told
    source.lines = lines("a")
    update()
    with (folder / "logs" / "attempt-1.log").open("a") as file:
        file.write("half a li")
    source.lines = lines("a", "b")
    AttemptLog(folder, 1).update(source, JobView("j", "r", "", created_at=1000.0))
    assert (folder / "logs" / "attempt-1.log").read_text() == "a\nb\n"


def test_the_streamed_log_is_ahead_and_cloud_logging_has_the_end(told: Any) -> None:
    folder, source, update = told
    streamed = folder / "logs" / "attempt-1.job.log"
    source.lines = [LogLine("s", 999.0, "Vertex: starting", "service"), *lines("a")]
    assert update() == ["a"]
    streamed.write_text("a\nb\nc\nhalf")
    assert update() == ["a", "b", "c"]
    source.lines = lines("a", "b")
    assert update() == ["a", "b", "c"]
    source.lines = lines("a", "b", "c", "half a line", "killed")
    assert update() == ["a", "b", "c"]
    assert update(ended=True) == ["a", "b", "c", "half a line", "killed"]
    assert update(ended=True) == ["a", "b", "c", "half a line", "killed"]


def test_where_no_trainer_spoke_the_service_does(told: Any) -> None:
    _, source, update = told
    source.lines = [LogLine("s", 1000.0, "the image cannot be pulled", "service")]
    assert update(ended=True) == ["[service] the image cannot be pulled"]


def test_lines_of_jobs_come_through_the_real_client(bench: Bench) -> None:
    at, project = time.time() - 60, bench.names.project
    entries = [
        ml_entry(f"{job}-{number}", job, project, "workerpool0-0", f"{job} line {number}", "INFO", at + number)
        for number in range(3)
        for job in ("7", "8")
    ]
    bench.sandbox.box.service("logging").book.write(entries)
    until(lambda: len(bench.services.log("7", at - 1)) == 3)
    found = bench.services.log("7", time.time() - 600)
    assert [line.text for line in found] == ["7 line 0", "7 line 1", "7 line 2"]
    assert len({line.insert_id for line in found}) == 3 and json.dumps([line.at for line in found])
