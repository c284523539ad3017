"""What Vertex AI grants this project: limits per metric and region, and the requests for more with their state.

Listing the quotas of a service is one call of a few pages for all metrics and regions. A `Quotas` is one such reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from arrcoc_core.infra.resource import listed

if TYPE_CHECKING:
    from arrcoc_core.cloud.clients import Cloud

SERVICE = "aiplatform.googleapis.com"
UNLIMITED = -1

RequestState = Literal["pending", "granted", "partly granted", "denied"]


@dataclass(frozen=True, slots=True)
class QuotaRequest:
    """A quota preference: what somebody asked for, and what came of it."""

    name: str
    quota_id: str
    region: str
    wanted: int
    granted: int | None
    state: RequestState
    detail: str
    annotations: Mapping[str, str]
    etag: str

    def to_json(self) -> dict[str, Any]:
        return {"wanted": self.wanted, "granted": self.granted, "state": self.state, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class _Info:
    quota_id: str
    rows: tuple[tuple[Mapping[str, str], tuple[str, ...], int], ...]
    """Dimensions, locations and value, the more specific ones first."""


@dataclass(frozen=True)
class Quotas:
    """The quotas of one service as they were when they were read."""

    infos: Mapping[str, _Info]
    requests: tuple[QuotaRequest, ...]

    def limit(self, metric: str, region: str) -> int | None:
        """The limit in force; -1 for unlimited, None where Google names none."""
        info = self.infos.get(metric)
        if info is None:
            return None
        for dimensions, locations, value in info.rows:
            place = dimensions.get("region") or dimensions.get("location")
            if place == region or (place is None and (not locations or region in locations or "global" in locations)):
                return value
        return None

    def quota_id(self, metric: str) -> str:
        """The name that requests use; "" for a metric that is not known."""
        info = self.infos.get(metric)
        return info.quota_id if info is not None else ""

    def request(self, metric: str, region: str) -> QuotaRequest | None:
        """The request for this metric in this region, if there is one."""
        quota_id = self.quota_id(metric)
        return next((one for one in self.requests if one.quota_id == quota_id and one.region == region), None)

    def enough(self, metric: str, region: str, wanted: int) -> bool:
        limit = self.limit(metric, region)
        return limit is not None and (limit == UNLIMITED or limit >= wanted)


def read_quotas(cloud: Cloud, metrics: Iterable[str] = ()) -> Quotas:
    """The limits of `metrics` (all of Vertex AI's where left out) and every request, in two listings."""
    wanted = frozenset(metrics)
    parent = f"projects/{cloud.project}/locations/global"
    client = cloud.quotas()
    infos: dict[str, _Info] = {}
    for info in listed(client.list_quota_infos, request={"parent": f"{parent}/services/{SERVICE}", "page_size": 1000}):
        if not wanted or info.metric in wanted:
            infos[str(info.metric)] = _Info(str(info.quota_id), tuple(_row(one) for one in info.dimensions_infos))
    found = listed(client.list_quota_preferences, request={"parent": parent})
    return Quotas(infos, tuple(_request(one) for one in found if one.service == SERVICE))


def _row(info: Any) -> tuple[Mapping[str, str], tuple[str, ...], int]:
    return dict(info.dimensions), tuple(info.applicable_locations), int(info.details.value)


def _request(preference: Any) -> QuotaRequest:
    config = preference.quota_config
    granted = None if config.granted_value is None else int(config.granted_value)
    wanted = int(config.preferred_value)
    if preference.reconciling:
        state: RequestState = "pending"
    elif granted is not None and (granted == UNLIMITED or granted >= wanted):
        state = "granted"
    else:
        state = "partly granted" if granted else "denied"
    return QuotaRequest(
        name=str(preference.name),
        quota_id=str(preference.quota_id),
        region=str(dict(preference.dimensions).get("region", "")),
        wanted=wanted,
        granted=granted,
        state=state,
        detail=str(config.state_detail),
        annotations=dict(config.annotations),
        etag=str(preference.etag),
    )
