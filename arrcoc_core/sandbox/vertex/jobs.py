"""Vertex AI's JobService for custom jobs: create, get, list, cancel, delete."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.faults import QuotaExceeded
from arrcoc_core.sandbox.filters import FieldPath, parse_filter
from arrcoc_core.sandbox.project import PROJECT_NUMBER
from arrcoc_core.sandbox.service import Call, Service, merge_mask, page, plain
from arrcoc_core.sandbox.vertex.checks import check_job, provisioning_of
from arrcoc_core.sandbox.vertex.life import ENDED, QUEUED, Life
from arrcoc_core.sandbox.vertex.preemption import Preemption
from arrcoc_core.sandbox.vertex.records import Record
from arrcoc_core.sandbox.vertex.shapes import quota_metrics

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

QUEUED_S = 1.0
"""Virtual seconds before a job is looked at."""
_DEFAULT_TIMEOUT_S = 7 * 24 * 3600
_DEFAULT_WAIT_S = 24 * 3600
_PARENT = re.compile(r"projects/([^/]+)/locations/([^/]+)")
_NAME = re.compile(r"projects/([^/]+)/locations/([^/]+)/customJobs/(\d+)")
_OUTPUT_ONLY = ("name", "state", "create_time", "start_time", "end_time", "update_time", "error", "web_access_uris")


class Jobs(Service):
    name = "aiplatform"
    api = "aiplatform.googleapis.com"
    needs_billing = True
    clients = ("google.cloud.aiplatform_v1.services.job_service:JobServiceClient",)

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self.life = Life(box)

    def start(self) -> None:
        self.box.service("storage").watch(Preemption(self.life, self.box.faults).written)
        self.life.start()

    def stop(self) -> None:
        self.life.stop()

    def kill(self) -> None:
        self.life.stop(kill=True)

    def create_custom_job(self, request: Any, call: Call) -> Any:
        region = _region(request.parent)
        job = request.custom_job
        check_job(self.box, job, region)
        provisioning = provisioning_of(job)
        usage = _usage(job, preemptible=provisioning != "on-demand")
        self._check_quota(usage, region)
        held = plain(job)
        for field in _OUTPUT_ONLY:
            held.ClearField(field)
        job_id = str(secrets.randbelow(9 * 10**18) + 10**18)
        job.name = f"projects/{PROJECT_NUMBER}/locations/{region}/customJobs/{job_id}"
        job.state = QUEUED
        held.create_time.FromDatetime(self.box.clock.date())
        held.update_time.CopyFrom(held.create_time)
        self.life.jobs.put(job.name, job)
        now, scheduling = self.box.clock.now(), held.job_spec.scheduling
        output = held.job_spec.base_output_directory.output_uri_prefix
        self.life.put(
            Record(
                name=job.name,
                id=job_id,
                region=region,
                provisioning=provisioning,
                usage=usage,
                due=now + self.box.clock.scaled(QUEUED_S),
                retries=not scheduling.disable_retries,
                labels=dict(job.labels),
                output=f"{output.rstrip('/')}/" if output else "",
                timeout_s=scheduling.timeout.ToTimedelta().total_seconds() or _DEFAULT_TIMEOUT_S,
                max_wait_s=scheduling.max_wait_duration.ToTimedelta().total_seconds() or _DEFAULT_WAIT_S,
                created=now,
            )
        )
        return job

    def get_custom_job(self, request: Any, call: Call) -> Any:
        return self._held(request.name)

    def list_custom_jobs(self, request: Any, call: Call) -> Any:
        from google.cloud.aiplatform_v1.types import ListCustomJobsResponse

        region = _region(request.parent)
        matches = parse_filter(request.filter)
        found = [
            job
            for job in self.life.jobs.values()
            if f"/locations/{region}/" in job.name and matches(lambda path, job=job: _field(job, path))
        ]
        found.sort(key=lambda job: plain(job).create_time.ToNanoseconds(), reverse=True)
        chosen, following = page(found, request.page_size, request.page_token)
        if plain(request).read_mask.paths:
            chosen = [_masked(job, request.read_mask) for job in chosen]
        return ListCustomJobsResponse(custom_jobs=chosen, next_page_token=following)

    def cancel_custom_job(self, request: Any, call: Call) -> None:
        job = self._held(request.name)
        if int(job.state) in ENDED:
            raise ApiError(
                "FAILED_PRECONDITION", f"CustomJob {job.name} is in state {job.state.name} and cannot be cancelled."
            )
        self.life.decide(job.name, "cancelled")

    def delete_custom_job(self, request: Any, call: Call) -> Any:
        from google.cloud.aiplatform_v1.types import DeleteOperationMetadata

        job = self._held(request.name)
        if int(job.state) not in ENDED:
            raise ApiError(
                "FAILED_PRECONDITION", f"CustomJob {job.name} is in state {job.state.name} and cannot be deleted."
            )
        self.life.jobs.delete(job.name)
        prefix = job.name.partition("/customJobs/")[0]
        return self.box.operations.start(call, prefix, metadata=DeleteOperationMetadata(), after_s=1.0)

    def _check_quota(self, usage: dict[str, int], region: str) -> None:
        """RESOURCE_EXHAUSTED where the jobs that have not ended leave too little for this one."""
        drawn: dict[str, int] = {}
        for record in self.life.live():
            if record.region == region:
                for metric, amount in record.usage.items():
                    drawn[metric] = drawn.get(metric, 0) + amount
        limits = {metric: int(self.box.service("cloudquotas").limit(metric, region)) for metric in usage}
        exceeded = [
            metric
            for metric, amount in usage.items()
            if drawn.get(metric, 0) + amount > limits[metric]
            or self.box.faults.take(QuotaExceeded, metric=metric, region=region)
        ]
        if exceeded:
            raise ApiError(
                "RESOURCE_EXHAUSTED",
                f"The following quota metrics exceed quota limits: {','.join(exceeded)}",
                reason="QUOTA_EXCEEDED",
                metadata={
                    "service": self.api,
                    "quota_metric": exceeded[0],
                    "quota_location": region,
                    "quota_limit_value": str(limits[exceeded[0]]),
                },
            )

    def _held(self, name: str) -> Any:
        match = _NAME.fullmatch(name)
        if match is None:
            raise ApiError("INVALID_ARGUMENT", f"Invalid resource name: {name}", violations=[("name", "invalid")])
        job = self.life.jobs.get(f"projects/{PROJECT_NUMBER}/locations/{match[2]}/customJobs/{match[3]}")
        if job is None:
            raise ApiError("NOT_FOUND", f"The CustomJob {name} does not exist.")
        return job


def _region(parent: str) -> str:
    match = _PARENT.fullmatch(parent)
    if match is None:
        raise ApiError("INVALID_ARGUMENT", f"Invalid parent: {parent}", violations=[("parent", "invalid")])
    return match[2]


def _usage(job: Any, *, preemptible: bool) -> dict[str, int]:
    found: dict[str, int] = {}
    for pool in job.job_spec.worker_pool_specs:
        machine = pool.machine_spec
        if pool.replica_count:
            accelerator = machine.accelerator_type.name if int(machine.accelerator_type) else ""
            each = quota_metrics(machine.machine_type, accelerator, machine.accelerator_count, preemptible=preemptible)
            for metric, amount in each.items():
                found[metric] = found.get(metric, 0) + amount * pool.replica_count
    return found


def _field(job: Any, path: FieldPath) -> Sequence[str]:
    held = plain(job)
    if path[:1] == ("labels",):
        key = ".".join(path[1:])
        return [held.labels[key]] if key in held.labels else []
    if path == ("state",):
        return [job.state.name]
    if path in (("display_name",), ("displayName",)):
        return [job.display_name]
    if path in (("create_time",), ("update_time",), ("start_time",), ("end_time",)):
        return [getattr(held, path[0]).ToJsonString()] if held.HasField(path[0]) else []
    raise ApiError("INVALID_ARGUMENT", f"Unsupported filter field: {'.'.join(path)}", violations=[("filter", "field")])


def _masked(job: Any, mask: Any) -> Any:
    shown = type(job)()
    merge_mask(shown, job, mask)
    return shown
