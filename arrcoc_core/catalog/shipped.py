"""The prices that come with this version, as dated data with its sources."""

from __future__ import annotations

from datetime import date

from arrcoc_core.catalog.prices import Prices

PRICES = Prices(
    as_of=date(2026, 10, 13),
    source="Google Cloud price list",
    fee=0.15,
    units={
        "us-central1": {
            "A100/gpu": {"on-demand": 2.934, "flex": 1.614, "spot": 1.434},
            "a2/vcpu": {"on-demand": 0.031611, "flex": 0.0185, "spot": 0.0158},
            "a2/ram": {"on-demand": 0.004237, "flex": 0.0025, "spot": 0.0021},
        },
    },
)
