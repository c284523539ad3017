"""The Docker repository of the trainer's images. Images older than 30 days go by themselves, the newest five stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arrcoc_core.cloud.calling import call, if_there
from arrcoc_core.errors import CloudError
from arrcoc_core.infra.repairs import foreign
from arrcoc_core.infra.resource import Say, Status, finished, listed, stranger

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World

KEPT_IMAGES = 5
IMAGE_DAYS = 30
_DELETE, _KEEP = "delete-old", "keep-newest"


@dataclass(frozen=True)
class Repository:
    """`name` is the full resource name: projects/…/locations/…/repositories/…"""

    name: str
    key: str = "repository"
    title: str = "Docker repository"
    needs: tuple[str, ...] = ("apis",)

    def where(self, world: World) -> str:
        _, project, _, region, _, name = self.name.split("/")
        return f"{region}-docker.pkg.dev/{project}/{name}"

    def page(self, world: World) -> str:
        _, project, _, region, _, name = self.name.split("/")
        return f"artifacts/docker/{project}/{region}/{name}"

    def check(self, world: World) -> Status:
        found, problem = self._look(world)
        if problem is not None:
            return problem
        if found is None:
            return Status("missing")
        if not _cleans_up(found):
            return Status("different", "no policy removes old images", size_bytes=int(found.size_bytes))
        return Status("ok", size_bytes=int(found.size_bytes))

    def ensure(self, world: World, say: Say) -> Status:
        from google.cloud.artifactregistry_v1 import types

        found, problem = self._look(world)
        if problem is not None:
            return problem
        client = world.cloud.registry()
        made = types.Repository(
            name=self.name,
            format_=types.Repository.Format.DOCKER,
            description="Images of the trainer, made by arrcoc",
            labels=world.names.labels,
            cleanup_policies=_policies(),
        )
        if found is None:
            parent, _, name = self.name.rpartition("/repositories/")
            request = {"parent": parent, "repository_id": name, "repository": made}
            try:
                finished(call(client.create_repository, request=request), "Creating the repository")
            except CloudError as error:
                if error.scope != "conflict":  # there already: a first try whose answer was lost, or foreign
                    raise
        elif not _cleans_up(found):
            call(
                client.update_repository,
                request={"repository": made, "update_mask": {"paths": ["cleanup_policies", "cleanup_policy_dry_run"]}},
            )
        return self.check(world)

    def destroy(self, world: World, say: Say) -> Status:
        found, problem = self._look(world)
        if problem is not None or found is None:
            return problem or Status("missing")
        try:
            operation = call(world.cloud.registry().delete_repository, request={"name": self.name})
            finished(operation, "Removing the repository")
        except CloudError as error:
            if error.scope != "not-found":
                raise
        return Status("missing", "with its images")

    def size_bytes(self, world: World) -> int:
        found, _ = self._look(world)
        return int(found.size_bytes) if found is not None else 0

    def _look(self, world: World) -> tuple[Any, Status | None]:
        found = if_there(world.cloud.registry().get_repository, request={"name": self.name})
        if found is None:
            return None, None
        why = stranger(found.labels, world)
        if why:
            return None, Status("foreign", why, foreign(self.where(world), why))
        return found, None


def repository(world: World) -> Repository:
    return Repository(world.names.repository)


def own_repositories(world: World, regions: tuple[str, ...]) -> list[Repository]:
    """The Docker repositories with our label in these regions."""
    found: list[Repository] = []
    for region in regions:
        parent = f"{world.project_path}/locations/{region}"
        for one in listed(world.cloud.registry().list_repositories, request={"parent": parent}):
            if stranger(one.labels, world):
                continue
            key = "repository" if one.name == world.names.repository else f"repository-{region}"
            found.append(Repository(str(one.name), key))
    return found


def _policies() -> dict[str, Any]:
    from google.cloud.artifactregistry_v1 import types
    from google.protobuf.duration_pb2 import Duration

    old = types.CleanupPolicyCondition(
        tag_state=types.CleanupPolicyCondition.TagState.ANY, older_than=Duration(seconds=IMAGE_DAYS * 86_400)
    )
    newest = types.CleanupPolicyMostRecentVersions(keep_count=KEPT_IMAGES)
    return {
        _DELETE: types.CleanupPolicy(id=_DELETE, action=types.CleanupPolicy.Action.DELETE, condition=old),
        _KEEP: types.CleanupPolicy(id=_KEEP, action=types.CleanupPolicy.Action.KEEP, most_recent_versions=newest),
    }


def _cleans_up(found: Any) -> bool:
    return {_DELETE, _KEEP} <= set(found.cleanup_policies) and not found.cleanup_policy_dry_run
