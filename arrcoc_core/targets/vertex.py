"""Vertex AI: each attempt is one CustomJob, and never are there two that train.

Several machines may drive one run, any of them may die at any line, and any answer may be lost. What holds in spite of
that is held by conditional writes in the run's folder, not by anybody's memory:

    attempts/<n>/fence.json    who submits attempt n. Created once; its owner alone creates the job, everybody else
                               looks for that job by its labels. One without a job for `STALE_S` is taken over: by the
                               clock of the bucket, as the clocks of two machines may stand minutes apart.
    attempts/<n>/claim.json    which job trains attempt n. Each job creates it, or exits with code 76. A driver that
                               finds no job creates it itself ("closed"): a job that turns up later finds it taken.
    attempts/<n>/stopped.json  why a driver stopped this attempt although the run goes on.
    attempts/<n>/ended.json    what there was when attempt n ended, by whoever saw that first: a machine that comes
                               later, when there is more, still concludes the same.
    stop.json                  the run is over: no driver submits anything any more.

Submitting: fence; look for a job with the attempt's labels; create, once; where the answer is lost, look again. An
attempt counts as absent only when its claim is closed. Observing asks the API for the state, which is trusted, and
mirrors what the job has left into the run's folder: at the end all of it, before the end is reported.

A handle holds all that observing needs, so that a run goes on with the endpoints it was launched with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from arrcoc_core.errors import CloudError, ConfigError
from arrcoc_core.lifecycle import TROUBLE
from arrcoc_core.observing import Observation, Preparation
from arrcoc_core.targets import AttemptKey, Handle, JobRequest, UnseenError, Verdict
from arrcoc_core.targets.local import log_path, read_lines
from arrcoc_core.targets.vertex_logs import AttemptLog
from arrcoc_core.targets.vertex_owner import owner
from arrcoc_core.targets.vertex_prepare import check_stopped, prepare
from arrcoc_core.targets.vertex_services import GoogleServices, JobView, Services, labels_of
from arrcoc_core.targets.vertex_states import ENDED, JOB_STATES, end_of

STALE_S = 600.0
"""How long another machine has to bring a job about after it took the fence."""
SETTLE_S = 5.0
"""How long after an answer was lost a job may still turn up, before the attempt is closed."""
CLOSED = "closed"
_FROM_HANDLE = ("project", "region", "endpoints", "runs_bucket", "labels")


class VertexTarget:
    """Knows no run by itself: everything is in handles, plans and the run's folder in its bucket."""

    def __init__(
        self,
        services_of: Callable[[Mapping[str, Any]], Services] = GoogleServices,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._services_of = services_of
        self._clock = clock
        self._made: dict[tuple[str, ...], tuple[float, Services]] = {}
        self._logs: dict[tuple[str, int], AttemptLog] = {}

    # Before the first attempt

    def prepare(self, request: JobRequest, run_id: str, held: Mapping[str, Any]) -> Preparation:
        return prepare(self.services(request.plan["cloud"]), request, run_id, held)

    # Submitting

    def submit(self, request: JobRequest, key: AttemptKey) -> Handle:
        cloud = request.plan["cloud"]
        services, rung = self.services(cloud), cloud["rungs"][request.rung]
        check_stopped(services, key.run_id)
        regions = self._take_fence(services, request.directory, key, rung["region"])
        job = self._search(services, key, regions)
        if job is None:
            if services.read(key.run_id, _claim(key.n)) is not None:
                raise CloudError(f"attempt {key.n} was closed by another machine", scope="conflict")
            if services.read(key.run_id, _fence(key.n + 1)) is not None:
                raise CloudError(f"another machine is at attempt {key.n + 1} already", scope="conflict")
            job = self._create(services, request, key, rung)
        return self._taken(services, request, key, job)

    def find(self, request: JobRequest, key: AttemptKey) -> Handle | None:
        services = self.services(request.plan["cloud"])
        fence = services.read(key.run_id, _fence(key.n))
        here = str(request.plan["cloud"]["rungs"][request.rung]["region"])
        regions = [here] if fence is None else list(dict.fromkeys([*fence.content["regions"], here]))
        job = self._search(services, key, regions)
        if job is not None:
            return self._taken(services, request, key, job)
        check_stopped(services, key.run_id)  # a job that turns up all the same is cancelled by whoever made it
        if fence is not None:
            mine = fence.content["owner"] == owner(request.directory)
            age = self._clock() - float(fence.content["at"]) if mine else _age_s(services, request.directory, key)
            if 0 <= age < (SETTLE_S if mine else STALE_S) / float(request.plan["created"]["pace"]):
                who = "it" if mine else f"{fence.content['owner']}, which drives this run, too,"
                raise UnseenError(f"waiting for the job that {who} may have started")
        if not self._close(services, request.directory, key):
            job = self._search(services, key, regions)
            if job is None:
                raise UnseenError(f"attempt {key.n} is claimed by a job that is not listed yet")
            return self._taken(services, request, key, job)
        return None

    def _take_fence(self, services: Services, directory: Path, key: AttemptKey, region: str) -> list[str]:
        """Become the one who submits this attempt; the regions its job may be in. UnseenError while another does."""
        mine = owner(directory)
        content = {"owner": mine, "at": self._clock(), "regions": [region]}
        if services.put_new(key.run_id, _fence(key.n), content):
            return [region]
        found = services.read(key.run_id, _fence(key.n))
        if found is None:
            raise UnseenError(f"the fence of attempt {key.n} is being written")
        regions = list(dict.fromkeys([*found.content["regions"], region]))
        if found.content["owner"] == mine:
            return regions
        if self._search(services, key, regions) is not None:
            return regions  # followed, not submitted
        if _age_s(services, directory, key) < STALE_S:
            raise UnseenError(f"{found.content['owner']} is starting attempt {key.n}")
        if not services.replace(key.run_id, _fence(key.n), {**content, "regions": regions}, found.generation):
            raise UnseenError(f"another machine is starting attempt {key.n}")
        return regions

    def _create(self, services: Services, request: JobRequest, key: AttemptKey, rung: Mapping[str, Any]) -> JobView:
        from arrcoc_core.vertex_planning import CloudPlan, Rung
        from arrcoc_core.vertex_request import job_request

        plan = CloudPlan.from_json(request.plan["cloud"])
        body = job_request(
            plan,
            Rung.from_json(rung),
            key,
            image=request.image,
            run_uri=plan.run_uri(key.run_id),
            spent_usd=request.spent_usd,
            pace=float(request.plan["created"]["pace"]),
        )
        region = str(rung["region"])
        try:
            return services.create_job(region, body)
        except CloudError as error:
            if error.scope not in TROUBLE:
                raise
            found = self._search(services, key, [region])
            if found is None:
                raise
            return found

    def _search(self, services: Services, key: AttemptKey, regions: list[str]) -> JobView | None:
        """The job of an attempt. Should there be several, the one that trains; the others end by themselves."""
        jobs = [job for region in regions for job in services.list_jobs(region, labels_of(*key))]
        if len(jobs) > 1:
            claim = services.read(key.run_id, _claim(key.n))
            holder = claim.content.get("job") if claim is not None else None
            alive = [job for job in jobs if JOB_STATES.get(job.state, "unknown") not in ENDED]
            jobs = [job for job in jobs if job.id == holder] or alive or jobs
        return min(jobs, key=lambda job: (job.created_at, job.name), default=None)

    def _close(self, services: Services, directory: Path, key: AttemptKey) -> bool:
        """Make sure that no job ever trains this attempt; False when one does, or did."""
        content = {"job": CLOSED, "by": owner(directory), "at": self._clock()}
        if services.put_new(key.run_id, _claim(key.n), content):
            return True
        claim = services.read(key.run_id, _claim(key.n))
        return claim is not None and claim.content.get("job") == CLOSED

    def _taken(self, services: Services, request: JobRequest, key: AttemptKey, job: JobView) -> Handle:
        """The job's handle. Where the run was stopped meanwhile, whoever did may have looked before the job was there:
        either they have seen it, or their word is seen here."""
        if JOB_STATES.get(job.state) not in (*ENDED, "stopping") and services.read(key.run_id, "stop.json") is not None:
            services.cancel_job(job.name)
        return self._handle(services, request, key, job)

    def _handle(self, services: Services, request: JobRequest, key: AttemptKey, job: JobView) -> Handle:
        cloud = request.plan["cloud"]
        rungs: list[Mapping[str, Any]] = cloud["rungs"]
        planned = rungs[request.rung]
        # Found where another machine had submitted it: what it costs is what that place costs.
        rung = (
            planned
            if planned["region"] == job.region
            else next(
                (
                    one
                    for one in rungs
                    if one["region"] == job.region and one["provisioning"] == planned["provisioning"]
                ),
                planned,
            )
        )
        return {
            "kind": "vertex",
            "job": job.name,
            "run": key.run_id,
            "n": key.n,
            "directory": str(request.directory),
            "region": job.region,
            "machine_type": rung["machine_type"],
            "provisioning": rung["provisioning"],
            "usd_per_h": rung["usd_per_h"],
            "link": services.link(job),
            "cloud": {name: cloud[name] for name in _FROM_HANDLE},
        }

    # Observing

    def observe(self, handle: Handle) -> Observation:
        try:
            return self._observe(handle)
        except OSError as error:  # this machine's trouble: the job goes on
            raise UnseenError(
                f"what the job leaves cannot be kept here: {error}",
                remedy=f"Make room for, and in, {handle['directory']}; the job goes on meanwhile.",
            ) from error

    def _observe(self, handle: Handle) -> Observation:
        if _thrown_away(handle["cloud"]):
            return Observation("ended", scope="stopped", verdict="failed", reason="its sandbox was thrown away")
        services = self.services(handle["cloud"])
        try:
            job = services.get_job(handle["job"])
        except CloudError as error:
            if error.scope != "not-found":
                raise
            if self._search(services, AttemptKey(handle["run"], handle["n"]), [handle["region"]]) is not None:
                raise UnseenError("its job is listed, and not to be found") from error
            return Observation("ended", scope="stopped", verdict="failed", reason="its job was deleted")
        phase = JOB_STATES.get(job.state, "unknown")
        if phase == "unknown":
            raise UnseenError(f"the service reports the job's state as {job.state}")
        if phase in ENDED:
            return self._ended(services, handle, job)
        return Observation(
            "alive",
            busy=phase == "running",
            running_at=job.started_at,
            news=self._follow(services, handle, job),
        )

    def _follow(self, services: Services, handle: Handle, job: JobView) -> bool:
        """Bring metrics and logs up to date while it runs: what cannot be had now comes with the next look."""
        directory, news = Path(handle["directory"]), False
        for bring in (
            lambda: services.pull(handle["run"], directory),
            lambda: self._log(handle).update(services, job),
        ):
            try:
                news = bring() or news
            except CloudError:
                continue
        return news

    def _ended(self, services: Services, handle: Handle, job: JobView) -> Observation:
        run_id, n, directory = str(handle["run"]), int(handle["n"]), Path(handle["directory"])
        services.pull(run_id, directory, thorough=True)  # before anything is concluded: nothing of it is lost
        with suppress(CloudError):  # the log is for people: the end is reported without it
            self._log(handle).update(services, job, ended=True)
        claim = services.read(run_id, _claim(n))
        holder = None if claim is None else claim.content.get("job")
        if holder not in (None, CLOSED, job.id):
            other = self._search(services, AttemptKey(run_id, n), self._regions(services, AttemptKey(run_id, n), job))
            if other is not None and other.id == holder and other.name != job.name:
                return self._observe({**handle, "job": other.name, "region": other.region})
        told = services.read(run_id, f"attempts/{n}/exit.json")
        committed_step, done = self._left(services, run_id, n, directory)
        seen = end_of(
            job,
            None if told is None else told.content,
            # Of several machines the first may train before the others are there, and before the job is said to run.
            had_machine=holder not in (None, CLOSED) and job.started_at is not None,
            committed_step=committed_step,
            done=done,
        )
        if seen.scope not in ("stopped", "preempted"):
            return seen
        stopped = services.read(run_id, f"attempts/{n}/stopped.json")
        if stopped is not None:
            if stopped.content.get("stop") == "wait":
                return replace(seen, scope="waited", reason=f"no machine in {job.region} in the time allowed")
            return replace(seen, scope="timeout", reason="it took longer than max_hours")
        if seen.scope == "preempted":  # a trainer that is cancelled says the same as one whose machine goes away
            return seen
        stop = services.read(run_id, "stop.json")
        if stop is not None:
            return replace(seen, verdict=str(stop.content["verdict"]), reason=str(stop.content["cause"]))
        return replace(seen, verdict="cancelled", reason="its job was cancelled from outside (the console, gcloud)")

    def _left(self, services: Services, run_id: str, n: int, directory: Path) -> tuple[int, bool]:
        """The newest committed step, and whether the result was complete, when attempt n ended."""
        name, done = f"attempts/{n}/ended.json", (directory / "result" / "DONE").exists()
        try:
            found = services.read(run_id, name)
            if found is None:
                step = services.committed_step(run_id)
                content = {"committed_step": step, "done": done, "by": owner(directory)}
                if services.put_new(run_id, name, content):
                    return step, done
                found = services.read(run_id, name)
        except CloudError as error:
            if error.scope != "not-found":
                raise
            return -1, done  # the bucket is gone, and with it whatever could be gone on from
        if found is None:
            raise UnseenError(f"the end of attempt {n} is being written down")
        return int(found.content["committed_step"]), bool(found.content["done"])

    def _regions(self, services: Services, key: AttemptKey, job: JobView) -> list[str]:
        fence = services.read(key.run_id, _fence(key.n))
        return list(dict.fromkeys([*(fence.content["regions"] if fence is not None else ()), job.region]))

    def logs(self, handle: Handle, cursor: int) -> tuple[list[str], int]:
        return read_lines(log_path(Path(handle["directory"]), int(handle["n"])), cursor)

    # Stopping

    def cancel(self, handle: Handle, *, force: bool = False, stop: str = "", verdict: Verdict | None = None) -> None:
        services = self.services(handle["cloud"])
        # First, so that another machine that sees the job end knows whether the run goes on, and why it ended.
        if verdict is not None:
            _say_stopped(services, handle["run"], verdict)
        elif stop:
            content = {"stop": stop, "at": self._clock(), "by": owner(Path(handle["directory"]))}
            services.put_new(handle["run"], f"attempts/{handle['n']}/stopped.json", content)
        services.cancel_job(handle["job"])
        for job in services.list_jobs(handle["region"], labels_of(handle["run"], int(handle["n"]))):
            if job.name != handle["job"] and JOB_STATES.get(job.state, "unknown") not in (*ENDED, "stopping"):
                services.cancel_job(job.name)  # submitted by a machine that had lost its fence, see `_ended`

    def clear(self, request: JobRequest, run_id: str, held: Mapping[str, Any], verdict: Verdict) -> Observation:
        cloud = request.plan["cloud"]
        if _thrown_away(cloud):
            return Observation("absent")
        services = self.services(cloud)
        _say_stopped(services, run_id, verdict)
        build = held.get("build")
        if build and held.get("state") != "ready":
            services.cancel_build(dict(build))
        left = [
            job
            for region in dict.fromkeys(str(rung["region"]) for rung in cloud["rungs"])
            for job in services.list_jobs(region, labels_of(run_id))
            if JOB_STATES.get(job.state, "unknown") not in ENDED
        ]
        for job in left:
            if JOB_STATES.get(job.state) != "stopping":
                services.cancel_job(job.name)
        return Observation("alive" if left else "absent")

    # What it talks to

    def services(self, cloud: Mapping[str, Any]) -> Services:
        """Those of a plan or a handle; made anew when a sandbox has come up on other ports."""
        key = tuple(str(cloud[name]) for name in ("endpoints", "project", "region", "runs_bucket"))
        changed = _modified(Path(cloud["endpoints"]) / "endpoints.json") if cloud["endpoints"] else 0.0
        if key not in self._made or self._made[key][0] != changed:
            try:
                self._made[key] = changed, self._services_of(cloud)
            except ConfigError as error:  # a sandbox that is down, for one: it may come up again
                raise UnseenError(error.message, remedy=error.remedy) from error
        return self._made[key][1]

    def _log(self, handle: Handle) -> AttemptLog:
        key = str(handle["run"]), int(handle["n"])
        if key not in self._logs:
            self._logs[key] = AttemptLog(Path(handle["directory"]), key[1])
        return self._logs[key]


def _age_s(services: Services, directory: Path, key: AttemptKey) -> float:
    """How long ago the fence of an attempt was written, by the bucket's clock."""
    return services.age_s(key.run_id, _fence(key.n), owner(directory))


def _say_stopped(services: Services, run_id: str, verdict: Verdict) -> None:
    try:
        services.put_new(run_id, "stop.json", {"verdict": verdict.state, "cause": verdict.cause})
    except CloudError as error:
        if error.scope != "not-found":  # there is no bucket, so nothing was ever submitted
            raise


def _fence(n: int) -> str:
    return f"attempts/{n}/fence.json"


def _claim(n: int) -> str:
    return f"attempts/{n}/claim.json"


def _thrown_away(cloud: Mapping[str, Any]) -> bool:
    """Whether it ran in a sandbox of which nothing is left."""
    return bool(cloud["endpoints"]) and not Path(cloud["endpoints"]).exists()


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
