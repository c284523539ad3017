"""The experiment of an item from the web page: what the item says, over its job's run, over `.training`.

The config that our trainer logs is the experiment itself (training/tracking.py), so a run's page shows its fields, and
what is changed there comes back as `overrides.run_config`: nested, or as dotted paths. Where it runs is said by the
queue's template variables first, then by the config. Everything is checked as if it had been written in a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from arrcoc_core.encoding import decode
from arrcoc_core.errors import ExperimentError
from arrcoc_core.experiment import Experiment, Vertex, WandbLaunch
from arrcoc_core.paths import with_paths
from arrcoc_core.queue.orders import Refused
from arrcoc_core.queue.shape import Choice
from arrcoc_core.values import Site, field_names

_SITE = Site("set", "the item", 0)
_MACHINE = re.compile(r"compute\.(?:vertex\.)?(\w+)")
_NOT_OURS = ("_wandb", "wandb_version")
"""What W&B itself writes into a config."""


def experiment_of(
    overrides: Mapping[str, Any], base: Mapping[str, Any], choice: Choice, queue: str, name: str
) -> Experiment:
    """The experiment to run through `queue`. Refused where a value is not one."""
    paths = _flat(_plain(overrides))
    held = {key: value for key, value in _plain(base).items() if key != "compute"}
    start, _ = decode({**held, "name": _name(str(paths.pop("name", "")) or str(held.get("name", "")) or name)})
    machine = {**_machine(_flat(_plain(base))), **_machine(paths)}
    chosen = {"gpu": choice.gpu, "count": choice.count, "spot": choice.spot, "regions": choice.regions}
    machine |= {key: value for key, value in chosen.items() if value is not None}
    try:
        vertex = Vertex(**machine)
        changed = with_paths(start, {path: _value(value) for path, value in paths.items() if _inside(path)}, _SITE)
    except ExperimentError as error:
        raise Refused(f"its configuration is wrong: {error.message}", remedy=error.remedy) from error
    return changed.but(compute=WandbLaunch(queue=queue, vertex=vertex))


def _machine(paths: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Vertex` among a config's paths."""
    known = set(field_names(Vertex)) - {"kind"}
    found: dict[str, Any] = {}
    for path, value in paths.items():
        match = _MACHINE.fullmatch(path)
        if match is not None and match[1] in known:
            found[match[1]] = _value(value)
    return found


def _inside(path: str) -> bool:
    return not path.startswith("compute.") and path not in _NOT_OURS


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without W&B's own entries, and without its wrapping of values ({"value": …, "desc": …})."""
    found: dict[str, Any] = {}
    for name, held in config.items():
        if name in _NOT_OURS:
            continue
        wrapped = isinstance(held, dict) and "value" in held and held.keys() <= {"value", "desc"}
        found[name] = held["value"] if wrapped else held
    return found


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted path -> value."""
    found: dict[str, Any] = {}
    for name, held in config.items():
        if isinstance(held, dict):
            found |= _flat(held, f"{prefix}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            found[f"{prefix}{name}"] = held
    return found


def _value(value: Any) -> Any:
    """As the experiment's types have it: JSON has lists, and may have lost the difference between 4 and 4.0."""
    if isinstance(value, list):
        return tuple(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value


def _name(text: str) -> str:
    """A name as an experiment may have it."""
    plain = re.sub(r"[^A-Za-z0-9._/,+=-]+", "-", text).strip("-._/,+=")
    return plain[:120] or "queued"
