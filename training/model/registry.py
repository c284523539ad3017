"""Bases by name: the tiny one that ships, and Qwen3-VL from the Hugging Face Hub.

A base of the Hub is loaded at one commit: `pin_base` says which, once, and a run keeps to it however its repository
moves on. Classes are ours, weights come from safetensors only (a pickle can run code), and none of a repository's own
code is ever run: one that wants that is refused. A base is loaded to be read only: evaluation mode, no gradients;
`parameters_hash` says whether it is still bitwise what was loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from httpx2 import HTTPError
from huggingface_hub import snapshot_download
from torch import nn
from transformers import (
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2VLImageProcessorPil,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMoeForConditionalGeneration,
)
from transformers.utils import logging as transformers_logging

from arrcoc_core.errors import ConfigError
from training.model import attention
from training.model.attention import Attention
from training.sharding import whole

TINY_FOLDER = Path(__file__).parents[1] / "tiny" / "base"
SHIPPED = {
    "tiny": TINY_FOLDER,
    "tiny-hard": TINY_FOLDER.with_name("hard_base"),
    "tiny-hardened": TINY_FOLDER.with_name("hardened_base"),
}
HUB_NAMES = (
    "Qwen/Qwen3-VL-2B-Instruct",
    "Qwen/Qwen3-VL-4B-Instruct",
    "Qwen/Qwen3-VL-8B-Instruct",
    "Qwen/Qwen3-VL-30B-A3B-Instruct",
)
NAMES = (*SHIPPED, *HUB_NAMES)

_CLASSES: dict[str, type[PreTrainedModel]] = {
    "qwen3_vl": Qwen3VLForConditionalGeneration,
    "qwen3_vl_moe": Qwen3VLMoeForConditionalGeneration,
}
_FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_IMAGES = "preprocessor_config.json"
_CUT = {"patch_size": "patch_size", "merge_size": "spatial_merge_size", "temporal_patch_size": "temporal_patch_size"}
"""How pictures are cut into patches: as that file calls it, and as the vision tower does."""
_OWN_CODE = "auto_map"
"""Key by which a repository says which of its own Python files transformers should load."""


@dataclass(frozen=True)
class Base:
    """A frozen base with what turns text and pictures into its inputs. `name` is what it was asked for by.

    `revision`: the commit on the Hub that was loaded; "" for the tiny base and for folders.
    """

    name: str
    revision: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    image_processor: Qwen2VLImageProcessorPil

    @property
    def title(self) -> str:
        """ "name@revision", or the name alone."""
        return f"{self.name}@{self.revision}" if self.revision else self.name

    @property
    def hidden_size(self) -> int:
        """Width of the language model's embeddings."""
        return self.model.config.text_config.hidden_size

    @property
    def device(self) -> torch.device:
        return self.model.device


def pin_base(name: str, revision: str = "") -> str:
    """The commit that `revision` ("" = the newest) of a base on the Hub is now; "" for the tiny base and folders.

    A commit is taken as it is. Without the Hub it is the one whose files are on this machine. Errors as `load_base`.
    """
    if name not in HUB_NAMES or _COMMIT.fullmatch(revision):
        return revision
    folder = _fetch(name, revision, ("*config.json",))
    _refuse_own_code(name, folder)
    return folder.name


def load_base(
    name: str,
    revision: str = "",
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    kind: Attention = "sdpa",
) -> Base:
    """The base called `name` (one of `NAMES`, or a folder in the Hub's format), frozen, on `device`.

    `revision`: which one of the Hub's, "" for the newest. `dtype` None: the one its weights are stored in.
    `kind` of attention: see `attention.prepare`. Raises
    ConfigError for an unknown name, a folder that holds no Qwen3-VL, has damaged files or wants code of its own to be
    run, and a Hub that cannot be reached.
    """
    folder = find_folder(name, revision)
    _refuse_own_code(name, folder)
    model_type = str(_read_config(name, folder / "config.json").get("model_type", ""))
    if model_type not in _CLASSES:
        raise ConfigError(
            f"{name} is a {model_type or 'model without a type'}, not a Qwen3-VL",
            remedy=f"Choose from {', '.join(NAMES)}.",
        )
    if not any(folder.glob("*.safetensors")):
        raise ConfigError(
            f"{name} has no safetensors weights, and pickled ones are not loaded: they can run code",
            remedy=f"Choose from {', '.join(NAMES)}.",
        )
    transformers_logging.disable_progress_bar()
    model = _CLASSES[model_type].from_pretrained(
        folder, dtype=dtype or "auto", local_files_only=True, use_safetensors=True, trust_remote_code=False
    )
    model.to(device).eval().requires_grad_(False)
    attention.prepare(model, kind)
    tokenizer = AutoTokenizer.from_pretrained(
        folder, padding_side="left", local_files_only=True, trust_remote_code=False
    )
    images = _image_processor(name, folder, model)
    return Base(name, folder.name if name in HUB_NAMES else "", model, tokenizer, images)


def find_folder(name: str, revision: str = "") -> Path:
    """Where a base's files lie on this machine; those of a Hub name are fetched first when they are not there."""
    if name in SHIPPED:
        return SHIPPED[name]
    if name in HUB_NAMES:
        return _fetch(name, revision, _FILES)
    if (Path(name) / "config.json").is_file():
        return Path(name)
    raise ConfigError(f"there is no base model {name!r}", remedy=f"Choose from {', '.join(NAMES)}.")


def token_side(name: str) -> int:
    """Pixels a side of one visual token, without loading or fetching anything: all of Qwen3-VL on the Hub have 32.

    Raises ConfigError for a name that is neither known nor a folder.
    """
    if name in HUB_NAMES:
        return 32
    vision = _read_config(name, find_folder(name) / "config.json")["vision_config"]
    return vision["patch_size"] * vision["spatial_merge_size"]


def visual_tokens(name: str, image_size: int) -> int:
    """N, the visual tokens of a square picture of `image_size` px. Raises ConfigError unless it divides evenly."""
    side = token_side(name)
    if image_size < side or image_size % side:
        raise ConfigError(
            f"pictures of {image_size} px do not divide into the visual tokens of {name}, {side} px a side",
            remedy=f"Take a multiple of {side}.",
        )
    return (image_size // side) ** 2


def parameters_hash(module: nn.Module) -> str:
    """SHA-256 in hex over names, types, shapes and bytes of all parameters and buffers: equal means bitwise equal.

    Of a base that several ranks share it is the hash of the whole, and all of them have to ask for it.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(whole(tensor.detach()).cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def weights_id(name: str, revision: str = "") -> str:
    """What tells a base's weights from others, whatever they are loaded as: of the Hub name and commit, else a SHA-256.

    The hash is over the names and bytes of the folder's safetensors files.
    """
    if name in HUB_NAMES:
        return f"{name}@{revision}"
    files = sorted(find_folder(name).glob("*.safetensors"))
    return _files_hash(tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files))


@lru_cache(maxsize=4)
def _files_hash(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Of files as they are now: path, size, and time of the last change, each."""
    digest = hashlib.sha256()
    for file, size, _ in files:
        digest.update(f"{file.name} {size};".encode())
        with file.open("rb") as held:
            digest.update(hashlib.file_digest(held, "sha256").digest())
    return f"sha256:{digest.hexdigest()}"


def _fetch(name: str, revision: str, patterns: Sequence[str]) -> Path:
    """The folder of one commit, which is what it is called."""
    endpoint = os.environ.get("HF_ENDPOINT") or None
    try:
        return Path(
            snapshot_download(name, revision=revision or None, allow_patterns=list(patterns), endpoint=endpoint)
        )
    except (OSError, HTTPError) as error:
        at = f" at {revision}" if revision else ""
        raise ConfigError(
            f"{name}{at} is not on this machine and could not be fetched from the Hugging Face Hub: {error}",
            remedy='Check the network (and HF_HUB_OFFLINE), or take Model(base="tiny"), which needs neither.',
        ) from error


def _refuse_own_code(name: str, folder: Path) -> None:
    """ConfigError when a repository names Python files of its own to be run in place of known classes."""
    for path in sorted(folder.glob("*config.json")):
        if _read_config(name, path).get(_OWN_CODE):
            raise ConfigError(
                f"{name} wants code of its own to be run ({_OWN_CODE} in {path.name}), and no code is taken from the "
                "Hub",
                remedy=f"Take a base without it: {', '.join(NAMES)}.",
            )


def _read_config(name: str, file: Path) -> dict[str, Any]:
    """A JSON file of the base `name`. Raises ConfigError where it holds no object."""
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:  # no UTF-8, no JSON
        raise _damaged(name, file, str(error)) from error
    if not isinstance(held, dict):
        raise _damaged(name, file, "it holds no JSON object")
    return held


def _image_processor(name: str, folder: Path, model: PreTrainedModel) -> Qwen2VLImageProcessorPil:
    """What brings pictures before `model`. Raises ConfigError for a file that says nothing of use about it."""
    file, vision = folder / _IMAGES, model.config.vision_config
    try:
        images = Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, TypeError) as error:  # of whatever checks its values
        raise _damaged(name, file, str(error)) from error
    for own, of_tower in _CUT.items():
        said, expected = getattr(images, own), getattr(vision, of_tower)
        if said != expected:
            raise _damaged(name, file, f"{own} is {said!r}, and {expected!r} in the vision tower")
    return images


def _damaged(name: str, file: Path, wrong: str) -> ConfigError:
    if name in HUB_NAMES:
        remedy = f"Delete {file.parents[2]}: the next start fetches it again."
    else:
        remedy = f"Put {file.name} there again from where this base comes from."
    return ConfigError(f"the base {name} cannot be used: {file}: {wrong}", remedy=remedy)
