"""The one (GPU, count) -> machine table of Vertex AI custom training, and the quota that each machine draws on.

Sources, read 2026-11-22: Vertex AI "Configure compute resources for training" (machine types and how many GPUs each
takes), "Schedule training jobs based on resource availability" (flex-start: L4, A100, H100, H200 and B200 only),
Compute Engine "GPU machine types" (vCPUs and memory), `DiskSpec` of the API (boot disks). The 1, 2 and 4 GPU shapes
of a3-highgpu exist as spot and flex-start only.

Vertex AI has quotas of its own, apart from Compute Engine's. Spot and flex-start draw on the "preemptible" ones; all
machine families share one preemptible CPU quota, while on demand each family has its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from arrcoc_core.compute import GpuName
from arrcoc_core.errors import PlanError

Provisioning = Literal["spot", "flex", "on-demand"]

_ALL: tuple[Provisioning, ...] = ("spot", "flex", "on-demand")
_NO_FLEX: tuple[Provisioning, ...] = ("spot", "on-demand")
_NO_DEMAND: tuple[Provisioning, ...] = ("spot", "flex")

DISK_GB = 200
"""Boot disk: the image (some 8 GB), the largest base (62 GB) and room for the run's files."""


@dataclass(frozen=True)
class Machine:
    """A Vertex AI machine with `count` GPUs of one kind. `memory_gb` is the host's, in GiB."""

    gpu: GpuName
    count: int
    machine_type: str
    accelerator_type: str
    vcpus: int
    memory_gb: float
    disk_type: str
    disk_gb: int
    provisioning: tuple[Provisioning, ...]

    @property
    def family(self) -> str:
        """What CPU quota goes by: "n1", "g2", "a2", "a3" or "a4"."""
        return self.machine_type.split("-")[0]

    @property
    def series(self) -> str:
        """What the prices of vCPUs and memory go by: the family, and of a3 "a3-high", "a3-mega" or "a3-ultra"."""
        family, size = self.machine_type.split("-")[:2]
        return f"{family}-{size.removesuffix('gpu')}" if family == "a3" else family

    @property
    def name(self) -> str:
        """What lists call it and past runs are known by: "1 x L4 (Vertex)"."""
        return machine_name(self.gpu, self.count)


def machine_name(gpu: str, count: int, machines: int = 1, *, sandbox: bool = False) -> str:
    """ "4 x A100 (Vertex)", "2 machines of 8 x H100 (Vertex)"; "(sandbox)": such a run says nothing of a real one."""
    each = f"{count} x {gpu} ({'sandbox' if sandbox else 'Vertex'})"
    return each if machines == 1 else f"{machines} machines of {each}"


def _machine(
    gpu: GpuName,
    count: int,
    machine_type: str,
    accelerator_type: str,
    size: tuple[int, float],
    provisioning: tuple[Provisioning, ...] = _ALL,
    disk_type: str = "pd-ssd",
) -> Machine:
    return Machine(gpu, count, machine_type, accelerator_type, size[0], size[1], disk_type, DISK_GB, provisioning)


MACHINES: tuple[Machine, ...] = (
    _machine("T4", 1, "n1-standard-4", "NVIDIA_TESLA_T4", (4, 15), _NO_FLEX),
    _machine("T4", 2, "n1-standard-8", "NVIDIA_TESLA_T4", (8, 30), _NO_FLEX),
    _machine("T4", 4, "n1-standard-16", "NVIDIA_TESLA_T4", (16, 60), _NO_FLEX),
    _machine("L4", 1, "g2-standard-8", "NVIDIA_L4", (8, 32)),
    _machine("L4", 2, "g2-standard-24", "NVIDIA_L4", (24, 96)),
    _machine("L4", 4, "g2-standard-48", "NVIDIA_L4", (48, 192)),
    _machine("L4", 8, "g2-standard-96", "NVIDIA_L4", (96, 384)),
    _machine("V100", 1, "n1-standard-8", "NVIDIA_TESLA_V100", (8, 30), _NO_FLEX),
    _machine("V100", 2, "n1-standard-16", "NVIDIA_TESLA_V100", (16, 60), _NO_FLEX),
    _machine("V100", 4, "n1-standard-32", "NVIDIA_TESLA_V100", (32, 120), _NO_FLEX),
    _machine("V100", 8, "n1-standard-64", "NVIDIA_TESLA_V100", (64, 240), _NO_FLEX),
    _machine("A100", 1, "a2-highgpu-1g", "NVIDIA_TESLA_A100", (12, 85)),
    _machine("A100", 2, "a2-highgpu-2g", "NVIDIA_TESLA_A100", (24, 170)),
    _machine("A100", 4, "a2-highgpu-4g", "NVIDIA_TESLA_A100", (48, 340)),
    _machine("A100", 8, "a2-highgpu-8g", "NVIDIA_TESLA_A100", (96, 680)),
    _machine("A100", 16, "a2-megagpu-16g", "NVIDIA_TESLA_A100", (96, 1360)),
    _machine("A100-80GB", 1, "a2-ultragpu-1g", "NVIDIA_A100_80GB", (12, 170)),
    _machine("A100-80GB", 2, "a2-ultragpu-2g", "NVIDIA_A100_80GB", (24, 340)),
    _machine("A100-80GB", 4, "a2-ultragpu-4g", "NVIDIA_A100_80GB", (48, 680)),
    _machine("A100-80GB", 8, "a2-ultragpu-8g", "NVIDIA_A100_80GB", (96, 1360)),
    _machine("H100", 1, "a3-highgpu-1g", "NVIDIA_H100_80GB", (26, 234), _NO_DEMAND),
    _machine("H100", 2, "a3-highgpu-2g", "NVIDIA_H100_80GB", (52, 468), _NO_DEMAND),
    _machine("H100", 4, "a3-highgpu-4g", "NVIDIA_H100_80GB", (104, 936), _NO_DEMAND),
    _machine("H100", 8, "a3-highgpu-8g", "NVIDIA_H100_80GB", (208, 1872)),
    _machine("H100-MEGA", 8, "a3-megagpu-8g", "NVIDIA_H100_MEGA_80GB", (208, 1872)),
    _machine("H200", 8, "a3-ultragpu-8g", "NVIDIA_H200_141GB", (224, 2952), disk_type="hyperdisk-balanced"),
    _machine("B200", 8, "a4-highgpu-8g", "NVIDIA_B200", (224, 3968), disk_type="hyperdisk-balanced"),
)

_BY_GPU: dict[str, dict[int, Machine]] = {}
for _row in MACHINES:
    _BY_GPU.setdefault(_row.gpu, {})[_row.count] = _row

_QUOTA_GPUS = {
    "T4": "nvidia_t4_gpus",
    "L4": "nvidia_l4_gpus",
    "V100": "nvidia_v100_gpus",
    "A100": "nvidia_a100_gpus",
    "A100-80GB": "nvidia_a100_80gb_gpus",
    "H100": "nvidia_h100_gpus",
    "H100-MEGA": "nvidia_h100_mega_gpus",
    "H200": "nvidia_h200_gpus",
    "B200": "nvidia_b200_gpus",
}
_SERVICE = "aiplatform.googleapis.com"


def counts_of(gpu: str) -> tuple[int, ...]:
    """How many of a GPU one machine can have; empty for a GPU that is not in the table."""
    return tuple(_BY_GPU.get(gpu, ()))


def machine_for(gpu: str, count: int) -> Machine:
    """The machine with that many GPUs. PlanError naming the counts that there are."""
    found = _BY_GPU.get(gpu, {}).get(count)
    if found is not None:
        return found
    if gpu not in _BY_GPU:
        raise PlanError(f"Vertex AI has no GPU {gpu!r}.", remedy=f"There are {', '.join(_BY_GPU)}: arrcoc costs")
    counts = counts_of(gpu)
    raise PlanError(
        f"No machine has {count} {gpu} GPUs: there {'is one' if len(counts) == 1 else 'are machines'} with "
        f"{numbers(counts)}.",
        remedy=f"Use count={nearest(counts, count)}, or several machines: arrcoc costs --gpu {gpu}",
    )


def gpu_quota(gpu: str, provisioning: Provisioning) -> str:
    """The quota metric, per region, that counts the GPUs of a job."""
    kind = _QUOTA_GPUS[gpu]
    if provisioning != "on-demand":
        return f"{_SERVICE}/custom_model_training_preemptible_{kind}"
    if gpu == "A100-80GB":
        return f"{_SERVICE}/restricted_image_training_{kind}"
    return f"{_SERVICE}/custom_model_training_{kind}"


def cpu_quota(machine: Machine, provisioning: Provisioning) -> str:
    """The quota metric, per region, that counts the vCPUs of a job: it can refuse one whose GPUs are granted."""
    if provisioning != "on-demand":
        return f"{_SERVICE}/custom_model_training_preemptible_cpus"
    family = "" if machine.family == "n1" else f"{machine.family}_"
    return f"{_SERVICE}/custom_model_training_{family}cpus"


def numbers(counts: tuple[int, ...]) -> str:
    """ "8", "1 or 2", "1, 2, 4 or 8"."""
    words = [str(count) for count in counts]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def nearest(counts: tuple[int, ...], asked: int) -> int:
    """The count next to the one asked for; the larger of two."""
    return min(counts, key=lambda count: (abs(count - asked), -count))
