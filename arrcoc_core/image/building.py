"""Building with Cloud Build, in steps that can be repeated: whoever comes after a crash goes on from the handle.

    digest = find_image(cloud, names, tag)                   a hit: nothing to build
    handle = start_build(cloud, names, tag, code)            or the build of that tag that is already under way
    status = poll_build(cloud, handle)                       until status.ended
    lines, cursor = build_log(cloud, handle, cursor)

A build has two stages, and pushes both: the installed packages, named by the lock and found again by the next build,
and the image itself. An edit of `training/` then costs a minute, not a new installation of torch.

A handle is JSON. Times are seconds; the API is cloudbuild.googleapis.com v1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from arrcoc_core.cloud.calling import call, if_there, translated
from arrcoc_core.cloud.clients import Cloud
from arrcoc_core.cloud.names import Names
from arrcoc_core.errors import CloudError, RunError
from arrcoc_core.identity import code_hash
from arrcoc_core.image.context import lock_hash, write_context

BUILD_TIMEOUT_S = 45 * 60
QUEUE_TIMEOUT_S = 30 * 60
BUILDER = "gcr.io/cloud-builders/docker"
MACHINE = "E2_HIGHCPU_8"
DISK_GB = 100

BuildState = Literal["queued", "working", "succeeded", "failed", "timeout", "cancelled"]
_STATES: dict[str, BuildState] = {
    "STATUS_UNKNOWN": "queued",
    "PENDING": "queued",
    "QUEUED": "queued",
    "WORKING": "working",
    "SUCCESS": "succeeded",
    "FAILURE": "failed",
    "INTERNAL_ERROR": "failed",
    "TIMEOUT": "timeout",
    "CANCELLED": "cancelled",
    "EXPIRED": "timeout",
}
"""Every status of cloudbuild_v1.Build.Status."""

_STEP_WORDS = ("looking for installed packages", "installing packages", "adding the code")
Handle = dict[str, Any]


class BuildStatus(NamedTuple):
    state: BuildState
    detail: str
    """What it is doing, or why it failed."""
    step: int
    """1, 2, …; 0 before the first."""
    of_steps: int
    digest: str
    """The image by its digest once it has succeeded, else ""."""
    url: str
    """The build's page in the console."""

    @property
    def ended(self) -> bool:
        return self.state not in ("queued", "working")


def image_tag(code: Path) -> str:
    """The tag of the image that the job files under `code` make: their hash."""
    return code_hash(code)


def find_image(cloud: Cloud, names: Names, tag: str) -> str | None:
    """`REGION-docker.pkg.dev/…/trainer@sha256:…` of a tag; None when there is no such image, or no repository."""
    package = f"{names.repository}/packages/{names.image.rsplit('/', 1)[1]}"
    found: Any = if_there(cloud.registry().get_tag, name=f"{package}/tags/{tag}")
    return None if found is None else f"{names.image}@{str(found.version).rsplit('/', 1)[1]}"


def start_build(cloud: Cloud, names: Names, tag: str, code: Path) -> Handle:
    """Start building the image of the snapshot `code`, or give the handle of a build of that tag in progress.

    RunError when `code` is not what the tag says. The context is uploaded once for each tag.
    """
    if image_tag(code) != tag:
        raise RunError(f"the code in {code} is {image_tag(code)}, not {tag}", remedy="plan and launch again")
    running = _build_in_progress(cloud, names, tag)
    if running is not None:
        return running
    source = _upload_context(cloud, names, tag, code)
    request = build_request(names, tag, source, lock_hash(code))
    try:
        operation: Any = call(
            cloud.builds().create_build, project_id=names.project, build=request, again=False, patience_s=60
        )
    except CloudError as error:
        # The answer may be lost and the build under way; asking tells.
        if error.scope not in ("unavailable", "offline", "internal"):
            raise
        running = _build_in_progress(cloud, names, tag)
        if running is None:
            raise
        return running
    return _handle(names, tag, str(operation.metadata.build.id))


def poll_build(cloud: Cloud, handle: Handle) -> BuildStatus:
    """How far it is."""
    build: Any = call(cloud.builds().get_build, project_id=handle["project"], id=handle["id"])
    state = _STATES[build.status.name]
    steps: list[str] = [step.status.name for step in build.steps]
    done = sum(1 for status in steps if status == "SUCCESS")
    at = min(done + 1, len(steps)) if state == "working" else (len(steps) if state == "succeeded" else done)
    digest = ""
    if state == "succeeded":
        pushed = {str(image.name): str(image.digest) for image in build.results.images}
        digest = f"{handle['image']}@{pushed[_tagged(handle['image'], handle['tag'])]}"
    return BuildStatus(state, _detail(build, state, at, len(steps)), at, len(steps), digest, str(build.log_url))


def build_log(cloud: Cloud, handle: Handle, cursor: int) -> tuple[list[str], int]:
    """Whole lines of the build's log after byte `cursor` (0: from the start), and the byte after them."""
    from google.api_core.exceptions import NotFound, RequestRangeNotSatisfiable

    blob: Any = cloud.storage().bucket(handle["logs"]).blob(f"builds/log-{handle['id']}.txt")
    try:
        with translated("reading the build's log"):
            try:
                data: bytes = blob.download_as_bytes(start=cursor, timeout=20)
            except (NotFound, RequestRangeNotSatisfiable):  # not begun, or nothing new
                return [], cursor
    except CloudError as error:
        if error.scope in ("unavailable", "offline", "internal"):
            return [], cursor  # the log is for people to watch: what cannot be read now is read at the next look
        raise
    end = data.rfind(b"\n") + 1
    return data[:end].decode("utf-8", errors="replace").splitlines(), cursor + end


def cancel_build(cloud: Cloud, handle: Handle) -> None:
    """Stop it; one that has ended stays as it is, and one that is not to be found has."""
    try:
        if poll_build(cloud, handle).ended:
            return
        call(cloud.builds().cancel_build, project_id=handle["project"], id=handle["id"])
    except CloudError as error:
        if error.scope not in ("invalid", "conflict", "not-found"):  # it ended in between
            raise


def build_request(names: Names, tag: str, source: tuple[str, str, int], lock: str) -> dict[str, Any]:
    """The Build as JSON: `source` is bucket, object and generation of the context."""
    image, packages = _tagged(names.image, tag), _tagged(names.image, f"packages-{lock}")
    cached = ["--build-arg", "BUILDKIT_INLINE_CACHE=1", "--cache-from", packages]
    bucket, name, generation = source
    return {
        "source": {"storage_source": {"bucket": bucket, "object_": name, "generation": generation}},
        "steps": [
            {"id": "look", "name": BUILDER, "entrypoint": "bash", "args": ["-c", f"docker pull {packages} || true"]},
            {
                "id": "packages",
                "name": BUILDER,
                "env": ["DOCKER_BUILDKIT=1"],
                "args": ["build", "--target", "dependencies", *cached, "--tag", packages, "."],
            },
            {
                "id": "image",
                "name": BUILDER,
                "env": ["DOCKER_BUILDKIT=1"],
                "args": ["build", *cached, "--tag", image, "."],
            },
        ],
        "images": [packages, image],
        "timeout": {"seconds": BUILD_TIMEOUT_S},
        "queue_ttl": {"seconds": QUEUE_TIMEOUT_S},
        "service_account": f"projects/{names.project}/serviceAccounts/{names.build_account}",
        "logs_bucket": f"gs://{names.staging_bucket}/builds",
        "options": {"logging": "GCS_ONLY", "machine_type": MACHINE, "disk_size_gb": DISK_GB},
        "tags": [_owner_tag(names), tag],
    }


def _build_in_progress(cloud: Cloud, names: Names, tag: str) -> Handle | None:
    wanted = f'tags="{tag}" AND tags="{_owner_tag(names)}" AND (status="QUEUED" OR status="WORKING")'
    found: Any = call(cloud.builds().list_builds, project_id=names.project, filter=wanted)
    with translated("listing builds"):  # later pages are fetched while it is read
        ids = sorted(str(build.id) for build in found if not _ended(build))
    return _handle(names, tag, ids[0]) if ids else None


def _upload_context(cloud: Cloud, names: Names, tag: str, code: Path) -> tuple[str, str, int]:
    """Bucket, object and generation of the context; the same object for the same tag."""
    from google.api_core.exceptions import PreconditionFailed

    name = f"contexts/{tag}.tar.gz"
    blob: Any = cloud.storage().bucket(names.staging_bucket).blob(name)
    with translated("uploading the build's context"):
        try:
            blob.upload_from_string(
                write_context(code), content_type="application/gzip", if_generation_match=0, timeout=60
            )
        except PreconditionFailed:  # another launch, or the one before, has put the same bytes there
            blob.reload(timeout=20)
    return names.staging_bucket, name, int(blob.generation)


def _handle(names: Names, tag: str, build_id: str) -> Handle:
    return {
        "id": build_id,
        "project": names.project,
        "tag": tag,
        "image": names.image,
        "logs": names.staging_bucket,
    }


def _tagged(image: str, tag: str) -> str:
    return f"{image}:{tag}"


def _owner_tag(names: Names) -> str:
    return f"arrcoc-{names.owner}"


def _ended(build: Any) -> bool:
    return _STATES[cast("str", build.status.name)] not in ("queued", "working")


def _detail(build: Any, state: BuildState, at: int, of: int) -> str:
    if state == "queued":
        return "waiting for a builder"
    if state == "working":
        return _STEP_WORDS[at - 1] if 0 < at <= len(_STEP_WORDS) and of == len(_STEP_WORDS) else f"step {at} of {of}"
    if state == "succeeded":
        return "built"
    said = str(build.status_detail or build.failure_info.detail or "")
    return said or {"timeout": "it took too long", "cancelled": "it was cancelled"}.get(state, "it failed")
