"""Selectors of runs against each other and against the rules: what `arrcoc compare` does, for scripts.

    found = compare("hard_seeds", budgets=["1/8", "1/16"])
    print(found.table)

The work needs torch, so `training.compare` does it in a process of its own, and leaves the figures that are read here.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.errors import ConfigError, RunError, UnknownRunError

if TYPE_CHECKING:
    from arrcoc_core.run import Run
    from arrcoc_core.sweep_run import SweepRun


@dataclass(frozen=True)
class Accuracy:
    """0..1: the mean over questions and seeds, and the standard deviation over seeds (0 for a single one)."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Gain:
    """Accuracy of a trained selector less another's, 0..1, and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Compared:
    """What a comparison came to. Budgets are called by their K of `total` visual tokens, as text.

    full: accuracy with all tokens; accuracy: by selector and budget; differences: by trained selector, other selector
    and budget; table: all of it as Markdown; folder: where table, plot, figures and the single answers are.
    """

    base: str
    dataset: str
    questions: int
    total: int
    measure: str
    full: float
    accuracy: Mapping[str, Mapping[str, Accuracy]]
    differences: Mapping[str, Mapping[str, Mapping[str, Gain]]]
    table: str
    folder: Path


def compare(
    *runs: str | Run | SweepRun,
    budgets: Sequence[str | int] = (),
    samples: int | None = None,
    seeds: int | None = None,
    rules: Sequence[str] | None = None,
    search: int | None = None,
    device: str | None = None,
    out: Path | None = None,
    root: Path | None = None,
) -> Compared:
    """Measure the selectors of runs, and of all runs of sweeps, against each other; what is left out is as in
    `arrcoc compare --help`. Minutes to hours.

    Raises UnknownRunError for a name that is none, ConfigError where the runs or the options do not go together,
    RunError where the comparison broke down.
    """
    from arrcoc_core.settings import find_root

    root = find_root(root)
    directories = directories_of(runs, root)
    options = {
        "budgets": ",".join(map(str, budgets)) or None,
        "samples": samples,
        "seeds": seeds,
        "rules": None if rules is None else ",".join(rules),
        "search": search,
        "device": device,
        "out": out,
    }
    child = subprocess.run(command_of(directories, options), cwd=root, capture_output=True, text=True, check=False)
    if child.returncode:
        said = f"the selectors could not be compared:\n{child.stderr.strip()}"
        remedy = f"It was: {shlex.join(child.args)}"
        raise (ConfigError if child.returncode == 2 else RunError)(said, remedy=remedy)
    return read_comparison(out or directories[0] / "compare")


def directories_of(runs: Sequence[str | Run | SweepRun], root: Path | None = None) -> list[Path]:
    """Of runs; a sweep, or its name, stands for all runs of its newest launch. Each once, in the order given."""
    from arrcoc_core.api import get_run, get_sweep
    from arrcoc_core.run import Run

    found: list[Path] = []
    for one in runs:
        if isinstance(one, Run):
            found.append(one.directory)
        elif not isinstance(one, str):
            found += [run.directory for run in one.runs]
        else:
            try:
                found.append(get_run(one, root=root).directory)
            except UnknownRunError as error:
                try:
                    found += [run.directory for run in get_sweep(one, root=root).runs]
                except UnknownRunError:
                    raise error from None
    return list(dict.fromkeys(found))


def command_of(directories: Sequence[Path], options: Mapping[str, object]) -> list[str]:
    """The command line of `training.compare`; an option that is None is left to it."""
    command = [sys.executable, "-m", "training.compare", *map(str, directories)]
    for name, value in options.items():
        if value is not None:
            command += [f"--{name}", str(value.resolve() if isinstance(value, Path) else value)]
    return command


def read_comparison(folder: Path) -> Compared:
    """What `training.compare` left in `folder`."""
    held: dict[str, Any] = json.loads((folder / "compare.json").read_text(encoding="utf-8"))
    accuracy = {
        name: {keep: Accuracy(**one) for keep, one in by_budget.items()} for name, by_budget in held["accuracy"].items()
    }
    differences = {
        name: {other: {keep: Gain(**one) for keep, one in by_budget.items()} for other, by_budget in others.items()}
        for name, others in held["differences"].items()
    }
    facts = {name: held[name] for name in ("base", "dataset", "questions", "total", "measure", "full")}
    table = (folder / "compare.md").read_text(encoding="utf-8")
    return Compared(**facts, accuracy=accuracy, differences=differences, table=table, folder=folder)
