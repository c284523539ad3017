"""Which machines Vertex AI training has, by its own documentation: GPUs each takes, vCPUs, provisioning, quota metrics.

Written down apart from arrcoc_core/catalog on purpose: a wrong row there is refused here, as the service would.
Sources: "Configure compute resources for training", "Schedule training jobs based on resource availability",
"Vertex AI quotas"; read 2026-11-22.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_A2 = {"a2-highgpu-1g": 1, "a2-highgpu-2g": 2, "a2-highgpu-4g": 4, "a2-highgpu-8g": 8, "a2-megagpu-16g": 16}
_G2 = {f"g2-standard-{size}": 1 for size in (4, 8, 12, 16, 32)} | {
    "g2-standard-24": 2,
    "g2-standard-48": 4,
    "g2-standard-96": 8,
}


class Accelerator(NamedTuple):
    machines: dict[str, int]
    """Machine type -> how many it holds; empty: an N1 machine with a count of `counts`."""
    counts: tuple[int, ...]
    quota: str
    """The end of its quota metrics."""
    flex: bool
    """Whether flex-start offers it."""
    restricted: bool = False
    """On demand it is counted by a metric of its own."""


ACCELERATORS: dict[str, Accelerator] = {
    "NVIDIA_TESLA_T4": Accelerator({}, (1, 2, 4), "nvidia_t4_gpus", flex=False),
    "NVIDIA_TESLA_V100": Accelerator({}, (1, 2, 4, 8), "nvidia_v100_gpus", flex=False),
    "NVIDIA_L4": Accelerator(_G2, (1, 2, 4, 8), "nvidia_l4_gpus", flex=True),
    "NVIDIA_TESLA_A100": Accelerator(_A2, (1, 2, 4, 8, 16), "nvidia_a100_gpus", flex=True),
    "NVIDIA_A100_80GB": Accelerator(
        {f"a2-ultragpu-{count}g": count for count in (1, 2, 4, 8)},
        (1, 2, 4, 8),
        "nvidia_a100_80gb_gpus",
        flex=True,
        restricted=True,
    ),
    "NVIDIA_H100_80GB": Accelerator(
        {f"a3-highgpu-{count}g": count for count in (1, 2, 4, 8)}, (1, 2, 4, 8), "nvidia_h100_gpus", flex=True
    ),
    "NVIDIA_H100_MEGA_80GB": Accelerator({"a3-megagpu-8g": 8}, (8,), "nvidia_h100_mega_gpus", flex=True),
    "NVIDIA_H200_141GB": Accelerator({"a3-ultragpu-8g": 8}, (8,), "nvidia_h200_gpus", flex=True),
    "NVIDIA_B200": Accelerator({"a4-highgpu-8g": 8}, (8,), "nvidia_b200_gpus", flex=True),
}

NOT_ON_DEMAND = ("a3-highgpu-1g", "a3-highgpu-2g", "a3-highgpu-4g")
HYPERDISK_ONLY = ("a3-ultragpu-8g", "a4-highgpu-8g")
DISKS = ("pd-ssd", "pd-standard", "hyperdisk-balanced")

# fmt: off
REGIONS = frozenset({
    "africa-south1", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2", "asia-northeast3",
    "asia-south1", "asia-south2", "asia-southeast1", "asia-southeast2", "australia-southeast1",
    "australia-southeast2", "europe-central2", "europe-north1", "europe-southwest1", "europe-west1", "europe-west2",
    "europe-west3", "europe-west4", "europe-west6", "europe-west8", "europe-west9", "europe-west12", "me-central1",
    "me-central2", "me-west1", "northamerica-northeast1", "northamerica-northeast2", "southamerica-east1",
    "southamerica-west1", "us-central1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1", "us-west2",
    "us-west3", "us-west4",
})
# fmt: on

# fmt: off
_VCPUS = {
    "a2-highgpu-1g": 12, "a2-highgpu-2g": 24, "a2-highgpu-4g": 48, "a2-highgpu-8g": 96, "a2-megagpu-16g": 96,
    "a2-ultragpu-1g": 12, "a2-ultragpu-2g": 24, "a2-ultragpu-4g": 48, "a2-ultragpu-8g": 96,
    "a3-highgpu-1g": 26, "a3-highgpu-2g": 52, "a3-highgpu-4g": 104, "a3-highgpu-8g": 208,
    "a3-megagpu-8g": 208, "a3-ultragpu-8g": 224, "a4-highgpu-8g": 224,
}
# fmt: on
_PLAIN = re.compile(r"(n1|n2|e2|c2|g2)-(standard|highmem|highcpu)-(\d+)")
_METRIC = "aiplatform.googleapis.com"


def vcpus(machine_type: str) -> int | None:
    """None for a machine type that Vertex AI does not have."""
    if machine_type in _VCPUS:
        return _VCPUS[machine_type]
    match = _PLAIN.fullmatch(machine_type)
    return int(match[3]) if match else None


def problem(machine_type: str, accelerator: str, count: int) -> str:
    """What is wrong with these three together; "" for nothing. `accelerator` "" is a machine without any."""
    if vcpus(machine_type) is None:
        return f'Machine type "{machine_type}" is not supported.'
    if not accelerator:
        if count:
            return "accelerator_count is set and accelerator_type is not."
        needs = [name for name, row in ACCELERATORS.items() if machine_type in row.machines]
        return f'Machine type "{machine_type}" requires accelerator_type "{needs[0]}".' if needs else ""
    row = ACCELERATORS.get(accelerator)
    if row is None:
        return f'Accelerator type "{accelerator}" is not supported.'
    if row.machines:
        held = row.machines.get(machine_type)
        if held is None:
            return f'Accelerator "{accelerator}" is not supported for machine type "{machine_type}".'
        if held != count:
            return f'Machine type "{machine_type}" requires exactly {held} "{accelerator}", and not {count}.'
        return ""
    if not machine_type.startswith("n1-") or (vcpus(machine_type) or 0) < 4:
        return f'Accelerator "{accelerator}" is not supported for machine type "{machine_type}".'
    if count not in row.counts:
        return f'accelerator_count {count} is not supported for "{accelerator}": it is one of {row.counts}.'
    return ""


def quota_metrics(machine_type: str, accelerator: str, count: int, *, preemptible: bool) -> dict[str, int]:
    """What one machine draws on: metric -> how much. Spot and flex-start draw on the preemptible ones."""
    family = machine_type.split("-")[0]
    cpus = vcpus(machine_type) or 0
    if preemptible:
        found = {f"{_METRIC}/custom_model_training_preemptible_cpus": cpus}
    else:
        found = {f"{_METRIC}/custom_model_training_{'' if family == 'n1' else family + '_'}cpus": cpus}
    if accelerator:
        row = ACCELERATORS[accelerator]
        start = "restricted_image_training" if row.restricted else "custom_model_training"
        kind = f"custom_model_training_preemptible_{row.quota}" if preemptible else f"{start}_{row.quota}"
        found[f"{_METRIC}/{kind}"] = count
    return found


def flex_possible(accelerator: str) -> bool:
    return accelerator in ACCELERATORS and ACCELERATORS[accelerator].flex
