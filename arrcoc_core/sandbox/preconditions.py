"""What stands in the way of any call: no such project, its API is off, it has no billing account.

In the words and with the reasons of the real services, which clients tell apart by `e.reason`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.faults import ApiDisabled, BillingDisabled
from arrcoc_core.sandbox.project import BILLING_ACCOUNT, PROJECT, PROJECT_NUMBER

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box
    from arrcoc_core.sandbox.service import Service

_CONSOLE = "https://console.developers.google.com"


def check(box: Box, project: str, service: Service) -> None:
    """PERMISSION_DENIED unless the service can be used in that project; "" is the caller's own."""
    if project and project not in (PROJECT, PROJECT_NUMBER):
        _refuse(project, service)
    if service.api:
        check_api(box, service.api)
    if service.needs_billing and not billing_account(box):
        raise ApiError(
            "PERMISSION_DENIED",
            f"This API method requires billing to be enabled. Please enable billing on project #{PROJECT_NUMBER} by "
            f"visiting {_CONSOLE}/billing/enable?project={PROJECT_NUMBER} then retry. If you enabled billing for this "
            "project recently, wait a few minutes for the action to propagate to our systems and retry.",
            reason="BILLING_DISABLED",
            metadata={"consumer": f"projects/{PROJECT_NUMBER}", "service": service.api},
        )


def check_api(box: Box, api: str) -> None:
    """PERMISSION_DENIED with SERVICE_DISABLED while that API is off."""
    forced = box.faults.peek(ApiDisabled, lambda fault: fault.service.split(".")[0] == api.split(".")[0])
    if forced is None and box.service("serviceusage").enabled(api):
        return
    url = f"{_CONSOLE}/apis/api/{api}/overview?project={PROJECT_NUMBER}"
    title = box.service("serviceusage").title(api)
    raise ApiError(
        "PERMISSION_DENIED",
        f"{title} has not been used in project {PROJECT_NUMBER} before or it is disabled. Enable it by visiting {url} "
        "then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems "
        "and retry.",
        reason="SERVICE_DISABLED",
        metadata={
            "service": api,
            "serviceTitle": title,
            "consumer": f"projects/{PROJECT_NUMBER}",
            "activationUrl": url,
            "containerInfo": PROJECT_NUMBER,
        },
    )


def billing_account(box: Box) -> str:
    """Name of the account that the project is billed to, or "". A new sandbox has one."""
    held = box.state.table("billing").get(PROJECT) or {"account": BILLING_ACCOUNT}
    return "" if box.faults.peek(BillingDisabled) else str(held["account"])


def link_billing(box: Box, account: str) -> None:
    box.state.table("billing").put(PROJECT, {"account": account})


def _refuse(project: str, service: Service) -> None:
    if service.name == "resourcemanager":
        resource = f"//cloudresourcemanager.googleapis.com/projects/{project}"
        raise ApiError(
            "PERMISSION_DENIED",
            f"Permission 'resourcemanager.projects.get' denied on resource '{resource}' (or it may not exist).",
            reason="IAM_PERMISSION_DENIED",
            domain="cloudresourcemanager.googleapis.com",
            metadata={"permission": "resourcemanager.projects.get", "resource": f"projects/{project}"},
        )
    raise ApiError(
        "PERMISSION_DENIED",
        f"Permission denied on resource project {project}.",
        reason="CONSUMER_INVALID",
        metadata={"consumer": f"projects/{project}", "service": service.api},
    )
