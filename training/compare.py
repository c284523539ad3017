"""Selectors against each other at the same budgets: `python -m training.compare RUN… [--budgets 1/8,1/16]`.

Each RUN is the directory of a run that has ended; runs that differ in their seed alone are one selector. Beside the
trained ones stand the rules of `training/selectors/`, and the best subset that a search finds. All read the same
held-out questions, with a hard top K and true passes over K tokens. The table is printed; it, a plot and the figures
go to the folder `compare` beside the (first) run's result, or to `--out`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import argparse
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from arrcoc_core.encoding import encode
from arrcoc_core.errors import ArrcocError, ConfigError, RunError, render
from arrcoc_core.experiment import Experiment
from arrcoc_core.resolved import share_of, visual_tokens
from arrcoc_core.stored import load_experiment
from training.batches import Collate
from training.comparison import TEACHER, Comparison, Line
from training.data import Sample, Samples, open_samples, pin
from training.hub.record import load_record
from training.model.arrcoc_qwen import ArrCocQwen, load_selector
from training.model.budget import Budget
from training.model.registry import token_side
from training.model.selector import allocate
from training.passes import Passes, stored_precision
from training.selectors import RULES, View
from training.selectors.searching import search

CHUNK = 64  # questions per pass
BUDGETS = "1/2,1/4,1/8,1/16"
SEEDS = 3  # draws of a rule that draws
SEARCH = 32  # passes a question
_DRAWN = ("random", "oracle")


@dataclass(frozen=True)
class Trained:
    """One selector in all its seeds. `runs`: ids, in the order of `selectors`."""

    name: str
    runs: tuple[str, ...]
    selectors: tuple[nn.Module, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the runs named on the command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.compare", description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="directory of a run that has ended")
    parser.add_argument("--budgets", default=BUDGETS, help=f"shares of N, or K: default {BUDGETS}")
    parser.add_argument("--samples", type=int, default=1024, help="held-out questions (default 1024)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"draws of the rules that draw (default {SEEDS})")
    parser.add_argument("--rules", default=",".join(RULES), help="which rules, by commas; empty: none")
    parser.add_argument("--search", type=int, default=SEARCH, help=f"passes a question (default {SEARCH}; 0: none)")
    parser.add_argument("--out", type=Path, help="folder for the table, the plot and the figures")
    given = parser.parse_args(arguments)
    try:
        experiment = load_experiment(given.runs[0]).experiment
        model, trained = load_trained(given.runs)
        dataset = dataset_of(given.runs)
        _, held_out = open_samples(experiment.data, dataset, given.samples, token_side(experiment.model.base))
        collate = Collate.of(model.base.tokenizer, experiment.data)
        found = compare(
            model,
            trained,
            held_out,
            collate,
            budgets=given.budgets.split(","),
            rules=[name for name in given.rules.split(",") if name],
            seeds=given.seeds,
            tries=given.search,
            dataset=dataset,
            bf16=experiment.train.bf16,
            total=visual_tokens(experiment.model.base, experiment.data.image_size),
            progress=_show_progress if sys.stderr.isatty() else lambda _: None,
        )
    except ArrcocError as error:
        print(render(error), file=sys.stderr, flush=True)
        return error.exit_code
    out = given.out or given.runs[0] / "compare"
    found.save(out)
    print(found.table())
    print(f"table, plot and figures: {out}")
    return 0


def load_trained(runs: Sequence[Path]) -> tuple[ArrCocQwen, list[Trained]]:
    """The selectors of runs that have ended, those that differ in nothing but the seed together, and their base.

    Raises RunError for a run without a result, ConfigError where the runs are of different bases or data.
    """
    groups: dict[str, list[tuple[str, str, nn.Module]]] = {}
    model: ArrCocQwen | None = None
    first: Experiment | None = None
    for run in runs:
        if not (run / "result" / "DONE").is_file():
            raise RunError(f"{run.name} has no result", remedy="Only runs that have ended can be compared.")
        experiment = load_experiment(run).experiment
        precision = stored_precision(experiment.train.bf16)
        model = model or ArrCocQwen.from_pretrained(run / "result", dtype=precision)
        first = first or experiment
        data = ("dataset", "split_val", "image_size", "resize", "min_pixels", "prompt", "max_seq_length")
        for part in ("model.base", "train.bf16", *(f"data.{name}" for name in data)):
            section, name = part.split(".")
            ours, theirs = (getattr(getattr(one, section), name) for one in (experiment, first))
            if ours != theirs:
                raise ConfigError(
                    f"{run.name} has {part} = {ours!r}, {runs[0].name} has {theirs!r}",
                    remedy="Compare runs on the same base and the same questions.",
                )
        selector = load_selector(run / "result").to(model.base.device)
        groups.setdefault(_without_seed(experiment), []).append((experiment.name, run.name, selector))
    assert model is not None
    trained = [
        Trained(
            _common_name([name for name, _, _ in group]), *map(tuple, zip(*((r, s) for _, r, s in group), strict=True))
        )
        for group in groups.values()
    ]
    return model, trained


def dataset_of(runs: Sequence[Path]) -> str:
    """The data set of runs that have ended, at the commit that they were trained on.

    Raises ConfigError where those are different ones.
    """
    found: dict[str, str] = {}
    for run in runs:
        named, stored = load_experiment(run).experiment.data.dataset, load_record(run, run / "result").dataset
        # Of files on this machine the record tells the last part of the name only.
        at = stored if stored.partition("@")[0] == named.partition("@")[0] else named
        found.setdefault(at, run.name)
    first, *others = found
    if others:
        raise ConfigError(
            f"{found[others[0]]} was trained on {others[0]}, {found[first]} on {first}",
            remedy="Compare runs on the same questions.",
        )
    return pin(first)


@torch.no_grad()
def compare(
    model: ArrCocQwen,
    trained: Sequence[Trained],
    samples: Samples,
    collate: Collate,
    *,
    budgets: Sequence[str] = tuple(BUDGETS.split(",")),
    rules: Sequence[str] = tuple(RULES),
    seeds: int = SEEDS,
    tries: int = SEARCH,
    dataset: str = "",
    bf16: bool = False,
    total: int | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> Comparison:
    """Every selector at every budget on the same questions; see the module. `progress` is told 0..1.

    bf16: whether the base computes in bfloat16, as in the training; total: N of the largest picture that there may be,
    left out that of the first. A share is of each question's own tokens. Raises ConfigError for a budget or a rule that
    does not exist.
    """
    for name in rules:
        if name not in RULES:
            raise ConfigError(f"there is no rule {name!r}", remedy=f"Choose from {', '.join(RULES)}.")
    passes = Passes(model, bf16)
    total = total or model.look([samples.get(0).pictures[0]]).count
    allowed = budgets_of(budgets, total)
    sizes: set[int] = set()
    right: dict[str, dict[int, list[list[Tensor]]]] = {}
    full: list[Tensor] = []
    kinds: list[str] = []

    def note(name: str, keep: int, seed: int, answers: Tensor) -> None:
        by_seed = right.setdefault(name, {}).setdefault(keep, [])
        while len(by_seed) <= seed:
            by_seed.append([])
        by_seed[seed].append(answers.cpu())

    for number, (chunk, view) in enumerate(_views(passes, samples, collate)):
        present = view.seen.present
        sizes.update(present.sum(1).tolist())
        kinds += [sample.question_type for sample in chunk]
        full.append(view.read(present).right.cpu())
        counts = {
            keep: budget.counts(present.float(), present, [sample.question for sample in chunk])
            for keep, budget in allowed.items()
        }
        own: dict[str, list[Tensor]] = {
            one.name: [model.scores(view.seen, view.asked, selector) for selector in one.selectors] for one in trained
        }
        for name in rules:
            if name == "oracle" and view.regions is None:
                continue
            own[name] = [RULES[name](_drawn(view, number, seed)) for seed in range(seeds if name in _DRAWN else 1)]
        for name, by_seed in own.items():
            for keep, count in counts.items():
                for seed, scores in enumerate(by_seed):
                    note(name, keep, seed, view.read(allocate(scores, count, present)).right)
        if tries:
            starts = [scores for by_seed in own.values() for scores in by_seed]
            for keep, count in counts.items():
                _, found = search(_drawn(view, number, 0), starts, count, tries)
                note("best found", keep, 0, found)
        progress(len(kinds) / len(samples))
    runs = {one.name: one.runs for one in trained}
    lines = [
        Line(
            name,
            {k: np.stack([torch.cat(part).numpy() for part in parts]) for k, parts in by.items()},
            runs.get(name, ()),
        )
        for name, by in right.items()
    ]
    return Comparison(
        model.base.title,
        dataset,
        total,
        tuple(allowed),
        torch.cat(full).numpy()[None],
        tuple(kinds),
        tuple(lines),
        _notes(lines),
        {keep: f"1/{round(1 / b.share)}" if b.share else str(keep) for keep, b in allowed.items()}
        if len(sizes) > 1
        else {},
    )


def budgets_of(texts: Sequence[str], total: int) -> dict[int, Budget]:
    """Each budget, "1/8" or "12", by its K of `total` tokens, the largest first. ConfigError for what is none."""
    found: dict[int, Budget] = {}
    for text in texts:
        try:
            value = Fraction(text.strip())
        except (ValueError, ZeroDivisionError):
            value = Fraction(0)
        share = float(value) if "/" in text else 0.0
        keep = share_of(total, share) if 0 < share <= 1 else 0 if share else int(value)
        if not 1 <= keep <= total:
            raise ConfigError(
                f"{text!r} is no budget of {total} visual tokens", remedy='Give shares ("1/8") or numbers of tokens.'
            )
        found[keep] = Budget(keep, share)
    return dict(sorted(found.items(), reverse=True))


def _views(passes: Passes, samples: Samples, collate: Collate) -> Iterator[tuple[list[Sample], View]]:
    for first in range(0, len(samples), CHUNK):
        chunk = [samples.get(index) for index in range(first, min(first + CHUNK, len(samples)))]
        batch = collate(chunk)
        seen, asked = passes.see(batch)
        yield chunk, View(passes, seen, asked, torch.Generator(), _regions(chunk, seen.grids, seen.count))


def _regions(samples: Sequence[Sample], grids: Sequence[Sequence[tuple[int, int]]], total: int) -> Tensor | None:
    """Bool [B, N]: visual tokens that a sample's region touches; None unless all samples know one."""
    regions = torch.zeros(len(samples), total, dtype=torch.bool)
    for row, (sample, (grid, *_)) in enumerate(zip(samples, grids, strict=True)):
        if sample.region is None:
            return None
        top, left, bottom, right = sample.region
        rows, columns = grid
        inside = torch.zeros(grid, dtype=torch.bool)
        inside[
            math.floor(top * rows) : math.ceil(bottom * rows), math.floor(left * columns) : math.ceil(right * columns)
        ] = True
        regions[row, : rows * columns] = inside.flatten()
    return regions


def _drawn(view: View, number: int, seed: int) -> View:
    """The same view with the noise of one seed; each chunk of questions has its own."""
    return View(view.passes, view.seen, view.asked, torch.Generator().manual_seed(1000 * seed + number), view.regions)


def _without_seed(experiment: Experiment) -> str:
    """What decides the result but the seed, as text."""
    plain: Mapping[str, object] = encode(experiment)
    kept = {part: plain[part] for part in ("model", "tokens", "data", "train")}
    return repr({**kept, "train": {**kept["train"], "seed": None}})  # type: ignore[dict-item]


def _common_name(names: Sequence[str]) -> str:
    """Of the experiments of one group: without what a sweep over seeds put there."""
    return re.sub(r"[/,]?seed-\d+", "", names[0]).rstrip("/")


def _notes(lines: Sequence[Line]) -> tuple[str, ...]:
    names = {line.name for line in lines}
    notes = []
    if TEACHER in names or "one layer's attention" in names:
        notes.append("The teacher and one layer's attention need a full pass over all tokens before they choose.")
    if "oracle" in names:
        notes.append("The oracle knows the region that is asked about; it is no true ceiling.")
    if "best found" in names:
        notes.append(
            "Best found: subsets tried with the right answer at hand; nothing that does not know it gets there."
        )
    return tuple(notes)


def _show_progress(share: float) -> None:
    print(f"\r{share:4.0%} of the questions", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
