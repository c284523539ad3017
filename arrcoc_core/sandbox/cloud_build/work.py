"""Doing a build: fetch the source, do the steps, push the images; the log grows in its bucket meanwhile."""

from __future__ import annotations

import contextlib
import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.cloud_build.docker import BUILDERS, Docker
from arrcoc_core.sandbox.cloud_build.dockerfile import BuildError
from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.faults import BuildFails
from arrcoc_core.sandbox.images import Images, parse_reference
from arrcoc_core.sandbox.service import plain
from arrcoc_core.sandbox.storage.messages import StorageError

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

QUEUE_S, FETCH_S, STEP_S, PUSH_S = 1.0, 1.0, 3.0, 2.0
"""Virtual seconds of each part."""

QUEUED, WORKING, SUCCESS, FAILURE, INTERNAL_ERROR, TIMEOUT, CANCELLED = 1, 2, 3, 4, 5, 6, 7
"""Build.Status."""
ENDED = (SUCCESS, FAILURE, INTERNAL_ERROR, TIMEOUT, CANCELLED)

Change = Callable[[Callable[[Any], None]], Any]
"""Apply a change to the stored build, in a transaction; None when it has ended (cancelled) or the sandbox ends."""


class Stop(Exception):
    """The build is over; how stands in its status. Without a status the sandbox is ending."""

    def __init__(self, status: int = 0, detail: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Work:
    """One build, from its start: what an earlier sandbox process has begun is begun again."""

    def __init__(self, box: Box, build: Any, account: str, change: Change) -> None:
        self._box = box
        self._build = build
        self._account = account
        self._change = change
        self._folder = box.data("builds") / build.id
        self._lines: list[str] = []
        self._began = box.clock.now()

    def run(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        workspace = self._folder / "workspace"
        workspace.mkdir(parents=True)
        try:
            self._pause(QUEUE_S)
            self._update(lambda build: _start(build, self._box.clock.date()))
            self._say(f'starting build "{self._build.id}"', "", "FETCHSOURCE")
            self._fetch(workspace)
            self._pause(FETCH_S)
            self._say("BUILD")
            docker = Docker(Images(self._box), self._folder, self._say)
            for number in range(len(self._build.steps)):
                self._step(docker, number, workspace)
            digests = self._push(docker)
            self._say("DONE")
            self._flush()
            self._update(lambda build: _succeed(build, digests, self._box.clock.date()))
        except Stop as stop:
            status, detail = stop.status, stop.detail
            if status:
                self._say("ERROR", f"ERROR: {detail}" if detail else "ERROR")
                with contextlib.suppress(Stop):  # where the log cannot be written, that is the reason already
                    self._flush()
                self._change(lambda build: _fail(build, status, detail, self._box.clock.date()))
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _fetch(self, workspace: Path) -> None:
        source = self._build.source.storage_source
        if not source.bucket:
            return
        uri = f"gs://{source.bucket}/{source.object_}"
        self._say(f"Fetching storage object: {uri}#{source.generation}")
        try:
            data = self._box.service("storage").read(
                self._account, source.bucket, source.object_, int(source.generation)
            )
            _unpack(data, source.object_, workspace)
        except StorageError as error:
            raise Stop(FAILURE, f"failed to fetch storage source: {error.message}") from None
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
            raise Stop(FAILURE, f"failed unarchiving source {uri}: {error}") from None

    def _step(self, docker: Docker, number: int, workspace: Path) -> None:
        step = self._build.steps[number]
        title = f'Step #{number} - "{step.id}"' if step.id else f"Step #{number}"
        self._say(f"Starting {title}", f"{title}: Already have image (with digest): {step.name}")
        self._update(lambda build: _step_began(build, number, self._box.clock.date()))
        self._flush()
        self._pause(STEP_S)
        if number == min(1, len(self._build.steps) - 1):
            self._strike(number)
        folder = (workspace / step.dir).resolve() if step.dir else workspace
        try:
            if not step.name.startswith(BUILDERS):
                raise BuildError(f"the sandbox has no builder {step.name}: it does steps of {BUILDERS[0]}")
            if step.entrypoint in ("bash", "sh", "/bin/sh", "/bin/bash") and list(step.args[:1]) == ["-c"]:
                docker.shell(" ".join(step.args[1:]))
            elif step.entrypoint in ("", "docker"):
                docker.run([self._substituted(argument) for argument in step.args], folder)
            else:
                raise BuildError(f"the sandbox has no program {step.entrypoint} in {step.name}")
        except (BuildError, ApiError) as error:
            self._say(f"{title}: {error}")
            self._update(lambda build: _step_ended(build, number, FAILURE, self._box.clock.date()))
            raise Stop(
                FAILURE,
                f'build step {number} "{step.name}" failed: step exited with non-zero status: 1',
            ) from None
        self._say(f"Finished {title}")
        self._update(lambda build: _step_ended(build, number, SUCCESS, self._box.clock.date()))
        self._flush()

    def _strike(self, number: int) -> None:
        fault = self._box.faults.take(BuildFails)
        if fault is None:
            return
        status = {"TIMEOUT": TIMEOUT, "CANCELLED": CANCELLED, "INTERNAL_ERROR": INTERNAL_ERROR}.get(
            fault.state, FAILURE
        )
        self._update(lambda build: _step_ended(build, number, status, self._box.clock.date()))
        name = self._build.steps[number].name
        said = f'build step {number} "{name}" failed: step exited with non-zero status: 1'
        raise Stop(status, said if status == FAILURE else "")

    def _push(self, docker: Docker) -> dict[str, str]:
        digests = dict(docker.pushed)
        if self._build.images:
            self._say("PUSH")
        for name in self._build.images:
            name = self._substituted(name)
            self._say(f"Pushing {name}")
            reference = parse_reference(name)
            writes = "artifactregistry.repositories.uploadArtifacts"
            if reference and not self._box.policies.allowed(self._account, writes, reference.repository):
                raise Stop(
                    FAILURE,
                    f'failed to push because we ran out of retries. denied: Permission "{writes}" denied on resource '
                    f'"{reference.repository}" (or it may not exist)',
                )
            try:
                digests[name] = docker.push(name)
            except (BuildError, ApiError) as error:
                raise Stop(FAILURE, f"failed to push {name}: {error}") from None
            self._say(f"{name.rpartition(':')[2]}: digest: {digests[name]} size: 1234")
            self._flush()
            self._pause(PUSH_S)
        return digests

    def _substituted(self, text: str) -> str:
        from arrcoc_core.sandbox.cloud_build.checks import substituted

        return substituted(text, self._build)

    def _pause(self, seconds: float) -> None:
        """Let virtual time pass. Stop when the build takes too long, was cancelled, or the sandbox ends."""
        if self._box.closing.wait(self._box.clock.scaled(seconds)):
            raise Stop
        limit = self._build.timeout.total_seconds() or 600.0
        if self._box.clock.now() - self._began > self._box.clock.scaled(limit):
            raise Stop(TIMEOUT, "")
        self._update(lambda _: None)

    def _update(self, change: Callable[[Any], None]) -> None:
        if self._change(change) is None:
            self._flush()
            raise Stop

    def _say(self, *lines: str) -> None:
        self._lines += lines

    def _flush(self) -> None:
        """The whole log so far becomes the object's content, as in the real bucket."""
        bucket, _, folder = self._build.logs_bucket.removeprefix("gs://").partition("/")
        if not bucket or self._build.options.logging.name in ("NONE", "CLOUD_LOGGING_ONLY"):
            return
        name = f"{folder.strip('/')}/log-{self._build.id}.txt".lstrip("/")
        text = "".join(f"{line}\n" for line in self._lines)
        try:
            self._box.service("storage").write(self._account, bucket, name, text.encode(), "text/plain; charset=utf-8")
        except StorageError as error:
            self._lines.clear()
            self._build.logs_bucket = ""  # it would fail again
            raise Stop(FAILURE, f"failed to write the log to gs://{bucket}/{name}: {error.message}") from None


def _unpack(data: bytes, name: str, folder: Path) -> None:
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            archive.extractall(folder)
        return
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
        archive.extractall(folder, filter="data")


def _stamp(field: Any, now: datetime) -> None:
    field.FromDatetime(now.astimezone(UTC))


def _start(build: Any, now: datetime) -> None:
    build.status = WORKING
    _stamp(plain(build).start_time, now)


def _step_began(build: Any, number: int, now: datetime) -> None:
    held = plain(build).steps[number]
    held.status = WORKING
    _stamp(held.timing.start_time, now)


def _step_ended(build: Any, number: int, status: int, now: datetime) -> None:
    held = plain(build).steps[number]
    held.status = status
    _stamp(held.timing.end_time, now)


def _succeed(build: Any, digests: dict[str, str], now: datetime) -> None:
    held = plain(build)
    for name, digest in digests.items():
        image = held.results.images.add(name=name, digest=digest)
        _stamp(image.push_timing.end_time, now)
    for _ in held.steps:
        held.results.build_step_images.append("")
    held.status = SUCCESS
    _stamp(held.finish_time, now)


def _fail(build: Any, status: int, detail: str, now: datetime) -> None:
    held = plain(build)
    held.status = status
    held.status_detail = detail
    if detail:
        held.failure_info.detail = detail
        build.failure_info.type_ = next(
            kind
            for words, kind in (
                ("denied", 3),
                ("failed to push", 1),
                ("build step", 5),
                ("source", 6),
                ("log", 4),
                ("", 0),
            )
            if words in detail
        )
    for row in held.steps:
        if row.status in (0, QUEUED, WORKING):
            row.status = CANCELLED if status == CANCELLED else row.status or QUEUED
    _stamp(held.finish_time, now)
