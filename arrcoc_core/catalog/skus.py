"""Google's price list as it is worded: from a SKU to the unit price it stands for, and back.

The Cloud Billing catalogue has some 32,000 SKUs of Compute Engine and thousands of Vertex AI, told apart by their
descriptions only. `read_sku` understands the few that price the machines of this catalogue:

    Nvidia Tesla A100 80GB GPU running in Americas                                     on demand
    Nvidia Tesla A100 GPU attached to Spot Preemptible VMs running in Americas         spot
    Nvidia H100 Mega 80GB GPU attached to DWS Defined Duration VMs running in Americas flex-start
    Spot Preemptible A2 Instance Core running in Americas                              spot, a vCPU
    DWS Defined Duration A3 Ram running in Americas                                    flex-start, a GiB of memory
    Vertex AI: Training/Pipelines on NVIDIA H100 80GB in Iowa                          Vertex AI's own on-demand rate
    Vertex AI: Training/Pipelines management fee on A3 Instance Core in Iowa           its fee on spot and flex-start

Traps: usage type "OnDemand" also marks flex-start and a few spot SKUs, so the words decide; reserved, committed,
calendar-mode, sole-tenant and custom SKUs bear the same names, some at a price of zero; "H100 80GB Plus" is the Mega;
memory is priced per GiB-hour ("GiBy.h"), all else per hour ("h"); a B200's price holds its share of the machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from arrcoc_core.catalog.prices import Prices

COMPUTE_SERVICE = "6F81-5844-456A"
VERTEX_SERVICE = "C7E2-9256-1C43"

Rate = Literal["on_demand", "flex", "spot", "fee", "vertex"]


class Reading(NamedTuple):
    """`part` and `rate` name a field of a `Unit`: "A100/gpu", "spot"."""

    part: str
    rate: Rate


class Sku(NamedTuple):
    """What a catalogue says of one SKU that prices a machine; see `sku_rows`."""

    service: str
    description: str
    usage_type: str
    unit: str
    resource_group: str
    regions: tuple[str, ...]
    usd: float


def read_sku(description: str, usage_type: str, unit: str) -> Reading | None:
    """What a SKU prices; None for all the others."""
    words = " ".join(description.lower().split())
    if _OTHERS.search(words):
        return None
    name, rate = _rate(words, usage_type)
    part = _part(_PLACE.sub("", name))
    if part is None or unit != ("GiBy.h" if part.endswith("/ram") else "h"):
        return None
    return Reading(part, rate)


_OTHERS = re.compile(
    r"reserved|commitment|calendar mode|sole tenancy|custom|premium|capacity optimized|online/batch|"
    r"vgpu|virtual workstation|persistent cluster|tpu|edge"
)
_PLACE = re.compile(r"(?: (?:running )?in .*)?$")
_VERTEX = "vertex ai: training/pipelines "


def _rate(words: str, usage_type: str) -> tuple[str, Rate]:
    if words.startswith(_VERTEX):
        rest = words.removeprefix(_VERTEX)
        if rest.startswith("management fee on "):
            return rest.removeprefix("management fee on "), "fee"
        return rest.removeprefix("on "), "vertex"
    if "dws defined duration" in words:
        return words.replace(" attached to dws defined duration vms", "").replace("dws defined duration ", ""), "flex"
    if "spot preemptible" in words or usage_type == "Preemptible":
        return words.replace(" attached to spot preemptible vms", "").replace("spot preemptible ", ""), "spot"
    return words, "on_demand"


_GPUS = (
    ("T4", r"(?:nvidia )?tesla t4(?: gpu)?"),
    ("L4", r"nvidia l4(?: gpu)?"),
    ("V100", r"(?:nvidia )?tesla v100(?: gpu)?"),
    ("A100", r"nvidia tesla a100(?: gpu)?"),
    ("A100-80GB", r"nvidia (?:tesla )?a100 80gb(?: gpu)?"),
    ("H100", r"nvidia h100 80gb(?: gpu)?"),
    ("H100-MEGA", r"nvidia h100 (?:80gb (?:plus|mega)|(?:plus|mega) 80gb|mega)(?: gpu)?"),
    ("H200", r"nvidia h200(?: 141gb)?(?: gpu)?"),
    ("B200", r"(?:a4 )?nvidia b200(?: \(1 gpu slice\)| gpu)?"),
)
_SERIES = (
    ("n1", r"n1(?: predefined)?"),
    ("g2", r"g2"),
    ("a2", r"a2"),
    ("a3-high", r"a3(?: ?high)?"),
    ("a3-mega", r"a3 ?(?:plus|mega)"),
    ("a3-ultra", r"a3 ?ultra"),
)
_HOST = re.compile(r"(.*?)(?: instance)? (core|ram)")


def _part(name: str) -> str | None:
    host = _HOST.fullmatch(name)
    if host is None:
        return next((f"{gpu}/gpu" for gpu, pattern in _GPUS if re.fullmatch(pattern, name)), None)
    series = next((series for series, pattern in _SERIES if re.fullmatch(pattern, host[1])), None)
    return series and f"{series}/{'vcpu' if host[2] == 'core' else 'ram'}"


def sku_rows(prices: Prices) -> Iterator[Sku]:
    """The SKUs that such a price list would have, in Google's wording: what a stand-in for the catalogue serves."""
    for region, row in prices.units.items():
        for part, unit in row.items():
            kind, what = part.split("/")[::-1]
            group = {"gpu": "GPU", "vcpu": "CPU", "ram": "RAM"}[kind]
            measure = "GiBy.h" if kind == "ram" else "h"
            fee = prices.fee * (unit.on_demand or 0.0) if unit.fee is None else unit.fee
            own = (unit.on_demand or 0.0) + fee if unit.vertex is None else unit.vertex
            for rate, usd, usage in (
                ("on_demand", unit.on_demand, "OnDemand"),
                ("flex", unit.flex, "OnDemand"),
                ("spot", unit.spot, "Preemptible"),
                ("fee", fee, "OnDemand"),
                ("vertex", own, "OnDemand"),
            ):
                if usd is not None:
                    service = VERTEX_SERVICE if rate in ("fee", "vertex") else COMPUTE_SERVICE
                    yield Sku(service, _worded(what, kind, rate, region), usage, measure, group, (region,), usd)


_GPU_WORDS = {
    "T4": ("Nvidia Tesla T4 GPU", "NVIDIA Tesla T4"),
    "L4": ("Nvidia L4 GPU", "NVIDIA L4"),
    "V100": ("Nvidia Tesla V100 GPU", "NVIDIA Tesla V100"),
    "A100": ("Nvidia Tesla A100 GPU", "NVIDIA Tesla A100"),
    "A100-80GB": ("Nvidia Tesla A100 80GB GPU", "NVIDIA A100 80GB"),
    "H100": ("Nvidia H100 80GB GPU", "NVIDIA H100 80GB"),
    "H100-MEGA": ("Nvidia H100 80GB Plus GPU", "NVIDIA H100 Mega 80GB"),
    "H200": ("Nvidia H200 141GB GPU", "NVIDIA H200 141GB"),
    "B200": ("A4 Nvidia B200 (1 gpu slice)", "NVIDIA B200"),
}
_HOST_WORDS = {
    "n1": "N1 Predefined",
    "g2": "G2",
    "a2": "A2",
    "a3-high": "A3",
    "a3-mega": "A3Plus",
    "a3-ultra": "A3Ultra",
}


def _worded(what: str, kind: str, rate: str, region: str) -> str:
    if kind == "gpu":
        compute, vertex = _GPU_WORDS[what]
        attached = {"flex": " attached to DWS Defined Duration VMs", "spot": " attached to Spot Preemptible VMs"}
        words = f"{compute}{attached.get(rate, '')} running in {region}"
    else:
        noun = "Core" if kind == "vcpu" else "Ram"
        series = _HOST_WORDS[what]
        vertex = f"{series} Instance {noun}"
        words = f"{vertex} running in {region}"
        if rate == "flex":
            words = f"DWS Defined Duration {series} {noun} running in {region}"
        elif rate == "spot":
            words = f"Spot Preemptible {words}"
    if rate == "fee":
        return f"Vertex AI: Training/Pipelines management fee on {vertex} in {region}"
    if rate == "vertex":
        return f"Vertex AI: Training/Pipelines on {vertex} in {region}"
    return words
