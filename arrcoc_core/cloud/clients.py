"""The clients of Google's services, each made when it is first asked for, all with one identity.

REST wherever the library offers it; IAM and Logging speak gRPC only. A client is safe to use from several threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arrcoc_core.cloud.credentials import Identity, find_identity
from arrcoc_core.cloud.endpoints import Endpoints, load_endpoints
from arrcoc_core.errors import ConfigError

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings


class Cloud:
    """Clients for one project through one set of endpoints. CloudError (scope "auth") when there are no credentials."""

    def __init__(self, endpoints: Endpoints, project: str = "", region: str = "us-central1") -> None:
        self.endpoints = endpoints
        self.project = project
        self.region = region
        self._made: dict[str, Any] = {}
        self._lock = threading.RLock()

    @staticmethod
    def of(settings: Settings) -> Cloud:
        return Cloud(
            load_endpoints(str(settings.get("CLOUD_ENDPOINTS"))),
            str(settings.get("GCP_PROJECT_ID")),
            str(settings.get("GCP_ROOT_RESOURCE_REGION")),
        )

    @property
    def identity(self) -> Identity:
        return self._once("identity", lambda: find_identity(self.endpoints, self.project))

    def jobs(self, region: str | None = None) -> Any:
        """aiplatform_v1 JobServiceClient of a region."""
        from google.cloud.aiplatform_v1.services.job_service import JobServiceClient

        region = region or self.region
        return self._rest(JobServiceClient, "aiplatform", host=f"{region}-aiplatform.googleapis.com")

    def builds(self) -> Any:
        """cloudbuild_v1 CloudBuildClient."""
        from google.cloud.devtools.cloudbuild_v1 import CloudBuildClient

        return self._rest(CloudBuildClient, "cloudbuild")

    def registry(self) -> Any:
        """artifactregistry_v1 ArtifactRegistryClient."""
        from google.cloud.artifactregistry_v1 import ArtifactRegistryClient

        return self._rest(ArtifactRegistryClient, "artifactregistry")

    def storage(self) -> Any:
        """google.cloud.storage Client."""

        def make() -> Any:
            from google.cloud.storage import Client  # pyright: ignore[reportMissingTypeStubs]

            address = self._address("storage")
            options = {"api_endpoint": address} if address else None
            return Client(project=self.project or None, credentials=self.identity.credentials, client_options=options)

        return self._once("storage", make)

    def projects(self) -> Any:
        """resourcemanager_v3 ProjectsClient."""
        from google.cloud.resourcemanager_v3 import ProjectsClient

        return self._rest(ProjectsClient, "resourcemanager")

    def services(self) -> Any:
        """service_usage_v1 ServiceUsageClient."""
        from google.cloud.service_usage_v1 import ServiceUsageClient

        return self._rest(ServiceUsageClient, "serviceusage")

    def quotas(self) -> Any:
        """cloudquotas_v1 CloudQuotasClient."""
        from google.cloud.cloudquotas_v1 import CloudQuotasClient

        return self._rest(CloudQuotasClient, "cloudquotas")

    def secrets(self) -> Any:
        """secretmanager_v1 SecretManagerServiceClient."""
        from google.cloud.secretmanager_v1 import SecretManagerServiceClient

        return self._rest(SecretManagerServiceClient, "secretmanager")

    def billing(self) -> Any:
        """billing_v1 CloudBillingClient: which account a project is billed to."""
        from google.cloud.billing_v1 import CloudBillingClient

        return self._rest(CloudBillingClient, "cloudbilling")

    def price_catalog(self) -> Any:
        """billing_v1 CloudCatalogClient: the public price list."""
        from google.cloud.billing_v1 import CloudCatalogClient

        return self._rest(CloudCatalogClient, "cloudbilling")

    def accounts(self) -> Any:
        """iam_admin_v1 IAMClient: service accounts."""
        from google.cloud.iam_admin_v1 import IAMClient

        return self._grpc(IAMClient, "iam")

    def logs(self) -> Any:
        """logging_v2 LoggingServiceV2Client."""
        from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client

        return self._grpc(LoggingServiceV2Client, "logging")

    def console(self, path: str) -> str:
        """A page of the console in this project, such as "vertex-ai/training/custom-jobs"."""
        return f"{self.endpoints.console}/{path.lstrip('/')}?project={self.project}"

    def _address(self, service: str) -> str | None:
        """None: the library's own. Endpoints that are not Google's lead nowhere else: what they lack is an error."""
        address = self.endpoints.services.get(service)
        if address is None and not self.endpoints.is_google:
            raise ConfigError(
                f"The endpoints in {self.endpoints.folder} have no address for {service}.",
                remedy="arrcoc sandbox start   writes them again",
            )
        return address

    def _rest(self, kind: Any, service: str, *, host: str | None = None) -> Any:
        address = self._address(service) or host
        options = {"api_endpoint": address} if address else None
        return self._once(
            f"{kind.__name__} {address}",
            lambda: kind(credentials=self.identity.credentials, transport="rest", client_options=options),
        )

    def _grpc(self, kind: Any, service: str) -> Any:
        address = self._address(service)

        def make() -> Any:
            if address is None or not address.startswith("http://"):
                options = {"api_endpoint": address.removeprefix("https://")} if address else None
                return kind(credentials=self.identity.credentials, client_options=options)
            import grpc

            transport = kind.get_transport_class("grpc")
            return kind(transport=transport(channel=grpc.insecure_channel(address.removeprefix("http://"))))

        return self._once(f"{kind.__name__} {address}", make)

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]
