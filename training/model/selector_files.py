"""A selector's config.json and weights, read with errors that say what is wrong with them.

    {"base": "tiny", "base_revision": "", "base_weights": "sha256:…", "selector": {"hidden_size": 128, …}}

`base_weights` is `registry.weights_id` of the base that it was trained before; results of older versions have none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from arrcoc_core.errors import ConfigError
from training.model.files import CONFIG, WEIGHTS
from training.model.registry import weights_id
from training.model.selector import Selector, SelectorConfig

_REMEDY = "Copy or fetch the whole folder anew: it is the result/ of a run, or a repository of the Hub."


@dataclass(frozen=True)
class BaseNamed:
    """The base that a selector was trained before, and the only one that it can be used with."""

    name: str
    revision: str
    weights: str

    def check(self, folder: Path) -> None:
        """ConfigError when the base of this name has other weights now."""
        found = weights_id(self.name, self.revision)
        if self.weights and found != self.weights:
            raise ConfigError(
                f"the selector in {folder} was trained with a base of the weights {self.weights}, and {self.name} has "
                f"{found}",
                remedy=f'Name in {CONFIG} the base that it was trained with ("base"), or put its files back.',
            )


def read_base(folder: Path) -> BaseNamed:
    """Which base the selector in `folder` belongs to."""
    held = _config(folder)
    if not isinstance(held.get("base"), str):
        raise ConfigError(f"{folder / CONFIG} does not name the base of the selector", remedy=_REMEDY)
    return BaseNamed(held["base"], held.get("base_revision", ""), held.get("base_weights", ""))


def load_selector(folder: Path) -> Selector:
    """The selector alone that `ArrCocQwen.save_pretrained` wrote, for evaluation, on the CPU."""
    try:
        selector = Selector(SelectorConfig(**_config(folder)["selector"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{folder / CONFIG} does not describe a selector: {type(error).__name__}: {error}", remedy=_REMEDY
        ) from error
    try:
        selector.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{folder / WEIGHTS} cannot be read: {error}", remedy=_REMEDY) from error
    except RuntimeError as error:  # other tensors, or of other sizes
        raise ConfigError(
            f"the weights in {folder / WEIGHTS} are not those of the selector that {CONFIG} describes: {error}",
            remedy=_REMEDY,
        ) from error
    return selector.eval()


def _config(folder: Path) -> dict[str, Any]:
    try:
        held = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder / CONFIG} cannot be read: {error}", remedy=_REMEDY) from error
    if not isinstance(held, dict):
        raise ConfigError(f"{folder / CONFIG} is no object", remedy=_REMEDY)
    return held
