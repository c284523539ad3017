"""Resource Manager v3: the one project and its IAM policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.policies import PolicyMethods
from arrcoc_core.sandbox.project import PROJECT, PROJECT_NUMBER
from arrcoc_core.sandbox.service import Call, Service, merge_mask, page

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

_CREATED = 1_735_689_600


class ResourceManager(PolicyMethods, Service):
    name = "resourcemanager"
    api = "cloudresourcemanager.googleapis.com"
    clients = ("google.cloud.resourcemanager_v3:ProjectsClient",)

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self._changed = box.state.messages("projects", _project)

    def get_project(self, request: Any, call: Call) -> Any:
        return self._held()

    def search_projects(self, request: Any, call: Call) -> Any:
        from google.cloud import resourcemanager_v3

        found, following = page([self._held()], request.page_size, request.page_token)
        return resourcemanager_v3.SearchProjectsResponse(projects=found, next_page_token=following)

    def list_projects(self, request: Any, call: Call) -> Any:
        from google.cloud import resourcemanager_v3

        held = [project for project in [self._held()] if project.parent == request.parent]
        found, following = page(held, request.page_size, request.page_token)
        return resourcemanager_v3.ListProjectsResponse(projects=found, next_page_token=following)

    def update_project(self, request: Any, call: Call) -> Any:
        held = self._held()
        merge_mask(held, request.project, request.update_mask)
        self._changed.put(PROJECT, held)
        return self.box.operations.start(call, "", held)

    def policy_of(self, resource: str) -> str:
        return f"projects/{PROJECT}"  # another project has been refused before

    def _held(self) -> Any:
        kind = _project()
        held = self._changed.get(PROJECT)
        if held is None:
            held = kind(
                name=f"projects/{PROJECT_NUMBER}",
                parent="organizations/530119027846",
                project_id=PROJECT,
                state=kind.State.ACTIVE,
                display_name="arrcoc sandbox",
                etag='W/"1f0a2c6be57d91a8"',
            )
            kind.pb(held).create_time.FromSeconds(_CREATED)
        return held


def _project() -> Any:
    from google.cloud.resourcemanager_v3 import Project

    return Project
