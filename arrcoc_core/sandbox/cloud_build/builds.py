"""Cloud Build v1: create, get, list, cancel; a build is a long-running operation."""

from __future__ import annotations

import base64
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.cloud_build.checks import check_build
from arrcoc_core.sandbox.cloud_build.work import CANCELLED, ENDED, INTERNAL_ERROR, QUEUED, Work
from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.filters import FieldPath, parse_filter
from arrcoc_core.sandbox.project import PROJECT, PROJECT_NUMBER
from arrcoc_core.sandbox.service import Call, Service, page, plain

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

_OUTPUT_ONLY = (
    *("status", "status_detail", "results", "create_time", "start_time", "finish_time", "log_url", "timing"),
    *("failure_info", "build_trigger_id", "warnings", "name", "id", "project_id"),
)
_DEFAULT_TIMEOUT_S = 600


class CloudBuild(Service):
    name = "cloudbuild"
    api = "cloudbuild.googleapis.com"
    needs_billing = True
    clients = ("google.cloud.devtools.cloudbuild_v1:CloudBuildClient",)

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self._builds = box.state.messages("builds", _build_class)
        self._live = box.state.table("live builds")
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Builds that were under way when the sandbox ended are done again, from their beginning."""
        for build_id, held in self._live.items():
            self._spawn(build_id, str(held["account"]))

    def stop(self) -> None:
        """Wait for the threads, which end at their next pause: they still need the storage and the state."""
        for thread in self._threads:
            thread.join(timeout=10)

    kill = stop

    def create_build(self, request: Any, call: Call) -> Any:
        build = request.build
        account = check_build(self.box, build)
        held = plain(build)
        for field in _OUTPUT_ONLY:
            held.ClearField(field)
        for step in held.steps:
            for field in ("status", "timing", "pull_timing", "exit_code"):
                step.ClearField(field)
        build.id = str(uuid.uuid4())
        build.project_id = PROJECT
        build.name = f"projects/{PROJECT_NUMBER}/locations/global/builds/{build.id}"
        build.status = QUEUED
        build.log_url = f"{self.box.url}/console/cloud-build/builds/{build.id}?project={PROJECT_NUMBER}"
        if not held.timeout.seconds:
            held.timeout.seconds = _DEFAULT_TIMEOUT_S
        held.create_time.FromDatetime(self.box.clock.date())
        self._builds.put(build.id, build)
        self._live.put(build.id, {"account": account})
        self._spawn(build.id, account)
        return self._operation(build)

    def get_build(self, request: Any, call: Call) -> Any:
        return self._held(request.id or request.name.rpartition("/")[2])

    def list_builds(self, request: Any, call: Call) -> Any:
        from google.cloud.devtools.cloudbuild_v1 import ListBuildsResponse

        matches = parse_filter(request.filter)
        found = [build for build in self._builds.values() if matches(lambda path, build=build: _field(build, path))]
        found.sort(key=lambda build: plain(build).create_time.ToNanoseconds(), reverse=True)
        chosen, following = page(found, request.page_size, request.page_token)
        return ListBuildsResponse(builds=chosen, next_page_token=following)

    def cancel_build(self, request: Any, call: Call) -> Any:
        build = self._held(request.id or request.name.rpartition("/")[2])
        if int(build.status) in ENDED:
            raise ApiError("FAILED_PRECONDITION", f"Build is not in progress: {build.status.name}")
        build.status = CANCELLED
        plain(build).finish_time.FromDatetime(self.box.clock.date())
        self._builds.put(build.id, build)
        self._live.delete(build.id)
        return build

    def get_operation(self, request: Any, call: Call) -> Any:
        try:
            build_id = base64.b64decode(request.name.rpartition("/")[2]).decode()
        except ValueError:
            raise ApiError("NOT_FOUND", f"Operation not found: {request.name}") from None
        return self._operation(self._held(build_id))

    def _operation(self, build: Any) -> Any:
        from google.cloud.devtools.cloudbuild_v1 import BuildOperationMetadata
        from google.longrunning import operations_pb2  # pyright: ignore[reportMissingTypeStubs]

        module: Any = operations_pb2
        operation = module.Operation(
            name=f"operations/build/{PROJECT}/{base64.b64encode(build.id.encode()).decode()}",
            done=int(build.status) in ENDED,
        )
        operation.metadata.Pack(plain(BuildOperationMetadata(build=build)))
        if operation.done:
            if build.status.name == "SUCCESS":
                operation.response.Pack(plain(build))
            else:
                operation.error.code = {"CANCELLED": 1, "TIMEOUT": 4}.get(build.status.name, 2)
                operation.error.message = f"Build failed; check build logs for details: {build.status_detail}"
        return operation

    def _held(self, build_id: str) -> Any:
        build = self._builds.get(build_id)
        if build is None:
            raise ApiError("NOT_FOUND", f"Requested entity was not found: build {build_id}")
        return build

    def _spawn(self, build_id: str, account: str) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads.append(self.box.spawn(lambda: self._work(build_id, account), f"build {build_id}"))

    def _work(self, build_id: str, account: str) -> None:
        with self.box.state.transaction():  # it may still be on its way into the state
            build = self._builds.get(build_id)
        if build is None:
            return
        try:
            Work(self.box, build, account, lambda change: self._change(build_id, change)).run()
        except Exception:  # noqa: BLE001 - a build's trouble is its own; it stands in the log
            import traceback

            self.box.log(f"build {build_id}: {traceback.format_exc()}")
            self._change(build_id, _break)

    def _change(self, build_id: str, change: Callable[[Any], None]) -> Any:
        with self.box.state.transaction():
            build = self._builds.get(build_id)
            if build is None or self._live.get(build_id) is None:
                return None
            change(build)
            self._builds.put(build_id, build)
            if int(build.status) in ENDED:
                self._live.delete(build_id)
        return build


def _break(build: Any) -> None:
    build.status = INTERNAL_ERROR


def _field(build: Any, path: FieldPath) -> Sequence[str]:
    held = plain(build)
    if path == ("tags",):
        return list(build.tags)
    if path == ("status",):
        return [build.status.name]
    if path in (("id",), ("build_id",)):
        return [build.id]
    if len(path) == 1 and path[0] in ("create_time", "start_time", "finish_time"):
        return [getattr(held, path[0]).ToJsonString()] if held.HasField(path[0]) else []
    if path[0] == "substitutions" and len(path) == 2:
        return [held.substitutions[path[1]]] if path[1] in held.substitutions else []
    raise ApiError("INVALID_ARGUMENT", f"Unsupported filter field: {'.'.join(path)}", violations=[("filter", "field")])


def _build_class() -> Any:
    from google.cloud.devtools.cloudbuild_v1 import Build

    return Build
