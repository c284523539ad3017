"""Where the trainer computes: the device, the ranks, and what makes a computation repeatable there.

`torchrun` and `training.ranks` describe the ranks in the environment (RANK, WORLD_SIZE, LOCAL_RANK); without them
there is one. A GPU that was asked for and is not there, or is of another kind, is an error, never a silent run on the
CPU; except on a machine that says of itself that it stands in for one (the sandbox's do), and then the log says so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from arrcoc_core.compute import Compute, Local, ShardBase, Vertex, WandbLaunch
from arrcoc_core.errors import ConfigError, DeviceError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

STAND_IN = "ARRCOC_STAND_IN_DEVICE"
"""Variable of a machine without GPUs that stands in for one with them; its value is "cpu"."""
GPU_NAMES = {
    "T4": r"\bT4\b",
    "L4": r"\bL4\b",
    "V100": r"\bV100\b",
    "A100": r"\bA100\b(?!.*80 ?GB)",
    "A100-80GB": r"\bA100\b.*80 ?GB",
    "H100": r"\bH100\b",
    "H100-MEGA": r"\bH100\b",
    "H200": r"\bH200\b",
    "B200": r"\bB200\b",
}
"""Our name of a GPU -> what its driver calls it ("NVIDIA A100-SXM4-80GB"). H100-MEGA differs by its network only."""


@dataclass(frozen=True)
class World:
    """This process among its fellows: `rank` of `size` in all, `local_rank` on this one of `machines`."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    machines: int = 1

    @staticmethod
    def from_environment() -> World:
        """Machines are told apart by LOCAL_WORLD_SIZE, ranks of each, where that is set and the same on all."""
        get = os.environ.get
        size = int(get("WORLD_SIZE", "1"))
        here = int(get("LOCAL_WORLD_SIZE") or size)
        machines = size // here if size % here == 0 else size
        return World(int(get("RANK", "0")), size, int(get("LOCAL_RANK", "0")), machines)

    @property
    def on_this_machine(self) -> int:
        """Ranks of this machine."""
        return self.size // self.machines


def gpus_asked_for(compute: Compute) -> int:
    """How many GPUs the experiment cannot do without; 0 where a CPU is welcome."""
    if isinstance(compute, Local):
        return compute.gpus if compute.device == "cuda" else 0
    return (compute if isinstance(compute, Vertex) else compute.vertex).count


def shard_base_of(compute: Compute) -> ShardBase:
    """Whether the ranks of a machine are to hold the base together."""
    return (compute.vertex if isinstance(compute, WandbLaunch) else compute).shard_base


def ranks_to_start(compute: Compute, world: World) -> int:
    """How many ranks this process has to start; 1 where it is to train itself, as one of several or alone."""
    if world.size > 1 or "WORLD_SIZE" in os.environ or (isinstance(compute, Local) and compute.gpus == 1):
        return 1
    asked = gpus_asked_for(compute)
    if not asked and isinstance(compute, Local) and compute.device == "auto":
        import torch

        asked = min(compute.gpus, torch.cuda.device_count())
    return max(asked, 1)


def stand_in_ranks(count: int) -> int:
    """How many processes stand in for `count` GPUs: as many, or fewer where there are fewer cores; a power of two."""
    return 1 << (min(count, len(os.sched_getaffinity(0))).bit_length() - 1)


def choose_device(compute: Compute, world: World, say: Callable[[str], None] = lambda _: None) -> torch.device:
    """The device of this rank. Raises DeviceError when GPUs were asked for and fewer, or others, are there."""
    import torch

    asked, there = gpus_asked_for(compute), _gpus_here()
    if asked and not isinstance(compute, Local) and os.environ.get(STAND_IN) == "cpu":
        say(
            f"NO GPU HERE: this machine only stands in for one with {asked} x {_kind(compute)} ({STAND_IN}=cpu); "
            "computing on the processor"
        )
        return torch.device("cpu")
    if asked > there:
        raise _device_error(
            compute,
            f"{asked} GPU{'s' if asked > 1 else ''} asked for, and {there or 'none'} "
            f"{'is' if there < 2 else 'are'} to be seen here",
            remedy='Set compute=Local(device="cpu") to train on the processor, or check the driver with nvidia-smi.',
        )
    wants_cpu = isinstance(compute, Local) and compute.device == "cpu"
    if there and not wants_cpu:
        check_kind(compute, torch.cuda.get_device_name(world.local_rank))
        torch.cuda.set_device(world.local_rank)
        return torch.device("cuda", world.local_rank)
    return torch.device("cpu")


def _gpus_here() -> int:
    """How many GPUs torch can use."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def device_called(name: str) -> torch.device:
    """The device that a command line calls "cpu", "cuda", "cuda:1" or "auto": a GPU, if there is one.

    Raises ConfigError for another name, DeviceError for a GPU that is not there.
    """
    import torch

    there = _gpus_here()
    if name == "auto":
        return torch.device("cuda" if there else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
        raise ConfigError(f"there is no device {name!r}", remedy='Take "cpu", "cuda" or "auto".')
    if kind == "cuda" and int(number or 0) >= there:
        raise DeviceError(
            f"--device {name}: {there or 'no'} GPU{'' if there == 1 else 's'} here that torch can use",
            remedy='Take "cpu", or check with nvidia-smi.',
        )
    return torch.device(name)


def _kind(compute: Compute) -> str:
    """Our name of the GPU asked for; "" where any will do."""
    if isinstance(compute, Local):
        return ""
    return (compute if isinstance(compute, Vertex) else compute.vertex).gpu


def check_kind(compute: Compute, there: str) -> None:
    """DeviceError when a GPU that its driver calls `there` is not of the kind asked for."""
    asked = _kind(compute)
    if asked in GPU_NAMES and not re.search(GPU_NAMES[asked], there):
        raise _device_error(
            compute,
            f"a GPU of the kind {asked} was asked for, and this machine has a {there}",
            remedy="The machine is not the one that was planned and paid for: check the job's machine type.",
        )


def _device_error(compute: Compute, message: str, remedy: str) -> DeviceError:
    """A wrong configuration here; on a rented machine the machine is to blame (exit 1), and the next may be fine."""
    error = DeviceError(message, remedy=remedy)
    if not isinstance(compute, Local):
        error.exit_code = 1
    return error


def available_threads(world: World) -> int:
    """Processor cores this process may use, shared among the ranks; OMP_NUM_THREADS, where it is set, is the most."""
    cores = len(os.sched_getaffinity(0)) // world.on_this_machine
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cores, int(asked)) if asked.isdecimal() else cores)


def make_repeatable(threads: int, device: torch.device) -> None:
    """The same numbers from the same inputs: sums depend on how many threads share them, so that is fixed too."""
    import torch

    torch.set_num_threads(threads)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)  # the few that have no repeatable form are named


def join_world(world: World, device: torch.device) -> None:
    """Meet the other ranks; nothing to do for one."""
    if world.size > 1:
        import torch.distributed as dist

        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")


def agreed(choose: Callable[[], T], world: World) -> T:
    """What the first rank chooses, on every rank: a look at the world outside may tell each of them something else."""
    if world.size == 1:
        return choose()
    import torch.distributed as dist

    chosen = [choose() if world.rank == 0 else None]
    dist.broadcast_object_list(chosen, src=0)
    return cast("T", chosen[0])


def leave_world(world: World) -> None:
    if world.size > 1:
        import torch.distributed as dist

        dist.barrier()
        dist.destroy_process_group()
