"""The one table: every machine is one that the API can name, and its quotas are Vertex AI's own."""

from __future__ import annotations

from typing import get_args

import pytest

from arrcoc_core.catalog import MACHINES, Machine, counts_of, cpu_quota, gpu_quota, machine_for, machine_name
from arrcoc_core.catalog.regions import REGIONS, nearest_regions, regions_of
from arrcoc_core.compute import GpuName
from arrcoc_core.errors import PlanError


def test_the_table_has_each_gpu_of_the_language_and_each_count_once() -> None:
    assert {machine.gpu for machine in MACHINES} == set(get_args(GpuName))
    keys = [(machine.gpu, machine.count) for machine in MACHINES]
    assert len(keys) == len(set(keys))
    types = [(machine.machine_type, machine.accelerator_type) for machine in MACHINES]
    assert len(types) == len(set(types))


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_the_api_takes_every_machine(machine: Machine) -> None:
    from google.cloud.aiplatform_v1 import AcceleratorType, DiskSpec, MachineSpec

    spec = MachineSpec(
        machine_type=machine.machine_type,
        accelerator_type=AcceleratorType[machine.accelerator_type],
        accelerator_count=machine.count,
    )
    assert spec.accelerator_type != AcceleratorType.ACCELERATOR_TYPE_UNSPECIFIED
    # The disks that the API's own documentation of DiskSpec names.
    assert DiskSpec(boot_disk_type=machine.disk_type).boot_disk_type in ("pd-ssd", "pd-standard", "hyperdisk-balanced")
    # Machines without Persistent Disk: a3-ultragpu and a4.
    assert (machine.disk_type == "hyperdisk-balanced") == (machine.gpu in ("H200", "B200"))


def test_a_machine_type_that_says_its_gpus_has_that_many() -> None:
    for machine in MACHINES:
        size = machine.machine_type.rsplit("-", 1)[1]
        if size.endswith("g"):
            assert int(size.removesuffix("g")) == machine.count, machine
        else:  # n1 and g2 say their vCPUs
            assert int(size) == machine.vcpus, machine


def test_what_is_offered_how() -> None:
    def ways(gpu: str, count: int) -> set[str]:
        return set(machine_for(gpu, count).provisioning)

    everything = {"spot", "flex", "on-demand"}
    assert ways("A100", 1) == ways("L4", 8) == ways("H100", 8) == ways("B200", 8) == everything
    assert all("flex" not in ways(gpu, count) for gpu in ("T4", "V100") for count in counts_of(gpu))
    assert all(ways("H100", count) == {"spot", "flex"} for count in (1, 2, 4))


@pytest.mark.parametrize(
    ("gpu", "count", "there", "remedy"),
    [
        ("A100", 3, "1, 2, 4, 8 or 16", "count=4"),
        ("L4", 16, "1, 2, 4 or 8", "count=8"),
        ("H200", 1, "8", "count=8"),
        ("T4", 3, "1, 2 or 4", "count=4"),
    ],
)
def test_a_count_that_no_machine_has_is_refused_with_those_that_there_are(
    gpu: str, count: int, there: str, remedy: str
) -> None:
    with pytest.raises(PlanError, match=f"No machine has {count} {gpu}") as raised:
        machine_for(gpu, count)
    assert there in raised.value.message and remedy in raised.value.remedy and raised.value.exit_code == 2


def test_an_unknown_gpu_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(PlanError, match="no GPU 'K80'") as raised:
        machine_for("K80", 1)
    assert "A100-80GB" in raised.value.remedy and counts_of("K80") == ()


def test_quotas_are_vertex_ais_own_and_spot_and_flex_share_one() -> None:
    prefix = "aiplatform.googleapis.com/"
    for machine in MACHINES:
        spot, flex, full = (gpu_quota(machine.gpu, way) for way in ("spot", "flex", "on-demand"))
        assert spot == flex and "_preemptible_nvidia_" in spot and "preemptible" not in full
        assert cpu_quota(machine, "spot") == cpu_quota(machine, "flex")
        assert all(name.startswith(prefix) for name in (spot, full, cpu_quota(machine, "on-demand")))
    assert gpu_quota("L4", "spot") == prefix + "custom_model_training_preemptible_nvidia_l4_gpus"
    assert gpu_quota("A100-80GB", "on-demand") == prefix + "restricted_image_training_nvidia_a100_80gb_gpus"
    assert cpu_quota(machine_for("L4", 1), "spot") == prefix + "custom_model_training_preemptible_cpus"
    assert cpu_quota(machine_for("T4", 1), "on-demand") == prefix + "custom_model_training_cpus"
    assert cpu_quota(machine_for("A100", 1), "on-demand") == prefix + "custom_model_training_a2_cpus"


def test_every_gpu_is_somewhere_and_only_in_regions_of_vertex_ai() -> None:
    for gpu in get_args(GpuName):
        regions = regions_of(gpu)
        assert "us-central1" in regions and set(regions) <= set(REGIONS) and len(regions) == len(set(regions))
    assert nearest_regions("us-centrl1")[0] == "us-central1" and nearest_regions("mars") == ()


def test_the_name_that_past_runs_are_known_by() -> None:
    assert machine_for("L4", 1).name == machine_name("L4", 1) == "1 x L4 (Vertex)"
    assert machine_name("H100", 8, 2) == "2 machines of 8 x H100 (Vertex)"
