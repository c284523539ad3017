"""What a run needs before its first job: its image, and its files in the bucket. Polled, and resumable at any point.

    1  image.json in the run's folder       another machine has prepared it, or this one before it was killed
    2  an image of the code's tag            built before: nothing to build
    3  a build of that tag                   started (or the one under way found) and polled, its log kept as it grows
    4  experiment.json, plan.json uploaded, then image.json: all attempts run the image it names

A machine that stops the run says so in stop.json before it cancels the build. So a build that has ended without an
image is held against the run only when there is no such word, and none is started when there is.

`held` is what an earlier call gave back as `data`: the build's handle, and how far its log was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.errors import CloudError, RunError
from arrcoc_core.observing import Preparation
from arrcoc_core.targets import StoppedError

if TYPE_CHECKING:
    from arrcoc_core.targets import JobRequest
    from arrcoc_core.targets.vertex_services import Services

FILES = ("experiment.json", "plan.json", "packages.txt")


def prepare(services: Services, request: JobRequest, run_id: str, held: Mapping[str, Any]) -> Preparation:
    """One step further. CloudError where a service refuses or cannot be reached; StoppedError."""
    known = services.read(run_id, "image.json")
    image = str(held.get("image") or "") if known is None else str(known.content["image"])
    if not image:
        built = _image(services, request, run_id, held)
        if isinstance(built, Preparation):
            return built
        image = built
    for name in FILES:
        if (request.directory / name).exists():
            services.upload_new(run_id, name, request.directory / name)
    if known is None and not services.put_new(run_id, "image.json", {"image": image}):
        return Preparation("working", {"image": ""}, "another machine prepares it, too")  # its image counts
    return Preparation("ready", {"image": image}, "the image is there")


def check_stopped(services: Services, run_id: str) -> None:
    """StoppedError when some machine has said that the run is over."""
    stop = services.read(run_id, "stop.json")
    if stop is not None:
        raise StoppedError(str(stop.content["verdict"]), str(stop.content["cause"]))


def _image(services: Services, request: JobRequest, run_id: str, held: Mapping[str, Any]) -> str | Preparation:
    """The image by its digest, or how far its build is."""
    tag = str(request.plan["cloud"]["image_tag"])
    handle: dict[str, Any] | None = held.get("build")
    if handle is None:
        found = services.find_image(tag)
        if found is not None:
            return found
        check_stopped(services, run_id)
        try:
            handle = services.start_build(tag, request.directory / "code")
        except RunError as error:
            return Preparation("failed", detail=error.message, remedy=error.remedy)
        return Preparation("working", {"build": handle, "log": 0}, "waiting for a builder")
    data: dict[str, Any] = {}
    try:
        status = services.poll_build(handle)
    except CloudError as error:
        if error.scope != "not-found":
            raise
        check_stopped(services, run_id)
        return Preparation("again", {"build": None}, "its build is not to be found any more")
    cursor = int(held.get("log", 0))
    lines, data["log"] = services.build_log(handle, cursor)
    if lines:
        _append(request.directory / "logs" / "build.log", lines, fresh=cursor == 0)
    data |= {"step": status.step, "of_steps": status.of_steps, "link": status.url}
    if not status.ended:
        return Preparation("working", data, status.detail)
    if status.state == "succeeded":
        return status.digest
    check_stopped(services, run_id)
    # One that failed before its first step was not let at its source or its log: roles that are minutes old may not
    # be seen everywhere yet.
    if status.state in ("timeout", "cancelled") or status.step == 0:
        return Preparation("again", {**data, "build": None}, f"building its image: {status.detail}")
    return Preparation(
        "failed",
        data,
        f"its image could not be built: {status.detail}",
        f"less {request.directory}/logs/build.log\n{status.url}".rstrip(),
    )


def _append(path: Path, lines: list[str], *, fresh: bool) -> None:
    """A kill in between may repeat lines here: this log is for people to watch."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w" if fresh else "a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
