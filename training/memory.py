"""When memory runs out: what was asked of it, and which batch would fit, as an error that says how to go on.

The arithmetic is the plan's (arrcoc_core/memory.py). Here it goes by the base's own configuration, by what the weights
were measured to take, and by the failure itself: a batch that did not fit takes more than there was.
"""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from arrcoc_core.errors import ArrcocError, OutOfMemoryError
from arrcoc_core.experiment import Experiment
from arrcoc_core.memory import (
    PROMPT_TOKENS,
    SELECTOR_BYTES,
    USABLE,
    Fit,
    Shape,
    fitting,
    goes_through,
    question_bytes,
    weights_bytes,
)

GB = 1e9
_SIGNS = ("can't allocate memory", "not enough memory", "std::bad_alloc", "cannot allocate memory", "out of memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: the GPU's, or this machine's."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError | OSError) and any(sign in str(error).lower() for sign in _SIGNS)


def stored_shape(folder: Path) -> tuple[Shape, int]:
    """Sizes of the base in a folder, without loading it, and bytes of a stored value."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    values = size = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - it is no dict
                held = tensors.get_slice(name)
                count = 1
                for extent in held.get_shape():
                    count *= extent
                values += count
                size += count * _VALUE_BYTES.get(held.get_dtype(), 4)
    return shape_of(config, float(values)), max(1, round(size / max(1, values)))


def shape_of(config: Mapping[str, Any], parameters: float) -> Shape:
    """Sizes by a `config.json`."""
    text, vision = config["text_config"], config["vision_config"]
    tied = config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))
    working = text.get("num_experts_per_tok", 0) * text.get("moe_intermediate_size", 0)
    return Shape(
        parameters=parameters,
        whole=float(text["vocab_size"] * text["hidden_size"] * (1 if tied else 2)),
        hidden=text["hidden_size"],
        intermediate=working or text["intermediate_size"],
        layers=text["num_hidden_layers"],
        vision_hidden=vision["hidden_size"],
        vision_intermediate=vision["intermediate_size"],
        levels=len(vision["deepstack_visual_indexes"]),
    )


_VALUE_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "U8": 1}


@dataclass
class Room:
    """What a training needs of a device's memory, as far as it is known by now."""

    experiment: Experiment
    shape: Shape
    value_bytes: int
    visual: int
    """N, visual tokens of a picture."""
    total: float
    """Bytes of the device's memory, or that this process may have of the machine's."""
    device: str
    shares: int = 1
    """Ranks that hold the base together."""
    fixed: float = 0.0
    """Bytes in use before the first pass, once they are measured."""

    @staticmethod
    def of(experiment: Experiment, folder: Path, visual: int, device: torch.device) -> Room:
        """Before the base in `folder` is loaded."""
        shape, stored = stored_shape(folder)
        name = "this machine"
        if device.type == "cuda":
            name = f"the {torch.cuda.get_device_name(device)}"
        value_bytes = stored if experiment.train.bf16 else 4
        return Room(experiment, shape, value_bytes, visual, memory_of(device), name)

    @property
    def usable(self) -> float:
        """Bytes that tensors can have."""
        return self.total * USABLE

    @property
    def weights(self) -> float:
        """Bytes that do not go by the batch: measured, else by the base's sizes."""
        return self.fixed or weights_bytes(self.shape, self.value_bytes, self.shares) + SELECTOR_BYTES

    @property
    def needed(self) -> float:
        """Bytes for weights and one forward pass, with the base in as many shares as it is."""
        train = self.experiment.train
        return self.weights + train.batch_size * self.per_question(train.gradient_checkpointing)

    def per_question(self, checkpointing: bool) -> float:
        """Bytes that one question of a pass takes."""
        text = self.experiment.data.max_seq_length + PROMPT_TOKENS
        return question_bytes(
            self.shape,
            self.visual,
            text,
            self.value_bytes,
            through=goes_through(self.experiment.train.objective),
            checkpointing=checkpointing,
        )

    def settle(self, device: torch.device) -> None:
        """All is loaded, and the first pass not made: measure."""
        self.fixed = float(torch.cuda.memory_allocated(device)) if device.type == "cuda" else resident_bytes()

    def error(self, failure: BaseException) -> ArrcocError:
        """What to tell instead of `failure`, by which memory ran out."""
        train = self.experiment.train
        fit = self.fit()
        recompute = train.gradient_checkpointing
        each = self._at_least(recompute)
        said = str(failure).partition("\n")[0][:200] or type(failure).__name__
        message = (
            f"out of memory: {train.batch_size} question{'s' if train.batch_size > 1 else ''} a pass, about pictures "
            f"of {self.visual:,} visual tokens, take about {train.batch_size * each / GB:.2f} GB beside "
            f"{self.weights / GB:.2f} GB for the base and all else, and {self.device} has {self.usable / GB:.2f} GB "
            f"({said})"
        )
        return OutOfMemoryError(message, remedy=self._remedy(fit))

    def fit(self) -> Fit | None:
        """The batch that would fit, with as many questions a step."""
        train = self.experiment.train
        return fitting(
            train.batch_size,
            train.gradient_accumulation_steps,
            checkpointing=train.gradient_checkpointing,
            fixed=self.weights,
            per_question=self._at_least,
            limit=self.usable,
        )

    def _at_least(self, checkpointing: bool) -> float:
        """Bytes of a question, estimated, and scaled up where the batch that failed shows that they are more."""
        train = self.experiment.train
        failed = (self.usable - self.weights) / train.batch_size
        return self.per_question(checkpointing) * max(1.0, failed / self.per_question(train.gradient_checkpointing))

    def _remedy(self, fit: Fit | None) -> str:
        train = self.experiment.train
        if fit is None:
            shared = "" if self.shares > 1 else "more GPUs that share the base (compute.shard_base), "
            return (
                f"Not even one question would fit: take {shared}smaller pictures (data.image_size), a smaller base, or "
                "more memory."
            )
        changes = {"train.batch_size": str(fit.batch_size), "train.gradient_accumulation_steps": str(fit.accumulation)}
        if fit.checkpointing != train.gradient_checkpointing:
            changes["train.gradient_checkpointing"] = "true"
        set_them = " ".join(f"--set {path}={value}" for path, value in changes.items())
        needed = self.weights + fit.batch_size * self._at_least(fit.checkpointing)
        return (
            f"About {needed / GB:.2f} GB, with the same {fit.batch_size * fit.accumulation} questions a step:\n"
            f"arrcoc launch {self.experiment.name} {set_them}"
        )


def memory_of(device: torch.device) -> float:
    """Bytes of the GPU; else what this process may have of the machine: its memory, its control group, its limit."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[1])
    limits = [float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))]
    group = Path("/sys/fs/cgroup/memory.max")
    if group.is_file() and group.read_text().strip().isdigit():
        limits.append(float(group.read_text()))
    addresses = resource.getrlimit(resource.RLIMIT_AS)[0]
    if addresses != resource.RLIM_INFINITY:  # what is mapped and not used, such as libraries, counts there, too
        limits.append(max(0.0, addresses - _statm(0) + _statm(1)))
    return min(limits)


def resident_bytes() -> float:
    """Of this process, now."""
    return _statm(1)


def _statm(field: int) -> float:
    """0: mapped, 1: resident; bytes."""
    return float(int(Path("/proc/self/statm").read_text().split()[field]) * os.sysconf("SC_PAGE_SIZE"))
