"""Where the trainer computes, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from arrcoc_core.errors import DeviceError
from arrcoc_core.experiment import Local, Vertex, WandbLaunch
from training.devices import World, available_threads, choose_device, gpus_asked_for, ranks_to_start

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
def test_no_silent_run_on_the_processor() -> None:
    assert choose_device(Local(device="auto", gpus=1), World()) == torch.device("cpu")
    with pytest.raises(DeviceError, match="4 GPUs asked for, and none"):
        choose_device(A100, World())


def test_ranks_share_the_cores() -> None:
    assert available_threads(World()) >= available_threads(World(size=2)) >= 1
