"""A frozen base that the GPUs of a machine hold together, for one that does not fit into the memory of a single one.

FSDP2 (`torch.distributed.fsdp.fully_shard`) over the decoder layers and the blocks of the vision encoder: every rank
keeps its part of each layer, and puts a layer together for as long as it is computed. Embeddings and head stay whole on
every rank, since the selector reads the embeddings by themselves. The selector is not touched: its gradients are
reduced as ever. Values are the same bit for bit: what is divided is where weights lie, not what is computed.

Every pass is then a collective: all ranks of a machine make the same number of passes, in the same order. Machines do
not share with each other, since the network between them is slower than the bus within one.

    mode "auto"     where the base and a batch would not fit into one GPU; never on the processor
    mode "always"   wherever there is more than one rank on the machine, for tests also on the processor
    mode "never"
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from training.devices import World

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh
    from transformers import PreTrainedModel

    from training.model.arrcoc_qwen import ArrCocQwen

Mode = Literal["auto", "always", "never"]

GB = 1e9


def wants_sharding(mode: Mode, world: World, needed: float, memory: float | None) -> tuple[bool, str]:
    """Whether the base is shared out, and a line that says why, "" where there is nothing to say.

    `needed`: bytes that the whole base and one batch take; `memory`: bytes of this rank's GPU, None on the processor.
    """
    fits = memory is None or needed <= memory
    room = "" if memory is None else f"about {needed / GB:.1f} GB needed, {memory / GB:.0f} GB on each GPU"
    if mode == "never" or (mode == "auto" and fits):
        return False, "" if fits else f"the base may not fit: {room}, and compute.shard_base is never"
    if world.on_this_machine == 1:
        return False, "" if fits else f"the base may not fit: {room}, and there is no other one to share it with"
    why = f": {room}" if mode == "auto" else " (compute.shard_base)"
    return True, f"the base is shared out among the {world.on_this_machine} ranks of each machine{why}"


def load_shared(
    load: Callable[[], ArrCocQwen], world: World, device: torch.device, *, encoder_too: bool = True
) -> ArrCocQwen:
    """What `load` brings into the memory of the host, its base then shared out among the ranks of this machine.

    A collective. One rank of a machine loads after the other, so that the host holds one whole base at a time. Without
    `encoder_too` the vision encoder stays whole on each, and may be called by one alone.
    """
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh

    shape = (world.machines, world.on_this_machine)
    mesh = init_device_mesh(device.type, shape, mesh_dim_names=("machines", "ranks"))["ranks"]
    loaded: list[ArrCocQwen] = []
    for turn in range(world.on_this_machine):
        if turn == world.local_rank:
            model = load()
            _share(model.base.model, mesh, encoder_too)
            nn.Module.to(model.base.model, device)
            model.selector.to(device)
            loaded.append(model)
        dist.barrier()
    return loaded[0]


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A shared-out tensor put together (a collective); any other as it is."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def held_bytes(model: nn.Module) -> tuple[int, int]:
    """Bytes of the parameters that this rank holds, and of the whole model's."""
    from torch.distributed.tensor import DTensor

    own = total = 0
    for parameter in model.parameters():
        size = parameter.element_size()
        total += parameter.numel() * size
        own += (parameter.to_local() if isinstance(parameter, DTensor) else parameter).numel() * size
    return own, total


def _share(model: PreTrainedModel, mesh: DeviceMesh, encoder_too: bool) -> None:
    from torch.distributed.fsdp import fully_shard

    language, vision = model.model.language_model, model.model.visual
    for layer in (*language.layers, *(vision.blocks if encoder_too else ())):
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    fully_shard(language, mesh=mesh, reshard_after_forward=True, ignored_params={model.get_input_embeddings().weight})
    if encoder_too:
        fully_shard(vision, mesh=mesh, reshard_after_forward=True)
