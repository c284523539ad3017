"""Where the trainer computes, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from arrcoc_core.compute import GpuName, Local, Vertex, WandbLaunch
from arrcoc_core.errors import DeviceError
from training.devices import (
    STAND_IN,
    World,
    available_threads,
    check_kind,
    choose_device,
    gpus_asked_for,
    ranks_to_start,
    stand_in_ranks,
)

A100 = Vertex(gpu="A100", count=4, spot=True, regions=())


def test_the_world_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert World.from_environment() == World(rank=0, size=1, local_rank=0)
    monkeypatch.setenv("RANK", "5")
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert World.from_environment() == World(rank=5, size=8, local_rank=1)


def test_gpus_asked_for() -> None:
    assert gpus_asked_for(Local(device="cpu", gpus=1)) == 0
    assert gpus_asked_for(Local(device="auto", gpus=2)) == 0
    assert gpus_asked_for(Local(device="cuda", gpus=2)) == 2
    assert gpus_asked_for(A100) == gpus_asked_for(WandbLaunch(queue="q", vertex=A100)) == 4


def test_one_process_starts_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert ranks_to_start(A100, World()) == 4
    assert ranks_to_start(Local(device="cpu", gpus=1), World()) == 1
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert ranks_to_start(A100, World(rank=1, size=4)) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="hardware: there is a GPU here")
def test_no_silent_run_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STAND_IN, raising=False)
    assert choose_device(Local(device="auto", gpus=1), World()) == torch.device("cpu")
    with pytest.raises(DeviceError, match="4 GPUs asked for, and none") as caught:
        choose_device(A100, World())
    assert caught.value.exit_code == 1  # the rented machine's fault: the next one may be fine


def test_ranks_share_the_cores_and_heed_the_number_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert available_threads(World()) >= available_threads(World(size=2)) >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert available_threads(World()) == 1


DRIVER_NAMES: dict[GpuName, str] = {
    "T4": "Tesla T4",
    "L4": "NVIDIA L4",
    "V100": "Tesla V100-SXM2-16GB",
    "A100": "NVIDIA A100-SXM4-40GB",
    "A100-80GB": "NVIDIA A100-SXM4-80GB",
    "H100": "NVIDIA H100 80GB HBM3",
    "H100-MEGA": "NVIDIA H100 80GB HBM3",
    "H200": "NVIDIA H200",
    "B200": "NVIDIA B200",
}


@pytest.mark.parametrize("asked", DRIVER_NAMES)
def test_a_gpu_of_another_kind_is_an_error(asked: GpuName) -> None:
    for kind, name in DRIVER_NAMES.items():
        if {asked, kind} <= {"H100", "H100-MEGA"} or asked == kind:
            check_kind(Vertex(gpu=asked), name)
        else:
            with pytest.raises(DeviceError, match=f"kind {asked} was asked for"):
                check_kind(Vertex(gpu=asked), name)
    check_kind(Local(device="cuda", gpus=1), "anything")


def test_only_a_machine_that_says_so_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setenv(STAND_IN, "cpu")
    assert choose_device(A100, World(), said.append) == torch.device("cpu")
    assert "NO GPU HERE" in said[0] and "4 x A100" in said[0]
    assert stand_in_ranks(1) == 1
    assert stand_in_ranks(8) in (1, 2, 4, 8)
