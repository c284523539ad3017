"""The APIs of Google Cloud that the project uses. They are turned on, and never off again: others may use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arrcoc_core.cloud.calling import call
from arrcoc_core.infra.resource import Say, Status, finished

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World

APIS = (
    "aiplatform.googleapis.com",
    "artifactregistry.googleapis.com",
    "cloudbilling.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudquotas.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "secretmanager.googleapis.com",
    "storage.googleapis.com",
)
_AT_ONCE = 20
"""Most services that one call enables."""


class Apis:
    key = "apis"
    title = "APIs"
    needs: tuple[str, ...] = ()

    def where(self, world: World) -> str:
        return f"{len(APIS)} APIs in {world.names.project}"

    def page(self, world: World) -> str:
        return "apis/dashboard"

    def check(self, world: World) -> Status:
        off = self._off(world)
        if not off:
            return Status("ok", f"all {len(APIS)} are on")
        return Status("missing" if len(off) == len(APIS) else "different", f"off: {', '.join(map(_short, off))}")

    def ensure(self, world: World, say: Say) -> Status:
        off = self._off(world)
        if off:
            say(f"turning on {', '.join(map(_short, off))}")
            request = {"parent": world.project_path, "service_ids": off[:_AT_ONCE]}
            finished(call(world.cloud.services().batch_enable_services, request=request), "Turning APIs on")
        return self.check(world)

    def destroy(self, world: World, say: Say) -> Status:
        return Status("ok", "stay on: they cost nothing, and others may use them")

    def _off(self, world: World) -> list[str]:
        names = [f"{world.project_path}/services/{api}" for api in APIS]
        request = {"parent": world.project_path, "names": names}
        answer = call(world.cloud.services().batch_get_services, request=request)
        on = {service.config.name or service.name.split("/")[-1] for service in answer.services if service.state == 2}
        return [api for api in APIS if api not in on]


def _short(api: str) -> str:
    return api.removesuffix(".googleapis.com")
