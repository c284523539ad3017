"""The selectors of runs that have ended, read back to be compared: on one base, at its commit, on the same questions.

Runs that differ in nothing but the seed are one selector, trained several times. Each selector has a name of its own:
that of its experiment, with the values in which it differs where two experiments are called the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from arrcoc_core.errors import ConfigError, RunError
from arrcoc_core.experiment import Experiment
from arrcoc_core.identity import IDENTITY_PATHS
from arrcoc_core.resolved import flat
from arrcoc_core.stored import load_experiment
from training.data import pin
from training.hub.record import load_record
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.selector_files import BaseNamed, load_selector, read_base
from training.passes import Passes, stored_precision
from training.results import DONE

if TYPE_CHECKING:
    from training.model.selector import Selector

SEED = "train.seed"
SHARED = ("model.base", "data.dataset", "data.split_val", "data.image_size", "data.resize", "data.min_pixels")
SHARED += ("data.prompt", "data.max_seq_length", "train.bf16")
"""What has to be the same for the base to read the same questions about the same pictures to the same precision."""


@dataclass(frozen=True)
class Trained:
    """One selector in all its seeds. `runs`: ids, in the order of `selectors`."""

    name: str
    runs: tuple[str, ...]
    selectors: tuple[nn.Module, ...]


@dataclass(frozen=True)
class Ended:
    """What runs that have ended left.

    passes: through their base, as in training; experiment: the first one's, which in all of `SHARED` is every one's;
    dataset: with the commit that they stayed with; notes: sentences on runs that were left out.
    """

    passes: Passes
    experiment: Experiment
    dataset: str
    trained: tuple[Trained, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Run:
    directory: Path
    experiment: Experiment
    dataset: str
    base: BaseNamed
    ended: str
    values: dict[str, object]

    @property
    def id(self) -> str:
        return self.directory.name

    def selector(self, device: torch.device) -> Selector:
        return load_selector(self.directory / "result").to(device)


def load_trained(runs: Sequence[Path], device: torch.device, reserved: Sequence[str] = ()) -> Ended:
    """The selectors of runs that have ended, and their base; none of them is called as `reserved` says.

    Of two runs of one configuration and one seed only the newer counts: they are no two seeds. Raises RunError for a
    run without a result, ConfigError where the runs differ in what is to be the same.
    """
    opened = [_open(run) for run in runs]
    for run in opened[1:]:
        _check_shared(run, opened[0])
    first = opened[0]
    chosen, notes = _newest_of_each_seed(opened)
    model = ArrCocQwen.from_pretrained(
        first.directory / "result", device=device, dtype=stored_precision(first.experiment.train.bf16)
    )
    groups: dict[str, list[_Run]] = {}
    for run in chosen:
        groups.setdefault(repr(run.values | {SEED: None}), []).append(run)
    names = _names([group[0] for group in groups.values()], reserved)
    trained = tuple(
        Trained(name, tuple(run.id for run in group), tuple(run.selector(device) for run in group))
        for name, group in zip(names, groups.values(), strict=True)
    )
    return Ended(Passes(model, first.experiment.train.bf16), first.experiment, first.dataset, trained, notes)


def _open(directory: Path) -> _Run:
    done = directory / "result" / DONE
    if not done.is_file():
        raise RunError(f"{directory.name} has no result", remedy="Only runs that have ended can be compared.")
    experiment = load_experiment(directory).experiment
    told = load_record(directory, directory / "result").dataset
    # Of a folder the record tells less than the experiment; results of older versions tell no commit.
    dataset = pin(told if "@" in told else experiment.data.dataset)
    values = {path: value for path, value in flat(experiment).items() if path in IDENTITY_PATHS}
    trained = {path: value for path, value in values.items() if not path.startswith("evaluation.")}
    base = read_base(directory / "result")
    return _Run(directory, experiment, dataset, base, done.read_text(encoding="utf-8").strip(), trained)


def _check_shared(run: _Run, first: _Run) -> None:
    ours, theirs = flat(run.experiment), flat(first.experiment)
    pairs = [(path, ours[path], theirs[path]) for path in SHARED]
    pairs += [
        ("data.dataset", run.dataset, first.dataset),
        ("the base's commit", run.base.revision, first.base.revision),
    ]
    if run.base.weights and first.base.weights:  # results of older versions do not tell
        pairs.append(("the base's weights", run.base.weights, first.base.weights))
    for path, our, their in pairs:
        if our != their:
            raise ConfigError(
                f"{run.id} has {path} = {our!r}, {first.id} has {their!r}",
                remedy="Compare runs on the same base and the same questions.",
            )


def _newest_of_each_seed(runs: Sequence[_Run]) -> tuple[list[_Run], tuple[str, ...]]:
    newest: dict[str, _Run] = {}
    for run in runs:
        held = newest.setdefault(repr(run.values), run)
        if run.ended > held.ended:
            newest[repr(run.values)] = run
    notes = tuple(
        f"{run.id} is left out: {newest[repr(run.values)].id} is a newer run of the same configuration and seed."
        for run in runs
        if newest[repr(run.values)] is not run
    )
    return [run for run in runs if newest[repr(run.values)] is run], notes


def _names(groups: Sequence[_Run], reserved: Sequence[str]) -> list[str]:
    """One for each group, by its first run; no two are the same, and none is reserved."""
    # What a sweep over seeds put into a name says nothing here.
    plain = [re.sub(r"[/,]?seed-\d+", "", run.experiment.name).rstrip("/") for run in groups]
    plain = [f"{name} (trained)" if name in reserved else name for name in plain]
    alike: dict[str, list[_Run]] = {}
    for run, name in zip(groups, plain, strict=True):
        alike.setdefault(name, []).append(run)
    return [
        name if len(alike[name]) == 1 else f"{name} ({_differences(run, alike[name])})"
        for run, name in zip(groups, plain, strict=True)
    ]


def _differences(run: _Run, alike: Sequence[_Run]) -> str:
    """The values of a run that are not the same in all that are called like it; without one they were one group."""
    paths = [path for path in run.values if path != SEED and len({repr(other.values[path]) for other in alike}) > 1]
    return ", ".join(f"{path} = {run.values[path]!r}" for path in paths)
