"""Artifact Registry v1: Docker repositories, and the images that the sandbox's Cloud Build puts there.

An image is a version (by its digest) of a package (by its name); tags point at versions. The layers themselves are
nowhere: a manifest is what a job needs to find the files that its image was built from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.policies import PolicyMethods, by_id
from arrcoc_core.sandbox.project import PROJECT, PROJECT_NUMBER
from arrcoc_core.sandbox.service import Call, Service, merge_mask, page

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

CREATING_S = 3.0
_IMAGE = re.compile(r"([a-z0-9-]+)-docker\.pkg\.dev/([^/]+)/([^/]+)/(.+?)(?:@(sha256:[0-9a-f]{64})|:([\w.-]+))?")


class ArtifactRegistry(PolicyMethods, Service):
    name = "artifactregistry"
    api = "artifactregistry.googleapis.com"
    clients = ("google.cloud.artifactregistry_v1:ArtifactRegistryClient",)
    needs_billing = True

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self._repositories = box.state.messages("repositories", lambda: _types().Repository)
        self._images = box.state.table("images")
        """`<repository>/packages/<image>/versions/<digest>` -> {"size", "at", "manifest"}"""
        self._tags = box.state.table("image tags")
        """`<repository>/packages/<image>/tags/<tag>` -> {"digest"}"""

    def put_image(
        self, uri: str, digest: str, *, tags: Sequence[str] = (), size: int = 0, manifest: Mapping[str, Any]
    ) -> None:
        """Push, as Cloud Build does. `uri` is `L-docker.pkg.dev/P/R/IMAGE`. NOT_FOUND without the repository."""
        package = self._package(uri)
        self._repository(package.partition("/packages/")[0])
        row = {"size": size, "at": self.box.clock.now(), "manifest": dict(manifest)}
        self._images.put(f"{package}/versions/{digest}", row)
        for tag in tags:
            self._tags.put(f"{package}/tags/{tag}", {"digest": digest})

    def manifest(self, uri: str) -> dict[str, Any] | None:
        """What was pushed as `…/IMAGE@sha256:…` or `…/IMAGE:tag`; None where there is no such image."""
        found = _IMAGE.fullmatch(uri)
        if found is None:
            return None
        package, digest, tag = self._package(uri), found[5], found[6]
        if digest is None:
            digest = (self._tags.get(f"{package}/tags/{tag or 'latest'}") or {"digest": ""})["digest"]
        held = self._images.get(f"{package}/versions/{digest}")
        return None if held is None else {**held["manifest"], "digest": digest}

    def create_repository(self, request: Any, call: Call) -> Any:
        if not re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", request.repository_id):
            text = "The repository id must be lower-case letters, digits and hyphens, begin with a letter, at most 63."
            raise ApiError("INVALID_ARGUMENT", text, violations=[("repository_id", text)])
        name = f"{by_id(request.parent)}/repositories/{request.repository_id}"
        if self._repositories.get(name) is not None:
            raise ApiError("ALREADY_EXISTS", "the repository already exists")
        made = request.repository
        if made.format_ != _types().Repository.Format.DOCKER:
            raise ApiError("INVALID_ARGUMENT", "The sandbox serves repositories of format DOCKER only.")
        made.name = name
        made.create_time = made.update_time = self.box.clock.date()
        made.mode = made.mode or _types().Repository.Mode.STANDARD_REPOSITORY
        location = name.split("/")[3]
        made.registry_uri = f"{location}-docker.pkg.dev/{PROJECT}/{request.repository_id}"
        self._repositories.put(name, made)
        return self.box.operations.start(call, by_id(request.parent), made, after_s=CREATING_S)

    def get_repository(self, request: Any, call: Call) -> Any:
        return self._seen(self._repository(by_id(request.name)))

    def list_repositories(self, request: Any, call: Call) -> Any:
        held = [self._seen(one) for one in self._repositories.values(f"{by_id(request.parent)}/repositories/")]
        found, following = page(held, request.page_size, request.page_token)
        return _types().ListRepositoriesResponse(repositories=found, next_page_token=following)

    def update_repository(self, request: Any, call: Call) -> Any:
        held = self._repository(by_id(request.repository.name))
        merge_mask(held, request.repository, request.update_mask)
        held.update_time = self.box.clock.date()
        self._repositories.put(held.name, held)
        return self._seen(held)

    def delete_repository(self, request: Any, call: Call) -> Any:
        name = self._repository(by_id(request.name)).name
        self._repositories.delete(name)
        self.box.policies.drop(name)
        for table in (self._images, self._tags):
            for key, _ in table.items(f"{name}/packages/"):
                table.delete(key)
        return self.box.operations.start(call, name.partition("/repositories/")[0], after_s=CREATING_S)

    def list_docker_images(self, request: Any, call: Call) -> Any:
        repository = by_id(self._repository(by_id(request.parent)).name)
        held = [self._docker_image(key, row) for key, row in self._images.items(f"{repository}/packages/")]
        found, following = page(held, request.page_size, request.page_token)
        return _types().ListDockerImagesResponse(docker_images=found, next_page_token=following)

    def get_docker_image(self, request: Any, call: Call) -> Any:
        repository, _, image = by_id(request.name).partition("/dockerImages/")
        name, _, digest = image.partition("@")
        key = f"{repository}/packages/{name}/versions/{digest}"
        return self._docker_image(key, self._image(key))

    def list_packages(self, request: Any, call: Call) -> Any:
        repository = self._repository(by_id(request.parent)).name
        names = sorted({key.partition("/versions/")[0] for key, _ in self._images.items(f"{repository}/packages/")})
        found, following = page([_types().Package(name=name) for name in names], request.page_size, request.page_token)
        return _types().ListPackagesResponse(packages=found, next_page_token=following)

    def delete_package(self, request: Any, call: Call) -> Any:
        name = by_id(request.name)
        held = [key for key, _ in self._images.items(f"{name}/versions/")]
        if not held:
            raise ApiError("NOT_FOUND", "Requested entity was not found.")
        for table in (self._images, self._tags):
            for key, _ in table.items(f"{name}/"):
                table.delete(key)
        return self.box.operations.start(call, name.partition("/repositories/")[0])

    def list_versions(self, request: Any, call: Call) -> Any:
        held = [self._version(key, row) for key, row in self._images.items(f"{by_id(request.parent)}/versions/")]
        found, following = page(held, request.page_size, request.page_token)
        return _types().ListVersionsResponse(versions=found, next_page_token=following)

    def get_version(self, request: Any, call: Call) -> Any:
        key = by_id(request.name)
        return self._version(key, self._image(key))

    def delete_version(self, request: Any, call: Call) -> Any:
        key = by_id(request.name)
        self._image(key)
        package, _, digest = key.partition("/versions/")
        tagged = [name for name, row in self._tags.items(f"{package}/tags/") if row["digest"] == digest]
        if tagged and not request.force:
            raise ApiError("FAILED_PRECONDITION", "The version is tagged: delete its tags first, or set force.")
        for name in tagged:
            self._tags.delete(name)
        self._images.delete(key)
        return self.box.operations.start(call, package.partition("/repositories/")[0])

    def list_tags(self, request: Any, call: Call) -> Any:
        package = by_id(request.parent)
        held = [self._tag(name, row) for name, row in self._tags.items(f"{package}/tags/")]
        found, following = page(held, request.page_size, request.page_token)
        return _types().ListTagsResponse(tags=found, next_page_token=following)

    def get_tag(self, request: Any, call: Call) -> Any:
        name = by_id(request.name)
        self._repository(name.partition("/packages/")[0])
        held = self._tags.get(name)
        if held is None:
            raise ApiError("NOT_FOUND", "Requested entity was not found.")
        return self._tag(name, held)

    def create_tag(self, request: Any, call: Call) -> Any:
        name = f"{by_id(request.parent)}/tags/{request.tag_id}"
        if self._tags.get(name) is not None:
            raise ApiError("ALREADY_EXISTS", "the tag already exists")
        return self._point(name, request.tag.version)

    def update_tag(self, request: Any, call: Call) -> Any:
        return self._point(by_id(request.tag.name), request.tag.version)

    def delete_tag(self, request: Any, call: Call) -> Any:
        if not self._tags.delete(by_id(request.name)):
            raise ApiError("NOT_FOUND", "Requested entity was not found.")

    def policy_of(self, resource: str) -> str:
        return str(self._repository(by_id(resource)).name)

    def _package(self, uri: str) -> str:
        found = _IMAGE.fullmatch(uri)
        if found is None or found[2] not in (PROJECT, PROJECT_NUMBER):
            raise ApiError("NOT_FOUND", f"{uri} is no image of this project's Artifact Registry.")
        return f"projects/{PROJECT}/locations/{found[1]}/repositories/{found[3]}/packages/{found[4]}"

    def _repository(self, name: str) -> Any:
        held = self._repositories.get(name)
        if held is None:
            raise ApiError("NOT_FOUND", "Requested entity was not found.", reason="RESOURCE_NOT_FOUND")
        return held

    def _seen(self, repository: Any) -> Any:
        rows = self._images.values(f"{repository.name}/packages/")
        repository.size_bytes = sum(int(row["size"]) for row in rows)
        return repository

    def _image(self, key: str) -> dict[str, Any]:
        held = self._images.get(key)
        if held is None:
            raise ApiError("NOT_FOUND", "Requested entity was not found.", reason="RESOURCE_NOT_FOUND")
        return held

    def _tags_of(self, key: str) -> list[str]:
        package, _, digest = key.partition("/versions/")
        rows = self._tags.items(f"{package}/tags/")
        return [name.rpartition("/")[2] for name, row in rows if row["digest"] == digest]

    def _docker_image(self, key: str, row: Mapping[str, Any]) -> Any:
        repository, _, rest = key.partition("/packages/")
        image, _, digest = rest.partition("/versions/")
        _, _, _, location, _, short = repository.split("/")
        made = _types().DockerImage(
            name=f"{repository}/dockerImages/{image}@{digest}",
            uri=f"{location}-docker.pkg.dev/{PROJECT}/{short}/{image}@{digest}",
            tags=self._tags_of(key),
            image_size_bytes=int(row["size"]),
            media_type="application/vnd.docker.distribution.manifest.v2+json",
        )
        for field in ("upload_time", "update_time", "build_time"):
            setattr(made, field, _date(row["at"]))
        return made

    def _version(self, key: str, row: Mapping[str, Any]) -> Any:
        package = key.partition("/versions/")[0]
        tags = [self._tag(f"{package}/tags/{tag}", {"digest": key.rpartition("/")[2]}) for tag in self._tags_of(key)]
        return _types().Version(name=key, create_time=_date(row["at"]), update_time=_date(row["at"]), related_tags=tags)

    def _tag(self, name: str, row: Mapping[str, Any]) -> Any:
        package = name.partition("/tags/")[0]
        return _types().Tag(name=name, version=f"{package}/versions/{row['digest']}")

    def _point(self, name: str, version: str) -> Any:
        self._image(by_id(version))
        row = {"digest": version.rpartition("/")[2]}
        self._tags.put(name, row)
        return self._tag(name, row)


def _date(seconds: float) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)


def _types() -> Any:
    from google.cloud import artifactregistry_v1

    return artifactregistry_v1
