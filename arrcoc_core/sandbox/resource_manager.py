"""Resource Manager v3: the one project, its IAM policy, and what it has switched on.

Policies of every service are kept here (`get_policy`, `set_policy`): an etag that is stale is ABORTED, as really.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.faults import ApiDisabled, BillingDisabled, PermissionDenied
from arrcoc_core.sandbox.service import Call, Service, merge_mask, page

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

_CREATED = 1_735_689_600


class ResourceManager(Service):
    name = "resourcemanager"
    api = "cloudresourcemanager.googleapis.com"
    clients = ("google.cloud.resourcemanager_v3:ProjectsClient",)

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self._projects = box.state.messages("projects", _project)
        self._policies = box.state.messages("policies", _policy)

    def start(self) -> None:
        """A new sandbox has its project, owned by the account of key.json, with billing linked."""
        from arrcoc_core.sandbox.box import OWNER, PROJECT

        facts = self.box.state.table("projects known")
        if facts.get(PROJECT) is None:
            with self.box.state.transaction():
                facts.put(PROJECT, {"billing": "billingAccounts/01A2B3-C4D5E6-F70819", "owner": OWNER})

    def check_project(self, project: str, service: Service) -> None:
        """PERMISSION_DENIED as the real services say it: no such project, API off, billing off."""
        from arrcoc_core.sandbox.box import PROJECT, PROJECT_NUMBER

        if project not in (PROJECT, PROJECT_NUMBER):
            raise ApiError(
                "PERMISSION_DENIED",
                f"Permission denied on resource project {project}.",
                reason="CONSUMER_INVALID",
                metadata={"consumer": f"projects/{project}", "service": service.api},
            )
        if service.api:
            self.check_api(service.api)
        if service.needs_billing and not self.billing_account():
            raise ApiError(
                "PERMISSION_DENIED",
                f"This API method requires billing to be enabled. Please enable billing on project #{PROJECT_NUMBER} "
                f"by visiting https://console.developers.google.com/billing/enable?project={PROJECT_NUMBER} then "
                "retry.",
                reason="BILLING_DISABLED",
                metadata={"consumer": f"projects/{PROJECT_NUMBER}", "service": service.api},
            )

    def check_api(self, api: str) -> None:
        from arrcoc_core.sandbox.box import PROJECT_NUMBER

        forced = self.box.faults.peek(ApiDisabled, lambda fault: fault.service.split(".")[0] == api.split(".")[0])
        if forced is None and self.box.service("serviceusage").enabled(api):
            return
        url = f"https://console.developers.google.com/apis/api/{api}/overview?project={PROJECT_NUMBER}"
        title = api.split(".")[0]
        raise ApiError(
            "PERMISSION_DENIED",
            f"{title} API has not been used in project {PROJECT_NUMBER} before or it is disabled. Enable it by "
            f"visiting {url} then retry. If you enabled this API recently, wait a few minutes for the action to "
            "propagate to our systems and retry.",
            reason="SERVICE_DISABLED",
            metadata={"service": api, "consumer": f"projects/{PROJECT_NUMBER}", "activationUrl": url},
        )

    def billing_account(self) -> str:
        """The linked account's name, or ""."""
        from arrcoc_core.sandbox.box import PROJECT

        held = self.box.state.table("projects known").get(PROJECT) or {}
        return "" if self.box.faults.peek(BillingDisabled) else str(held.get("billing", ""))

    def get_policy(self, resource: str) -> Any:
        found = self._policies.get(resource)
        if found is None:
            found = _policy()(version=1)
            if resource.startswith("projects/") and resource.count("/") == 1:
                from arrcoc_core.sandbox.box import OWNER

                found.bindings.add(role="roles/owner", members=[f"serviceAccount:{OWNER}"])
            found.etag = b"ACAB"
        return found

    def set_policy(self, resource: str, policy: Any) -> Any:
        """Replace it. ABORTED where the etag that was read is not the present one any more."""
        if policy.etag and policy.etag != self.get_policy(resource).etag:
            raise ApiError(
                "ABORTED",
                "There were concurrent policy changes. Please retry the whole read-modify-write with exponential "
                "backoff.",
            )
        kept = _policy()()
        kept.CopyFrom(policy)
        kept.version = max(policy.version, 1)
        kept.etag = base64.b64encode(f"BwY{self.box.state.next('etags'):06}".encode())
        self._policies.put(resource, kept)
        return kept

    def drop_policy(self, resource: str) -> None:
        self._policies.delete(resource)

    def get_project(self, request: Any, call: Call) -> Any:
        return self._held(request.name)

    def search_projects(self, request: Any, call: Call) -> Any:
        from google.cloud import resourcemanager_v3

        from arrcoc_core.sandbox.box import PROJECT

        found, following = page([self._held(f"projects/{PROJECT}")], request.page_size, request.page_token)
        return resourcemanager_v3.SearchProjectsResponse(projects=found, next_page_token=following)

    def update_project(self, request: Any, call: Call) -> Any:
        held = self._held(request.project.name)
        merge_mask(held, request.project, request.update_mask)
        self._projects.put(held.name, held)
        return self.box.operations.start(call, "", held)

    def get_iam_policy(self, request: Any, call: Call) -> Any:
        self._held(request.resource)
        return self.get_policy(self._key(request.resource))

    def set_iam_policy(self, request: Any, call: Call) -> Any:
        self._held(request.resource)
        return self.set_policy(self._key(request.resource), request.policy)

    def test_iam_permissions(self, request: Any, call: Call) -> Any:
        from google.iam.v1 import iam_policy_pb2

        module: Any = iam_policy_pb2
        return module.TestIamPermissionsResponse(permissions=self.permitted(request.permissions))

    def permitted(self, permissions: Any) -> list[str]:
        """Those the caller has: all of them, but for the scenario's."""

        def denied(name: str) -> bool:
            return self.box.faults.peek(PermissionDenied, lambda fault: fault.permission == name) is not None

        return [name for name in permissions if not denied(name)]

    def _key(self, resource: str) -> str:
        from arrcoc_core.sandbox.box import PROJECT

        return f"projects/{PROJECT}"

    def _held(self, name: str) -> Any:
        from arrcoc_core.sandbox.box import PROJECT, PROJECT_NUMBER

        held = self._projects.get(f"projects/{PROJECT_NUMBER}")
        if held is None:
            kind = _project()
            held = kind(
                name=f"projects/{PROJECT_NUMBER}",
                parent="organizations/530119027846",
                project_id=PROJECT,
                state=kind.State.ACTIVE,
                display_name="arrcoc sandbox",
                etag="W/1",
            )
            kind.pb(held).create_time.FromSeconds(_CREATED)
        return held


def _project() -> Any:
    from google.cloud.resourcemanager_v3 import Project

    return Project


def _policy() -> Any:
    from google.iam.v1 import policy_pb2

    module: Any = policy_pb2
    return module.Policy
