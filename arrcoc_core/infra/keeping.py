"""What it costs a month to keep what is there: dated prices, as data with their sources.

Amounts are before the free tiers, which belong to a billing account and not to a project: an upper bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from arrcoc_core.infra.buckets import Bucket
from arrcoc_core.infra.repository import Repository
from arrcoc_core.infra.resource import Resource
from arrcoc_core.infra.secret_copies import Secret

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World

AS_OF = date(2026, 11, 22)
SOURCES: Mapping[str, str] = {
    "storage": "https://cloud.google.com/storage/pricing",
    "images": "https://cloud.google.com/artifact-registry/pricing",
    "secrets": "https://cloud.google.com/secret-manager/pricing",
}
STORAGE_USD_PER_GB: Mapping[str, float] = {
    "us-central1": 0.020,
    "us-east1": 0.020,
    "us-east5": 0.020,
    "us-south1": 0.020,
    "us-west1": 0.020,
    "europe-north1": 0.020,
    "europe-west1": 0.020,
    "europe-west4": 0.020,
    "asia-east1": 0.020,
    "asia-southeast1": 0.020,
    "me-west1": 0.021,
    "europe-west6": 0.025,
    "southamerica-west1": 0.030,
    "southamerica-east1": 0.035,
}
"""Standard storage in a region, dollars per GiB and month."""
STORAGE_ELSEWHERE_USD = 0.023
"""In the regions that are not in the table."""
IMAGES_USD_PER_GB = 0.10
SECRET_VERSION_USD = 0.06
_GB = 2**30


@dataclass(frozen=True, slots=True)
class Cost:
    """`size_bytes` and `usd_per_month` are None where they could not be found out."""

    resource: str
    title: str
    size_bytes: int | None
    usd_per_month: float | None
    note: str

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "cost",
            "resource": self.resource,
            "title": self.title,
            "size_bytes": self.size_bytes,
            "usd_per_month": self.usd_per_month,
            "note": self.note,
        }


def cost_of_keeping(one: Resource, world: World) -> Cost:
    """What a resource costs a month as it is now; asks for its size."""
    if isinstance(one, Bucket):
        size, rate = one.size_bytes(world), storage_usd_per_gb(world.names.region)
        return Cost(one.key, one.title, size, size / _GB * rate, f"${rate:.3f} per GB")
    if isinstance(one, Repository):
        size = one.size_bytes(world)
        return Cost(one.key, one.title, size, size / _GB * IMAGES_USD_PER_GB, f"${IMAGES_USD_PER_GB:.2f} per GB")
    if isinstance(one, Secret):
        return Cost(one.key, one.title, None, SECRET_VERSION_USD, f"${SECRET_VERSION_USD:.2f} each")
    return Cost(one.key, one.title, None, 0.0, "")


def storage_usd_per_gb(region: str) -> float:
    return STORAGE_USD_PER_GB.get(region, STORAGE_ELSEWHERE_USD)
