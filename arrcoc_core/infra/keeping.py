"""What it costs a month to keep what is there: dated prices, as data with their sources.

Amounts are before the free tiers, which belong to a billing account and not to a project: an upper bound. They were
compared on AS_OF with stored copies of the pages below, which bear no date of their own; a region that those copies
did not show has no price here.
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
_CHEAP, _USUAL = 0.020, 0.023
STORAGE_USD_PER_GB: Mapping[str, float] = {
    **dict.fromkeys(("us-central1", "us-east1", "us-east5", "us-south1", "us-west1"), _CHEAP),
    **dict.fromkeys(("europe-north1", "europe-west1", "asia-east1"), _CHEAP),
    **dict.fromkeys(("us-east4", "us-west2", "us-west3", "us-west4"), _USUAL),
    **dict.fromkeys(("northamerica-northeast1", "northamerica-northeast2"), _USUAL),
    **dict.fromkeys(("europe-central2", "europe-north2", "europe-west2", "europe-west3"), _USUAL),
    "northamerica-south1": 0.026,
}
"""Standard storage in a region, dollars per GiB and month."""
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
        size, rate = one.size_bytes(world), STORAGE_USD_PER_GB.get(world.names.region)
        if rate is None:
            return Cost(one.key, one.title, size, None, f"no price known in {world.names.region}")
        return Cost(one.key, one.title, size, size / _GB * rate, f"${rate:.3f} per GB")
    if isinstance(one, Repository):
        size = one.size_bytes(world)
        return Cost(one.key, one.title, size, size / _GB * IMAGES_USD_PER_GB, f"${IMAGES_USD_PER_GB:.2f} per GB")
    if isinstance(one, Secret):
        return Cost(one.key, one.title, None, SECRET_VERSION_USD, f"${SECRET_VERSION_USD:.2f} each")
    return Cost(one.key, one.title, None, 0.0, "")
