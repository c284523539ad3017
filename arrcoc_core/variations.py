"""Variations without copies: `sweep` makes the points of a grid over one experiment.

    token_budget = sweep(quickstart, {"tokens.keep": [2, 4, 8], "train.seed": [1, 2]}, name="token_budget")

**Order**: like nested for-loops in the order the fields are written: the first field varies slowest.
**Names**: the sweep's name (the base's where none is given), a slash, and `field-value` of each swept field, joined by
commas: `token_budget/keep-2,seed-1`. Fields have short names (`learning_rate` is `lr`) as long as those are unique in
the grid; values are written as briefly as they can be read back. Two points never share a name.

Every point is an ordinary `Experiment`; each swept value knows `sweep` as its source. The type checker knows which
values each path takes (`Grid`).
"""

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, cast, overload

from arrcoc_core.errors import ExperimentError
from arrcoc_core.experiment import Experiment
from arrcoc_core.paths import check_path, with_paths
from arrcoc_core.values import Site, here

if TYPE_CHECKING:
    from arrcoc_core.compute import Device, GpuName, ShardBase
    from arrcoc_core.experiment import BadPictures, Balance, BaseName, Features, Objective, Resize

    Grid = TypedDict(
        "Grid",
        {
            "model.base": Sequence[BaseName],
            "model.revision": Sequence[str],
            "model.features": Sequence[Features],
            "model.balance": Sequence[Balance],
            "tokens.keep": Sequence[int],
            "tokens.share": Sequence[float],
            "tokens.mass": Sequence[float],
            "data.dataset": Sequence[str],
            "data.split_train": Sequence[str],
            "data.split_val": Sequence[str],
            "data.max_train_samples": Sequence[int],
            "data.streaming": Sequence[bool],
            "data.bad_pictures": Sequence[BadPictures],
            "data.image_size": Sequence[int],
            "data.resize": Sequence[Resize],
            "data.min_pixels": Sequence[int],
            "data.prompt": Sequence[str],
            "data.max_seq_length": Sequence[int],
            "data.num_workers": Sequence[int],
            "data.prefetch_factor": Sequence[int],
            "data.feature_cache_gb": Sequence[float],
            "train.learning_rate": Sequence[float],
            "train.weight_decay": Sequence[float],
            "train.warmup_ratio": Sequence[float],
            "train.batch_size": Sequence[int],
            "train.gradient_accumulation_steps": Sequence[int],
            "train.epochs": Sequence[int],
            "train.bf16": Sequence[bool],
            "train.gradient_checkpointing": Sequence[bool],
            "train.seed": Sequence[int],
            "train.objective": Sequence[Objective],
            "train.first_share": Sequence[float],
            "train.selections": Sequence[int],
            "train.budgets": Sequence[tuple[int, ...]],
            "evaluation.every_n_steps": Sequence[int],
            "evaluation.samples": Sequence[int],
            "evaluation.pictures": Sequence[int],
            "checkpoints.save_every_n_steps": Sequence[int],
            "checkpoints.save_total_limit": Sequence[int],
            "logging.every_n_steps": Sequence[int],
            "hub.repo": Sequence[str],
            "hub.private": Sequence[bool],
            "hub.at_best": Sequence[bool],
            "compute.device": Sequence[Device],
            "compute.gpus": Sequence[int],
            "compute.shard_base": Sequence[ShardBase],
            "compute.max_parallel": Sequence[int],
            "compute.max_preemptions": Sequence[int],
            "compute.max_failures": Sequence[int],
            "compute.gpu": Sequence[GpuName],
            "compute.count": Sequence[int],
            "compute.spot": Sequence[bool],
            "compute.machines": Sequence[int],
            "compute.max_wait_minutes": Sequence[int],
            "compute.max_hours": Sequence[float],
            "compute.max_cost_usd": Sequence[float],
            "compute.max_stockouts": Sequence[int],
        },
        total=False,
    )
    """Path -> the values to try."""
else:
    Grid = dict

SHORT_NAMES: Mapping[str, str] = {
    "learning_rate": "lr",
    "weight_decay": "wd",
    "warmup_ratio": "warmup",
    "batch_size": "batch",
    "gradient_accumulation_steps": "accum",
    "max_train_samples": "samples",
    "image_size": "px",
}


@dataclass(frozen=True, repr=False)
class Sweep(Sequence[Experiment]):
    """The points of a grid, in order. `base` and `grid` are what they were made from."""

    name: str
    base: Experiment
    grid: Mapping[str, tuple[object, ...]]
    points: tuple[Experiment, ...]

    def __repr__(self) -> str:
        return f"Sweep({self.name!r}, {len(self)} points over {', '.join(self.grid)})"

    @overload
    def __getitem__(self, index: int) -> Experiment: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Experiment, ...]: ...
    def __getitem__(self, index: int | slice) -> Experiment | tuple[Experiment, ...]:
        return self.points[index]

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[Experiment]:
        return iter(self.points)


def sweep(base: Experiment, grid: Grid, *, name: str | None = None) -> Sweep:
    """Every combination of the values in `grid`, as variations of `base`; see the module for order and names.

    Raises ExperimentError for an unknown path, no values, the same value twice, or a value that is not allowed.
    """
    site, place = here("sweep", sys._getframe(1))  # pyright: ignore[reportPrivateUsage]
    values = _checked_grid(base, cast(Any, grid), site)
    labels = _labels(values)
    prefix = base.name if name is None else name
    points: list[Experiment] = []
    for combination in itertools.product(*(zip(labels[path], given, strict=True) for path, given in values.items())):
        suffix = ",".join(label for label, _ in combination)
        changes: dict[str, object] = {"name": f"{prefix}/{suffix}"}
        changes.update(zip(values, (new for _, new in combination), strict=True))
        points.append(with_paths(base, changes, site, place))
    return Sweep(prefix if name else f"{prefix}/{'+'.join(_short_paths(values).values())}", base, values, tuple(points))


def _checked_grid(base: object, grid: object, site: Site) -> dict[str, tuple[object, ...]]:
    if not isinstance(base, Experiment):
        raise _wrong(f"sweep needs an Experiment to start from; got {base!r}.", "", site)
    if not isinstance(grid, Mapping) or not grid:
        raise _wrong("sweep needs a dict of at least one field, such as {'tokens.keep': [4, 8]}.", "", site)
    values: dict[str, tuple[object, ...]] = {}
    for path, given in cast(Mapping[str, object], grid).items():
        check_path(path, site)
        if path == "name":
            raise _wrong("The points of a sweep are named after their values; 'name' cannot be swept.", path, site)
        if not isinstance(given, Sequence) or isinstance(given, str):
            raise _wrong(f"{path} needs a list of values, such as [4, 8]; got {given!r}.", path, site)
        held = tuple(cast(Sequence[object], given))
        if not held:
            raise _wrong(f"{path} has no values to try.", path, site)
        for index, one in enumerate(held):
            if one in held[:index]:
                raise _wrong(f"{path} tries {one!r} twice.", path, site)
        values[path] = held
    return values


def _short_paths(values: Mapping[str, object]) -> dict[str, str]:
    """Path -> what it is called in a point's name: the short field name where it is unique, else the whole path."""
    short = {path: SHORT_NAMES.get(leaf := path.rpartition(".")[2], leaf) for path in values}
    seen = list(short.values())
    return {path: name if seen.count(name) == 1 else path for path, name in short.items()}


def _labels(values: Mapping[str, tuple[object, ...]]) -> dict[str, list[str]]:
    """Path -> `field-value` for each of its values, all different."""
    labels: dict[str, list[str]] = {}
    for path, name in _short_paths(values).items():
        texts = [_short_value(one) for one in values[path]]
        if len(set(texts)) < len(texts):
            # Two long values end alike: the whole text tells them apart, and failing that their position does.
            texts = [_safe(str(one)) for one in values[path]]
        if len(set(texts)) < len(texts):
            texts = [str(index) for index in range(len(texts))]
        labels[path] = [f"{name}-{text}" for text in texts]
    return labels


def _short_value(one: object) -> str:
    if isinstance(one, bool):
        return "on" if one else "off"
    if isinstance(one, float):
        plain = repr(one)
        mantissa, _, exponent = f"{one:e}".partition("e")
        scientific = f"{float(mantissa):g}e{int(exponent)}"
        return scientific if float(scientific) == one and len(scientific) < len(plain) else plain
    return _safe(str(one).rpartition("/")[2])


def _safe(text: str) -> str:
    """Only characters that a name may hold."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._+=-") else "-" for letter in text)


def _wrong(message: str, path: str, site: Site) -> ExperimentError:
    return ExperimentError(message, field=path, file=site.file, line=site.line)
