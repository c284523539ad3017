"""Cloud Billing v1: the account that the project is billed to, and the public price list.

The price list has the SKUs that this project's own dated prices come to, in Google's wording, among some that look
much like them and must not be taken: reserved, committed and custom ones bear nearly the same names.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.policies import by_id
from arrcoc_core.sandbox.preconditions import billing_account, link_billing
from arrcoc_core.sandbox.project import BILLING_ACCOUNT, PROJECT
from arrcoc_core.sandbox.service import Call, Service, page

if TYPE_CHECKING:
    from arrcoc_core.catalog.skus import Sku
    from arrcoc_core.sandbox.box import Box

_NANO = 1_000_000_000
_SERVICES = {
    "6F81-5844-456A": "Compute Engine",
    "C7E2-9256-1C43": "Vertex AI",
    "95FF-2EF5-5EA1": "Cloud Storage",
    "152E-C115-5142": "Cloud Run",
}


class Billing(Service):
    name = "cloudbilling"
    api = "cloudbilling.googleapis.com"
    clients = ("google.cloud.billing_v1:CloudBillingClient", "google.cloud.billing_v1:CloudCatalogClient")

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self._skus: dict[str, list[Any]] = {}

    def get_project_billing_info(self, request: Any, call: Call) -> Any:
        account = billing_account(self.box)
        return _types().ProjectBillingInfo(
            name=f"{by_id(request.name)}/billingInfo",
            project_id=PROJECT,
            billing_account_name=account,
            billing_enabled=bool(account),
        )

    def update_project_billing_info(self, request: Any, call: Call) -> Any:
        account = request.project_billing_info.billing_account_name
        if account not in ("", BILLING_ACCOUNT):
            raise ApiError("NOT_FOUND", f"Billing account {account} was not found.")
        link_billing(self.box, account)
        return self.get_project_billing_info(request, call)

    def get_billing_account(self, request: Any, call: Call) -> Any:
        if request.name != BILLING_ACCOUNT:
            raise ApiError("NOT_FOUND", f"Billing account {request.name} was not found.")
        return _types().BillingAccount(
            name=BILLING_ACCOUNT, open_=True, display_name="The sandbox's account", currency_code="USD"
        )

    def list_billing_accounts(self, request: Any, call: Call) -> Any:
        held = [self.get_billing_account(_types().GetBillingAccountRequest(name=BILLING_ACCOUNT), call)]
        return _types().ListBillingAccountsResponse(billing_accounts=held)

    def list_project_billing_info(self, request: Any, call: Call) -> Any:
        info = self.get_project_billing_info(_types().GetProjectBillingInfoRequest(name=f"projects/{PROJECT}"), call)
        held = [info] if info.billing_account_name == request.name else []
        return _types().ListProjectBillingInfoResponse(project_billing_info=held)

    def list_services(self, request: Any, call: Call) -> Any:
        held = [
            _types().Service(
                name=f"services/{number}",
                service_id=number,
                display_name=title,
                business_entity_name="businessEntities/GCP",
            )
            for number, title in _SERVICES.items()
        ]
        found, following = page(held, request.page_size, request.page_token, default=5000, limit=5000)
        return _types().ListServicesResponse(services=found, next_page_token=following)

    def list_skus(self, request: Any, call: Call) -> Any:
        service = request.parent.removeprefix("services/")
        if service not in _SERVICES:
            raise ApiError("NOT_FOUND", f"Service {service} was not found.")
        if service not in self._skus:
            self._skus[service] = _skus_of(service)
        found, following = page(self._skus[service], request.page_size, request.page_token, default=5000, limit=5000)
        return _types().ListSkusResponse(skus=found, next_page_token=following)


def _skus_of(service: str) -> list[Any]:
    from arrcoc_core.catalog.prices import shipped_prices
    from arrcoc_core.catalog.skus import sku_rows

    rows = [row for row in sku_rows(shipped_prices()) if row.service == service]
    made: list[Any] = []
    for row in rows:
        made.append(_sku(row))
        if row.usage_type == "OnDemand" and " attached to " not in row.description and row.description.startswith("N"):
            # A bait: the same words and another kind of contract, at a price nobody pays by the hour.
            bait = f"Commitment v1: {row.description}"
            made.append(_sku(row._replace(description=bait, usage_type="Commit1Yr", usd=row.usd * 0.63)))
            made.append(_sku(row._replace(description=f"Reserved {row.description}", usd=0.0)))
    return made


def _sku(row: Sku) -> Any:
    types = _types()
    key = f"{row.service} {row.description} {row.usage_type}"
    mark = hashlib.sha256(key.encode()).hexdigest().upper()
    number = f"{mark[:4]}-{mark[4:8]}-{mark[8:12]}"
    nanos = round(row.usd * _NANO)
    expression: dict[str, Any] = {
        "usage_unit": row.unit,
        "usage_unit_description": "hour" if row.unit == "h" else "gibibyte hour",
        "base_unit": "s" if row.unit == "h" else "By.s",
        "display_quantity": 1.0,
        "tiered_rates": [
            {
                "start_usage_amount": 0.0,
                "unit_price": {"currency_code": "USD", "units": nanos // _NANO, "nanos": nanos % _NANO},
            }
        ],
    }
    return types.Sku(
        name=f"services/{row.service}/skus/{number}",
        sku_id=number,
        description=row.description,
        category={
            "service_display_name": _SERVICES[row.service],
            "resource_family": "Compute",
            "resource_group": row.resource_group,
            "usage_type": row.usage_type,
        },
        service_regions=list(row.regions),
        pricing_info=[{"pricing_expression": expression, "currency_conversion_rate": 1.0}],
        service_provider_name="Google",
    )


def _types() -> Any:
    from google.cloud import billing_v1

    return billing_v1
