"""Service Usage v1: which APIs are on. A new project has Google's own defaults on, and none that arrcoc needs more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.preconditions import billing_account
from arrcoc_core.sandbox.project import PROJECT_NUMBER
from arrcoc_core.sandbox.service import Call, Service, page

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

ENABLING_S = 4.0
"""Virtual seconds until an API that was switched on reports so."""

TITLES = {
    "aiplatform.googleapis.com": "Vertex AI API",
    "artifactregistry.googleapis.com": "Artifact Registry API",
    "bigquery.googleapis.com": "BigQuery API",
    "cloudapis.googleapis.com": "Google Cloud APIs",
    "cloudbilling.googleapis.com": "Cloud Billing API",
    "cloudbuild.googleapis.com": "Cloud Build API",
    "cloudquotas.googleapis.com": "Cloud Quotas API",
    "cloudresourcemanager.googleapis.com": "Cloud Resource Manager API",
    "cloudtrace.googleapis.com": "Cloud Trace API",
    "compute.googleapis.com": "Compute Engine API",
    "containerregistry.googleapis.com": "Container Registry API",
    "datastore.googleapis.com": "Cloud Datastore API",
    "iam.googleapis.com": "Identity and Access Management (IAM) API",
    "iamcredentials.googleapis.com": "IAM Service Account Credentials API",
    "logging.googleapis.com": "Cloud Logging API",
    "monitoring.googleapis.com": "Cloud Monitoring API",
    "secretmanager.googleapis.com": "Secret Manager API",
    "servicemanagement.googleapis.com": "Service Management API",
    "serviceusage.googleapis.com": "Service Usage API",
    "sql-component.googleapis.com": "Cloud SQL",
    "storage-api.googleapis.com": "Google Cloud Storage JSON API",
    "storage-component.googleapis.com": "Cloud Storage",
    "storage.googleapis.com": "Cloud Storage API",
}
DEFAULTS = frozenset(
    {
        "bigquery.googleapis.com",
        "cloudapis.googleapis.com",
        "cloudtrace.googleapis.com",
        "datastore.googleapis.com",
        "logging.googleapis.com",
        "monitoring.googleapis.com",
        "servicemanagement.googleapis.com",
        "serviceusage.googleapis.com",
        "sql-component.googleapis.com",
        "storage-api.googleapis.com",
        "storage-component.googleapis.com",
        "storage.googleapis.com",
    }
)
"""On in every new project, by Google's documentation."""
FREE = frozenset(
    {
        "cloudbilling.googleapis.com",
        "cloudquotas.googleapis.com",
        "cloudresourcemanager.googleapis.com",
        "iam.googleapis.com",
        "iamcredentials.googleapis.com",
    }
)
"""Can be switched on without a billing account."""


class ServiceUsage(Service):
    name = "serviceusage"
    clients = ("google.cloud.service_usage_v1:ServiceUsageClient",)

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self._table = box.state.table("services")

    def enabled(self, api: str) -> bool:
        held = self._table.get(api)
        return bool(held["on"]) if held is not None else api in DEFAULTS

    def title(self, api: str) -> str:
        return TITLES.get(api, api)

    def switch(self, api: str, on: bool) -> None:
        """Tests' own handle, without a request."""
        self._table.put(api, {"on": on})

    def list_services(self, request: Any, call: Call) -> Any:
        from google.cloud import service_usage_v1

        wanted = request.filter.replace(" ", "").lower()
        if wanted not in ("", "state:enabled", "state:disabled"):
            raise ApiError("INVALID_ARGUMENT", f"Invalid filter: {request.filter}")
        names = [api for api in sorted(TITLES) if not wanted or self.enabled(api) == (wanted == "state:enabled")]
        chosen, following = page(names, request.page_size, request.page_token, default=50, limit=200)
        return service_usage_v1.ListServicesResponse(
            services=[self._service(api) for api in chosen], next_page_token=following
        )

    def get_service(self, request: Any, call: Call) -> Any:
        return self._service(_api(request.name))

    def batch_get_services(self, request: Any, call: Call) -> Any:
        from google.cloud import service_usage_v1

        if len(request.names) > 30:
            raise ApiError("INVALID_ARGUMENT", "A maximum of 30 services can be retrieved at a time.")
        return service_usage_v1.BatchGetServicesResponse(services=[self._service(_api(name)) for name in request.names])

    def enable_service(self, request: Any, call: Call) -> Any:
        from google.cloud import service_usage_v1

        api = _api(request.name)
        self._enable([api])
        return self.box.operations.start(
            call, "", service_usage_v1.EnableServiceResponse(service=self._service(api)), after_s=ENABLING_S
        )

    def batch_enable_services(self, request: Any, call: Call) -> Any:
        from google.cloud import service_usage_v1

        if len(request.service_ids) > 20:
            raise ApiError("INVALID_ARGUMENT", "A maximum of 20 services can be enabled at a time.")
        self._enable(request.service_ids)
        return self.box.operations.start(
            call,
            "",
            service_usage_v1.BatchEnableServicesResponse(services=[self._service(api) for api in request.service_ids]),
            after_s=ENABLING_S,
        )

    def disable_service(self, request: Any, call: Call) -> Any:
        from google.cloud import service_usage_v1

        api = _api(request.name)
        self._known(api)
        self.switch(api, False)
        return self.box.operations.start(
            call, "", service_usage_v1.DisableServiceResponse(service=self._service(api)), after_s=ENABLING_S
        )

    def _enable(self, apis: Any) -> None:
        for api in apis:
            self._known(api)
        paid = [api for api in apis if api not in DEFAULTS | FREE]
        if paid and not billing_account(self.box):
            raise ApiError(
                "FAILED_PRECONDITION",
                f"Billing account for project '{PROJECT_NUMBER}' is not found. Billing must be enabled for activation "
                f"of service(s) '{','.join(paid)}' to proceed.",
                reason="UREQ_PROJECT_BILLING_NOT_FOUND",
                domain="serviceusage.googleapis.com",
                metadata={"consumer": f"projects/{PROJECT_NUMBER}", "services": ",".join(paid)},
            )
        for api in apis:
            self.switch(api, True)

    def _known(self, api: str) -> None:
        if api not in TITLES:
            raise ApiError(
                "PERMISSION_DENIED",
                f"Not found or permission denied for service(s): {api}.",
                reason="SERVICE_CONFIG_NOT_FOUND_OR_PERMISSION_DENIED",
                domain="serviceusage.googleapis.com",
                metadata={"services": api},
            )

    def _service(self, api: str) -> Any:
        from google.cloud.service_usage_v1 import Service as Message
        from google.cloud.service_usage_v1 import ServiceConfig, State

        self._known(api)
        return Message(
            name=f"projects/{PROJECT_NUMBER}/services/{api}",
            parent=f"projects/{PROJECT_NUMBER}",
            config=ServiceConfig(name=api, title=TITLES[api]),
            state=State.ENABLED if self.enabled(api) else State.DISABLED,
        )


def _api(name: str) -> str:
    return name.rpartition("/")[2]
