"""Where Vertex AI trains, and on which GPUs.

Dated data: Google adds regions and moves GPUs. A region that is not in `REGIONS` is taken for a typing error; one that
has not got the GPU according to this table is worth a note, since the table may be older than the region's machines.
The GPUs are those of Compute Engine's zones; Vertex AI has most of them, and its quota says which it grants.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

AS_OF = date(2026, 8, 2)
SOURCE = "docs.cloud.google.com/vertex-ai/docs/general/locations; zones by github.com/skypilot-org/skypilot-catalog"

REGIONS: tuple[str, ...] = (
    "us-central1",
    "us-east1",
    "us-east4",
    "us-east5",
    "us-south1",
    "us-west1",
    "us-west2",
    "us-west3",
    "us-west4",
    "northamerica-northeast1",
    "northamerica-northeast2",
    "southamerica-east1",
    "southamerica-west1",
    "africa-south1",
    "europe-central2",
    "europe-north1",
    "europe-southwest1",
    "europe-west1",
    "europe-west2",
    "europe-west3",
    "europe-west4",
    "europe-west6",
    "europe-west8",
    "europe-west9",
    "europe-west12",
    "asia-east1",
    "asia-east2",
    "asia-northeast1",
    "asia-northeast2",
    "asia-northeast3",
    "asia-south1",
    "asia-south2",
    "asia-southeast1",
    "asia-southeast2",
    "australia-southeast1",
    "australia-southeast2",
    "me-central1",
    "me-central2",
    "me-west1",
)
"""Every region of Vertex AI, those in the United States first."""

_GPU_REGIONS: Mapping[str, str] = {
    "T4": "us-central1 us-east1 us-east4 us-west1 us-west2 us-west3 us-west4 northamerica-northeast1 "
    "southamerica-east1 europe-central2 europe-west1 europe-west2 europe-west3 europe-west4 asia-east1 asia-east2 "
    "asia-northeast1 asia-northeast3 asia-south1 asia-southeast1 asia-southeast2 australia-southeast1 me-west1",
    "L4": "us-central1 us-east1 us-east4 us-west1 us-west4 northamerica-northeast1 northamerica-northeast2 "
    "europe-west1 europe-west2 europe-west3 europe-west4 europe-west6 asia-east1 asia-northeast1 asia-northeast3 "
    "asia-south1 asia-southeast1 me-central2",
    "V100": "us-central1 us-east1 us-west1 europe-west4 asia-east1",
    "A100": "us-central1 us-east1 us-west1 us-west3 us-west4 europe-west4 asia-northeast1 asia-northeast3 "
    "asia-southeast1 me-west1",
    "A100-80GB": "us-central1 us-east4 us-east5 europe-west4 asia-southeast1",
    "H100": "us-central1 us-east4 us-east5 us-west1 us-west4 europe-north1 europe-west1 europe-west3 europe-west4 "
    "europe-west9 asia-east1 asia-northeast1 asia-south1 asia-south2 asia-southeast1 australia-southeast1",
    "H100-MEGA": "us-central1 us-east4 us-east5 us-west1 us-west4 europe-north1 europe-west1 europe-west3 "
    "europe-west4 asia-east1 asia-northeast1 asia-southeast1 australia-southeast1",
    "H200": "us-central1 us-east4 us-east5 us-south1 us-west1 europe-west1 europe-west4 asia-south1 asia-south2",
    "B200": "us-central1 us-east1 us-east4 us-south1 us-west2 us-west3 europe-north1 europe-west4 asia-northeast1 "
    "asia-southeast1",
}


def regions_of(gpu: str) -> tuple[str, ...]:
    """The regions that have a GPU, the nearest to the United States first; empty for a GPU that is not known."""
    return tuple(_GPU_REGIONS.get(gpu, "").split())


def nearest_regions(typed: str, among: tuple[str, ...] = REGIONS) -> tuple[str, ...]:
    """Up to three regions whose names are like the one typed."""
    from difflib import get_close_matches

    return tuple(get_close_matches(typed.strip().lower(), among, n=3, cutoff=0.5))
