"""A specification of Vertex AI, Cloud Storage and Cloud Build as far as a run depends on them, with a clock of its own.

It stands behind `vertex_services.Services`, so that what is tested is the whole of ours: driver, store, state machine,
and the target's protocol. Jobs go their way when the test says so; calls fail before or after they were carried out;
the driver can be killed at any call; a job that was asked for may turn up late.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arrcoc_core.cloud.names import ATTEMPT_LABEL, RUN_LABEL
from arrcoc_core.errors import CloudError, CloudScope
from arrcoc_core.image import BuildStatus
from arrcoc_core.targets.vertex_logs import LogLine
from arrcoc_core.targets.vertex_services import Found, JobView
from arrcoc_core.targets.vertex_states import ENDED, JOB_STATES

LATE_S = 40.0


class Killed(BaseException):
    """SIGKILL: passes through everything that catches errors."""


@dataclass
class Fault:
    """What happens to a call: `lost` after it was carried out, else before. Scope "": the driver is killed."""

    scope: CloudScope | str
    lost: bool = False


@dataclass
class Job:
    name: str
    region: str
    labels: Mapping[str, str]
    created_at: float
    listed_at: float
    state: str = "JOB_STATE_PENDING"
    started_at: float | None = None
    ended_at: float | None = None
    error: tuple[int, str] = (0, "")
    trains: bool = False

    @property
    def id(self) -> str:
        return self.name.rsplit("/", 1)[-1]

    @property
    def run(self) -> str:
        return self.labels[RUN_LABEL]

    @property
    def n(self) -> int:
        return int(self.labels[ATTEMPT_LABEL])

    @property
    def live(self) -> bool:
        return JOB_STATES[self.state] not in ENDED


@dataclass
class Build:
    tag: str
    state: str = "working"
    forgotten: bool = False


@dataclass
class World:
    now: float = 1_000_000.0
    jobs: list[Job] = field(default_factory=list)
    objects: dict[tuple[str, str], Found] = field(default_factory=dict)
    dates: dict[tuple[str, str], float] = field(default_factory=dict)
    builds: list[Build] = field(default_factory=list)
    images: set[str] = field(default_factory=set)
    committed: dict[str, int] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    late_creates: int = 0
    """How many of the next jobs turn up late, and without an answer."""
    create_scope: dict[str, CloudScope] = field(default_factory=dict)
    """Region -> why it refuses every job."""
    faults: list[Fault | None] = field(default_factory=list)
    """Of the next calls, in order."""
    at_call: tuple[int, Fault] | None = None
    """A fault of one particular call."""
    calls: int = 0
    dark: CloudScope | None = None
    """Every call fails like this."""
    was_late: bool = False
    between: Callable[[], None] | None = None
    """What happens before each call of one machine: the other machine acts, for one."""

    # What jobs do, when told

    def start(self, job: Job) -> None:
        """It gets its machine, and its trainer claims the attempt."""
        job.state, job.started_at = "JOB_STATE_RUNNING", self.now
        claim = self.objects.get((job.run, f"attempts/{job.n}/claim.json"))
        stopped = (job.run, "stop.json") in self.objects
        later = stopped or any(
            run == job.run and name.endswith("/fence.json") and int(name.split("/")[1]) > job.n
            for run, name in self.objects
        )
        if later or (claim is not None and claim.content["job"] != job.id):
            self.end(job, "JOB_STATE_FAILED", (3, "The replica workerpool0-0 exited with a non-zero status of 76."))
            return
        self._put(job.run, f"attempts/{job.n}/claim.json", {"job": job.id})
        job.trains = True

    def checkpoint(self, job: Job) -> None:
        self.committed[job.run] = self.committed.get(job.run, -1) + 10

    def exit(self, job: Job, code: int) -> None:
        """Its trainer ends with this code, and says so."""
        if code == 0:
            self.done.add(job.run)
        self._put(job.run, f"attempts/{job.n}/exit.json", {"code": code, "reason": "", "job": job.id})
        if code == 0:
            self.end(job, "JOB_STATE_SUCCEEDED", (0, ""))
        else:
            self.end(job, "JOB_STATE_FAILED", (3, f"The replica exited with a non-zero status of {code}."))

    def preempt(self, job: Job) -> None:
        text = f"The replica was preempted. Resources are insufficient in region: {job.region}."
        self.end(job, "JOB_STATE_FAILED", (8, text))

    def stockout(self, job: Job) -> None:
        self.end(job, "JOB_STATE_FAILED", (8, f"Resources are insufficient in region: {job.region}."))

    def trouble(self, job: Job) -> None:
        self.end(job, "JOB_STATE_FAILED", (13, "Internal error occurred for the current attempt."))

    def end(self, job: Job, state: str, error: tuple[int, str]) -> None:
        job.state, job.ended_at, job.error, job.trains = state, self.now, error, False

    def finish_cancelling(self) -> None:
        for job in self.jobs:
            if job.state == "JOB_STATE_CANCELLING":
                self.end(job, "JOB_STATE_CANCELLED", (1, "cancelled"))

    def live(self, run: str) -> list[Job]:
        return [job for job in self.jobs if job.run == run and job.live]

    def harmless(self, job: Job) -> bool:
        """Whether it can never train: its attempt is claimed by another, or closed."""
        claim = self.objects.get((job.run, f"attempts/{job.n}/claim.json"))
        return claim is not None and claim.content["job"] != job.id

    def forget_builds(self) -> None:
        """Those that have ended are not to be found any more."""
        for build in self.builds:
            build.forgotten = build.state != "working"

    # Calls

    def _call(self, act: Callable[[], Any]) -> Any:
        between, self.between = self.between, None
        if between is not None:
            between()
            self.between = between
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else None
        if self.at_call is not None and self.at_call[0] == self.calls:
            fault = self.at_call[1]
        if self.dark is not None:
            raise CloudError("no answer", scope=self.dark)
        if fault is not None and not fault.lost:
            self._fail(fault)
        answer = act()
        if fault is not None:
            self._fail(fault)
        return answer

    def _fail(self, fault: Fault) -> None:
        if not fault.scope:
            raise Killed
        raise CloudError("as the test wants", scope=fault.scope)  # pyright: ignore[reportArgumentType]

    def create_job(self, region: str, request: Mapping[str, Any]) -> JobView:
        def act() -> JobView:
            if region in self.create_scope:
                raise CloudError("refused", scope=self.create_scope[region], remedy="ask for more")
            late = LATE_S if self.late_creates else 0.0
            self.late_creates -= bool(late)
            name = f"projects/p/locations/{region}/customJobs/{len(self.jobs) + 1}"
            job = Job(name, region, request["labels"], self.now, self.now + late)
            self.jobs.append(job)
            if late:
                self.was_late = True
                raise CloudError("no answer", scope="unavailable")
            return self._view(job)

        return self._call(act)

    def list_jobs(self, region: str, labels: Mapping[str, str]) -> list[JobView]:
        def act() -> list[JobView]:
            return [
                self._view(job)
                for job in self.jobs
                if job.region == region and job.listed_at <= self.now and labels.items() <= job.labels.items()
            ]

        return self._call(act)

    def get_job(self, name: str) -> JobView:
        return self._call(lambda: self._view(next(job for job in self.jobs if job.name == name)))

    def cancel_job(self, name: str) -> None:
        def act() -> None:
            job = next(job for job in self.jobs if job.name == name)
            if job.live:
                job.state = "JOB_STATE_CANCELLING"

        self._call(act)

    def read(self, run_id: str, name: str) -> Found | None:
        return self._call(lambda: self.objects.get((run_id, name)))

    def put_new(self, run_id: str, name: str, content: Mapping[str, Any]) -> bool:
        def act() -> bool:
            if (run_id, name) in self.objects:
                return False
            self._put(run_id, name, content)
            return True

        return self._call(act)

    def replace(self, run_id: str, name: str, content: Mapping[str, Any], generation: int) -> bool:
        def act() -> bool:
            held = self.objects.get((run_id, name))
            if held is None or held.generation != generation:
                return False
            self._put(run_id, name, content, generation + 1)
            return True

        return self._call(act)

    def age_s(self, run_id: str, name: str, asker: str) -> float:
        return self._call(lambda: self.now - self.dates[run_id, name])

    def upload_new(self, run_id: str, name: str, file: Path) -> None:
        self._call(lambda: self.objects.setdefault((run_id, name), Found({}, 1)))

    def committed_step(self, run_id: str) -> int:
        return self._call(lambda: self.committed.get(run_id, -1))

    def pull(self, run_id: str, directory: Path, *, thorough: bool = False) -> bool:
        def act() -> bool:
            if run_id in self.done:
                (directory / "result").mkdir(exist_ok=True)
                (directory / "result" / "DONE").touch()
            return False

        return self._call(act)

    def log(self, job: str, since: float) -> list[LogLine]:
        return self._call(list)

    def find_image(self, tag: str) -> str | None:
        return self._call(lambda: f"image@{tag}" if tag in self.images else None)

    def start_build(self, tag: str, code: Path) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            for number, build in enumerate(self.builds):
                if build.tag == tag and build.state == "working":
                    return {"id": number}
            self.builds.append(Build(tag))
            return {"id": len(self.builds) - 1}

        return self._call(act)

    def poll_build(self, handle: dict[str, Any]) -> BuildStatus:
        def act() -> BuildStatus:
            build = self.builds[handle["id"]]
            if build.forgotten:
                raise CloudError("no such build", scope="not-found")
            return BuildStatus(build.state, build.state, 1, 3, f"image@{build.tag}", "")  # pyright: ignore[reportArgumentType]

        return self._call(act)

    def build_log(self, handle: dict[str, Any], cursor: int) -> tuple[list[str], int]:
        return self._call(lambda: ([], cursor))

    def cancel_build(self, handle: dict[str, Any]) -> None:
        def act() -> None:
            build = self.builds[handle["id"]]
            build.state = "cancelled" if build.state == "working" else build.state

        self._call(act)

    def link(self, job: JobView) -> str:
        return ""

    def _put(self, run_id: str, name: str, content: Mapping[str, Any], generation: int = 1) -> None:
        self.objects[run_id, name] = Found(json.loads(json.dumps(content)), generation)
        self.dates[run_id, name] = self.now

    def _view(self, job: Job) -> JobView:
        return JobView(
            job.name, job.region, job.state, job.created_at, job.started_at, job.ended_at, *job.error, job.labels
        )
