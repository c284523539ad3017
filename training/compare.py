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
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from arrcoc_core.errors import ArrcocError, ConfigError, RunError, render
from arrcoc_core.resolved import TINY, share_of, visual_tokens
from training.batches import Collate
from training.comparison import TEACHER, Comparison, Line
from training.data import Sample, Samples, open_samples
from training.devices import device_called
from training.model.budget import Budget
from training.model.prompts import Asked
from training.model.registry import token_side
from training.model.selector import allocate
from training.passes import Passes
from training.selectors import RULES, View
from training.selectors.searching import search
from training.trained import Trained, load_trained
from training.vqa_accuracy import vqa_accuracies

CHUNK = 64  # questions per pass
BUDGETS = "1/2,1/4,1/8,1/16"
SEEDS = 3  # draws of a rule that draws
SEARCH = 32  # passes a question
BEST = "best found"
_DRAWN = ("random", "oracle")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the runs named on the command line; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.compare", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="directory of a run that has ended")
    parser.add_argument("--budgets", default=BUDGETS, help=f"shares of N, or K: default {BUDGETS}")
    parser.add_argument("--samples", type=int, default=1024, help="held-out questions (default 1024)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"draws of the rules that draw (default {SEEDS})")
    parser.add_argument("--rules", default=",".join(RULES), help="which rules, by commas; empty: none")
    parser.add_argument("--search", type=int, default=SEARCH, help=f"passes a question (default {SEARCH}; 0: none)")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU, if there is one"
    )
    parser.add_argument("--out", type=Path, help="folder for the table, the plot and the figures")
    given = parser.parse_args(arguments)
    if given.samples < 1:
        parser.error(f"--samples {given.samples}: is to be at least 1")
    out = given.out or given.runs[0] / "compare"
    try:
        found = _compare_runs(given, out)
        print(found.table(), flush=True)
        _save(found, out)
    except ArrcocError as error:
        print(render(error), file=sys.stderr, flush=True)
        return error.exit_code
    print(f"table, plot and figures: {out}")
    return 0


def _save(found: Comparison, out: Path) -> None:
    try:
        found.save(out)
    except OSError as error:
        raise RunError(
            f"the comparison, which stands above, could not be written to {out}: {error}",
            remedy="Keep what is printed; to have the files, too, make room there, or name another folder with --out.",
        ) from error


def _check_folder(out: Path) -> None:
    """That something can be written there, before the work begins, which may take hours."""
    there = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise ConfigError(
            f"cannot write to the folder {out}: {error.strerror or error}", remedy="Name another one with --out."
        ) from error


def _compare_runs(given: argparse.Namespace, out: Path) -> Comparison:
    """What the command line says, on the questions that the runs held out, to be written to `out`."""
    terms = Terms(
        budgets=tuple(given.budgets.split(",")),
        rules=tuple(name for name in given.rules.split(",") if name),
        seeds=given.seeds,
        tries=given.search,
    )
    _check_folder(out)
    ended = load_trained(given.runs, device_called(given.device), (*RULES, BEST))
    experiment = ended.experiment
    base = experiment.model.base
    total = visual_tokens(base, experiment.data.image_size)
    if base not in TINY:
        terms = replace(terms, chunk=min(CHUNK, experiment.train.batch_size))
    # A picture that is too small for a fixed K is left out, or an error, as data.bad_pictures says.
    least = max(budget.least(()) for budget in budgets_of(terms.budgets, total).values())
    _, held_out = open_samples(experiment.data, ended.dataset, given.samples, token_side(base), least)
    found = compare(
        ended.passes,
        ended.trained,
        held_out,
        Collate.of(ended.passes.model.base.tokenizer, experiment.data),
        terms,
        dataset=ended.dataset,
        total=total,
        progress=_show_progress if sys.stderr.isatty() else lambda _: None,
    )
    return replace(found, notes=(*found.notes, *ended.notes))


@dataclass(frozen=True)
class Terms:
    """On what terms selectors are compared.

    budgets: shares of each question's own tokens ("1/8"), or numbers of them; rules: of `RULES`; seeds: draws of the
    rules that draw; tries: passes a question that the search for the best subset has, 0 for no search; chunk:
    questions a pass. Raises ConfigError for a rule that does not exist or a number out of range.
    """

    budgets: tuple[str, ...] = tuple(BUDGETS.split(","))
    rules: tuple[str, ...] = tuple(RULES)
    seeds: int = SEEDS
    tries: int = SEARCH
    chunk: int = CHUNK

    def __post_init__(self) -> None:
        for name in self.rules:
            if name not in RULES:
                raise ConfigError(f"there is no rule {name!r}", remedy=f"Choose from {', '.join(RULES)}.")
        if self.seeds < 1 or self.tries < 0:
            raise ConfigError(
                f"{self.seeds} draws of the rules that draw, {self.tries} passes of the search",
                remedy="Take at least 1 draw (--seeds), and 0 or more passes (--search).",
            )


@torch.no_grad()
def compare(
    passes: Passes,
    trained: Sequence[Trained],
    samples: Samples,
    collate: Collate,
    terms: Terms = Terms(),
    *,
    dataset: str = "",
    total: int | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> Comparison:
    """Every selector at every budget on the same questions; see the module. `progress` is told 0..1.

    dataset: what the samples are called in the table; total: N of the largest picture that there may be, left out that
    of the first. Raises ConfigError for a budget that is none.
    """
    model = passes.model
    total = total or model.look([samples.get(0).pictures[0]]).count
    allowed = budgets_of(terms.budgets, total)
    sizes: set[int] = set()
    right: dict[str, dict[int, list[list[Tensor]]]] = {}
    full: list[Tensor] = []
    kinds: list[str] = []

    def note(name: str, keep: int, seed: int, answers: Tensor) -> None:
        by_seed = right.setdefault(name, {}).setdefault(keep, [])
        while len(by_seed) <= seed:
            by_seed.append([])
        by_seed[seed].append(answers.cpu())

    for number, (asked_for, view, free) in enumerate(_views(passes, samples, collate, terms.chunk)):
        present = view.seen.present
        sizes.update(present.sum(1).tolist())
        kinds += [sample.question_type for sample in asked_for]
        full.append(_judged(view, asked_for, free, present).cpu())
        counts = {keep: budget.counts(present.float(), present, view.questions) for keep, budget in allowed.items()}
        own: dict[str, list[Tensor]] = {
            one.name: [model.scores(view.seen, view.asked, selector) for selector in one.selectors] for one in trained
        }
        for name in terms.rules:
            if name == "oracle" and view.regions is None:
                continue
            own[name] = [
                RULES[name](_drawn(view, number, seed)) for seed in range(terms.seeds if name in _DRAWN else 1)
            ]
        starts = [scores for by_seed in own.values() for scores in by_seed]
        for keep, count in counts.items():
            best: Tensor | None = None
            for name, by_seed in own.items():
                for seed, scores in enumerate(by_seed):
                    judged = _judged(view, asked_for, free, allocate(scores, count, present))
                    note(name, keep, seed, judged)
                    best = judged if best is None else torch.maximum(best, judged)
            if terms.tries:
                kept, found = search(_drawn(view, number, 0), starts, count, terms.tries)
                if free:  # the likeliest answer need not be what is written: of all that were tried the best counts
                    written = _judged(view, asked_for, free, kept)
                    found = written if best is None else torch.maximum(best, written)
                note(BEST, keep, 0, found)
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
        {keep: _name_of(budget) for keep, budget in allowed.items()} if len(sizes) > 1 else {},
    )


def budgets_of(texts: Sequence[str], total: int) -> dict[int, Budget]:
    """Each budget, "1/8" or "12", by its K of `total` tokens, the largest first. ConfigError for what is none, and for
    two that come to the same K; only of shares that come to one token the first stands for all."""
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
        if keep == 1 and share and keep in found and found[keep].share:
            continue  # of so few tokens a smaller share is no smaller
        if keep in found:
            raise ConfigError(
                f"{_name_of(found[keep])} and {text.strip()} both keep {keep} of {total} visual tokens",
                remedy="Name one of them; where pictures differ in size, compare twice.",
            )
        found[keep] = Budget(keep, share)
    return dict(sorted(found.items(), reverse=True))


def _name_of(budget: Budget) -> str:
    """As it was given: "3/4", or "12"."""
    if not budget.share:
        return str(budget.keep)
    share = Fraction(budget.share).limit_denominator(4096)
    return f"{share.numerator}/{share.denominator}"


def _judged(view: View, samples: Sequence[Sample], free: Asked | None, kept: Tensor) -> Tensor:
    """How right the answers from the tokens `kept` are: bool [B], whether exactly the right one is the most likely.

    Where several people answered, float32 [B] instead: the VQA accuracy of what the base answers in its own words to
    `free`, the questions alone. What only one answered counts as before, 0 or 1.
    """
    if free is None:
        return view.read(kept).right
    people = [sample.answers for sample in samples]
    right = [False] * len(samples) if all(people) else view.read(kept).right.tolist()
    return torch.tensor(vqa_accuracies(view.passes.generate(view.seen, free, kept), people, right))


def _views(
    passes: Passes, samples: Samples, collate: Collate, size: int
) -> Iterator[tuple[list[Sample], View, Asked | None]]:
    """Questions, the view of them, and where several people answered any of them, the prompts without an answer."""
    own = replace(collate, prompt="{question}")
    for first in range(0, len(samples), size):
        chunk = [samples.get(index) for index in range(first, min(first + size, len(samples)))]
        batch = collate(chunk)
        seen, asked = passes.see(batch)
        free = passes.model.ask(batch.questions, None, seen.grids) if any(batch.people) else None
        regions = _regions(chunk, seen.grids, seen.count)
        regions = None if regions is None else regions.to(seen.present.device)
        yield chunk, View(passes, seen, asked, tuple(own(chunk).questions), torch.Generator(), regions), free


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
    return replace(view, generator=torch.Generator().manual_seed(1000 * seed + number))


def _notes(lines: Sequence[Line]) -> tuple[str, ...]:
    names = {line.name for line in lines}
    notes = []
    if TEACHER in names or "one layer's attention" in names:
        notes.append("The teacher and one layer's attention need a full pass over all tokens before they choose.")
    if "oracle" in names:
        notes.append("The oracle knows the region that is asked about; it is no true ceiling.")
    if BEST in names:
        notes.append(
            "Best found: the best of the subsets that were tried with the right answer at hand. The true ceiling is no "
            "lower; what does not know the answer can hardly be expected to get there."
        )
    return tuple(notes)


def _show_progress(share: float) -> None:
    print(f"\r{share:4.0%} of the questions", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
