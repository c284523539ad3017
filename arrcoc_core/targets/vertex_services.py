"""What the Vertex target needs of Google Cloud, as one small protocol, and the real thing behind it.

`Services` is the border between our protocol (who submits, what follows) and the outside: `GoogleServices` speaks to
JobService, Storage, Cloud Build and Logging through their client libraries. The tests put a model of Vertex behind
the same border, to take the whole target and its driver through faults by the ten thousand.

Objects are named within the run's folder in its bucket ("attempts/1/fence.json"). Times are Unix seconds. Every method
raises CloudError.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from arrcoc_core.cloud.calling import call, translated
from arrcoc_core.cloud.clients import Cloud
from arrcoc_core.cloud.endpoints import load_endpoints
from arrcoc_core.cloud.names import ATTEMPT_LABEL, OWNER_LABEL, RUN_LABEL, Names
from arrcoc_core.cloud.objects import Objects
from arrcoc_core.errors import CloudError
from arrcoc_core.image import BuildStatus, build_log, cancel_build, find_image, poll_build, start_build
from arrcoc_core.targets import UnseenError
from arrcoc_core.targets.vertex_logs import STREAMED_LOG, LogLine, read_entries

PATIENCE_S = 8.0
"""For each call: a supervisor has other runs to look at, and comes back."""


@dataclass(frozen=True, slots=True)
class JobView:
    """A CustomJob as far as we care."""

    name: str
    """Full resource name; its last part is the id."""
    region: str
    state: str
    """JobState's name."""
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None
    error_code: int = 0
    error_text: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def id(self) -> str:
        return self.name.rsplit("/", 1)[-1]


class Found(NamedTuple):
    """An object and the generation it was read at."""

    content: dict[str, Any]
    generation: int


class Services(Protocol):
    def create_job(self, region: str, request: Mapping[str, Any]) -> JobView:
        """Once, without retries: whether it happened although its answer was lost is for the caller to find out."""
        ...

    def list_jobs(self, region: str, labels: Mapping[str, str]) -> list[JobView]: ...

    def get_job(self, name: str) -> JobView: ...

    def cancel_job(self, name: str) -> None:
        """Nothing happens to one that has ended."""
        ...

    def read(self, run_id: str, name: str) -> Found | None:
        """A JSON object; None when there is none of that name."""
        ...

    def put_new(self, run_id: str, name: str, content: Mapping[str, Any]) -> bool:
        """Create a JSON object; False when another has created one of that name."""
        ...

    def replace(self, run_id: str, name: str, content: Mapping[str, Any], generation: int) -> bool:
        """Replace the object unless it is no longer at that generation."""
        ...

    def age_s(self, run_id: str, name: str, asker: str) -> float:
        """How long ago an object was written, by the bucket's own clock; `asker` names who wants to know."""
        ...

    def upload_new(self, run_id: str, name: str, file: Path) -> None:
        """Upload a file unless there is an object of that name."""
        ...

    def committed_step(self, run_id: str) -> int:
        """Step of the newest committed checkpoint; -1: none."""
        ...

    def pull(self, run_id: str, directory: Path, *, thorough: bool = False) -> bool:
        """Bring the run's folder up to date with what its job has left; whether anything new came."""
        ...

    def log(self, job: str, since: float) -> list[LogLine]:
        """What a job has logged since then, oldest first."""
        ...

    def find_image(self, tag: str) -> str | None: ...

    def start_build(self, tag: str, code: Path) -> dict[str, Any]: ...

    def poll_build(self, handle: dict[str, Any]) -> BuildStatus: ...

    def build_log(self, handle: dict[str, Any], cursor: int) -> tuple[list[str], int]: ...

    def cancel_build(self, handle: dict[str, Any]) -> None: ...

    def link(self, job: JobView) -> str:
        """Its page in the console."""
        ...


class GoogleServices:
    """The real ones, for one project and one set of endpoints. `cloud` is a plan's "cloud" section, or a handle."""

    def __init__(self, cloud: Mapping[str, Any]) -> None:
        self.cloud = Cloud(load_endpoints(str(cloud["endpoints"])), str(cloud["project"]), str(cloud["region"]))
        self.names = Names(str(cloud["project"]), str(cloud["region"]), str(cloud["labels"][OWNER_LABEL]))
        self._bucket = str(cloud["runs_bucket"])

    # Jobs

    def create_job(self, region: str, request: Mapping[str, Any]) -> JobView:
        from google.cloud import aiplatform_v1

        library: Any = aiplatform_v1
        job: Any = library.CustomJob.from_json(json.dumps(request))
        made: Any = call(
            self.cloud.jobs(region).create_custom_job, parent=self._parent(region), custom_job=job, again=False
        )
        return _view(made, region)

    def list_jobs(self, region: str, labels: Mapping[str, str]) -> list[JobView]:
        wanted = " AND ".join(f"labels.{name}={value}" for name, value in labels.items())
        request = {"parent": self._parent(region), "filter": wanted}
        found: Any = call(self.cloud.jobs(region).list_custom_jobs, request=request, patience_s=PATIENCE_S)
        with translated("listing jobs"):  # later pages are fetched while it is read
            views = [_view(one, region) for one in found]
        # The service's filter is not relied on for what decides whether a second job is started.
        return [view for view in views if labels.items() <= view.labels.items()]

    def get_job(self, name: str) -> JobView:
        region = name.split("/")[3]
        return _view(call(self.cloud.jobs(region).get_custom_job, name=name, patience_s=PATIENCE_S), region)

    def cancel_job(self, name: str) -> None:
        region = name.split("/")[3]
        try:
            call(self.cloud.jobs(region).cancel_custom_job, name=name, patience_s=PATIENCE_S)
        except CloudError as error:
            if error.scope not in ("invalid", "conflict", "not-found"):  # it has ended meanwhile
                raise

    def link(self, job: JobView) -> str:
        return self.cloud.console(f"vertex-ai/locations/{job.region}/training/{job.id}/cpu")

    def _parent(self, region: str) -> str:
        return f"projects/{self.names.project}/locations/{region}"

    # Objects

    def read(self, run_id: str, name: str) -> Found | None:
        from google.api_core.exceptions import NotFound

        blob = self._blob(run_id, name)
        with translated(f"reading {name}"):
            try:
                data: bytes = blob.download_as_bytes(timeout=20)
            except NotFound:
                return None
        return Found(json.loads(data), int(blob.generation or 0))

    def put_new(self, run_id: str, name: str, content: Mapping[str, Any]) -> bool:
        return self._objects(run_id).put_if_absent(name, json.dumps(content).encode())

    def replace(self, run_id: str, name: str, content: Mapping[str, Any], generation: int) -> bool:
        from google.api_core.exceptions import PreconditionFailed

        with translated(f"writing {name}"):
            try:
                self._blob(run_id, name).upload_from_string(
                    json.dumps(content), content_type="application/json", if_generation_match=generation, timeout=20
                )
            except PreconditionFailed:
                return False
        return True

    def age_s(self, run_id: str, name: str, asker: str) -> float:
        blob, mark = self._blob(run_id, name), self._blob(run_id, f"clock/{asker}")
        with translated(f"asking how old {name} is"):
            blob.reload(timeout=20)
            mark.upload_from_string(b"", timeout=20)  # the answer says when that was
        return (mark.updated - blob.updated).total_seconds()

    def upload_new(self, run_id: str, name: str, file: Path) -> None:
        self._objects(run_id).put_if_absent(name, file.read_bytes())

    def committed_step(self, run_id: str) -> int:
        names = [stored.name for stored in self._objects(run_id).listing("checkpoints/")]
        steps = [name.split("/")[1].removeprefix("step-") for name in names if name.endswith("/COMMITTED")]
        return max((int(step) for step in steps if step.isdigit()), default=-1)

    def pull(self, run_id: str, directory: Path, *, thorough: bool = False) -> bool:
        from arrcoc_core.targets.vertex_mirror import pull

        try:
            uri = self.names.run_uri(run_id)
            pulled = pull(self.cloud.storage(), uri, directory, thorough=thorough, logs_as=STREAMED_LOG)
        except CloudError as error:
            if error.scope == "not-found":  # the bucket is gone: there is nothing to bring
                return False
            raise
        if pulled.busy and thorough:
            raise UnseenError("another process is bringing the run's folder up to date")
        return bool(pulled)

    def _objects(self, run_id: str) -> Objects:
        return Objects(self.cloud.storage(), self.names.run_uri(run_id), patience_s=PATIENCE_S)

    def _blob(self, run_id: str, name: str) -> Any:
        return self.cloud.storage().bucket(self._bucket).blob(f"runs/{run_id}/{name}")

    # Logs

    def log(self, job: str, since: float) -> list[LogLine]:
        return read_entries(self.cloud, job, since)

    # The image

    def find_image(self, tag: str) -> str | None:
        return find_image(self.cloud, self.names, tag)

    def start_build(self, tag: str, code: Path) -> dict[str, Any]:
        return start_build(self.cloud, self.names, tag, code)

    def poll_build(self, handle: dict[str, Any]) -> BuildStatus:
        return poll_build(self.cloud, handle)

    def build_log(self, handle: dict[str, Any], cursor: int) -> tuple[list[str], int]:
        return build_log(self.cloud, handle, cursor)

    def cancel_build(self, handle: dict[str, Any]) -> None:
        cancel_build(self.cloud, handle)


def labels_of(run_id: str, n: int | None = None) -> dict[str, str]:
    """What the jobs of a run, or of one attempt of it, are found by."""
    return {RUN_LABEL: run_id} if n is None else {RUN_LABEL: run_id, ATTEMPT_LABEL: str(n)}


def _view(job: Any, region: str) -> JobView:
    return JobView(
        name=str(job.name),
        region=region,
        state=str(getattr(job.state, "name", job.state)),  # a state that is newer than the library is a number
        created_at=_seconds(job.create_time) or 0.0,
        started_at=_seconds(job.start_time),
        ended_at=_seconds(job.end_time),
        error_code=int(job.error.code),
        error_text=str(job.error.message),
        labels=dict(job.labels),
    )


def _seconds(moment: Any) -> float | None:
    return moment.timestamp() if moment else None
