"""What a comparison of selectors came to: which questions each answered right at each budget, as table, plot and files.

compare.md    the table, for people
compare.png   accuracy against budget
compare.json  the same figures, for programs
compare.npz   which answer was right, per selector, seed and question: for other statistics than these
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from training.statistics import Difference, Right, accuracy, difference

TEACHER = "teacher"


@dataclass(frozen=True)
class Line:
    """One selector. right: K -> [seeds, questions], see `Right`; runs: by which run each seed was, () for a rule."""

    name: str
    right: Mapping[int, Right]
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Selectors on the same held-out questions.

    total: N, where pictures differ the most there may be; full: [1, questions], right with all N; kinds: of each
    question; budgets: K of `total`, falling; names: where pictures differ, how each budget was given, by K.
    """

    base: str
    dataset: str
    total: int
    budgets: tuple[int, ...]
    full: Right
    kinds: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = field(default=())
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def questions(self) -> int:
        return self.full.shape[1]

    def line(self, name: str) -> Line:
        """KeyError where there is none of that name."""
        found = next((line for line in self.lines if line.name == name), None)
        if found is None:
            raise KeyError(f"no selector {name!r} was compared: {', '.join(line.name for line in self.lines)}")
        return found

    def against(self, name: str, other: str, keep: int) -> Difference:
        """Accuracy of one selector less another's at K = `keep`."""
        of = (name, other, keep)
        if of not in self._differed:
            self._differed[of] = difference(self.line(name).right[keep], self.line(other).right[keep])
        return self._differed[of]

    @cached_property
    def _differed(self) -> dict[tuple[str, str, int], Difference]:
        """What `against` has found: a bootstrap takes a second, and table, file and figures each ask for all."""
        return {}

    def trained(self) -> list[Line]:
        return [line for line in self.lines if line.runs]

    def head(self, keep: int) -> str:
        """A budget as people read it."""
        return f"{self.names[keep]} of each" if keep in self.names else f"{keep} of {self.total}"

    @property
    def measure(self) -> str:
        """What an answer was judged by."""
        return "accuracy" if self.full.dtype == np.bool_ else "VQA accuracy"

    @property
    def whole(self) -> str:
        """ "all 64 tokens"."""
        return f"all tokens, at most {self.total}" if self.names else f"all {self.total} tokens"

    def table(self) -> str:
        """Markdown: a row a selector, a column a budget, in % with the deviation over seeds; then by kind of question,
        then each trained selector against all others at each budget."""
        heads = [self.head(keep) for keep in self.budgets]
        rows = [
            [line.name, str(len(next(iter(line.right.values())))), *(_cell(line.right[keep]) for keep in self.budgets)]
            for line in self.lines
        ]
        parts = [
            f"{self.base} on {self.dataset}: {self.questions:,} held-out questions, {self.measure} in % (± deviation "
            f"over seeds); with {self.whole} {100 * self.full.mean():.1f}.",
            _markdown(["selector", "seeds", *heads], rows),
        ]
        if len(set(self.kinds)) > 1:
            parts.append(self._by_kind())
        parts += [self._differences(line) for line in self.trained()]
        return "\n\n".join([*parts, *self.notes]) + "\n"

    def save(self, folder: Path) -> None:
        """Write the four files; those of an earlier comparison are replaced."""
        from training.comparison_plot import draw

        folder.mkdir(parents=True, exist_ok=True)
        arrays = {f"{line.name}/{keep}": right for line in self.lines for keep, right in line.right.items()}
        np.savez_compressed(folder / "compare.npz", full=self.full, kinds=np.array(self.kinds), **arrays)  # type: ignore[arg-type]
        (folder / "compare.md").write_text(self.table(), encoding="utf-8")
        (folder / "compare.json").write_text(json.dumps(self.figures(), indent=1) + "\n", encoding="utf-8")
        (folder / "compare.png").write_bytes(draw(self))

    def figures(self) -> dict[str, object]:
        """As plain values: accuracies 0..1 by selector and budget, and the differences of the trained ones."""
        return {
            "base": self.base,
            "dataset": self.dataset,
            "questions": self.questions,
            "total": self.total,
            "measure": self.measure,
            "full": float(self.full.mean()),
            "accuracy": {
                line.name: {
                    str(keep): dict(zip(("mean", "deviation"), accuracy(right), strict=True))
                    for keep, right in line.right.items()
                }
                for line in self.lines
            },
            "differences": {
                line.name: {
                    other.name: {str(keep): vars(self.against(line.name, other.name, keep)) for keep in self.budgets}
                    for other in self.lines
                    if other is not line
                }
                for line in self.trained()
            },
        }

    def _by_kind(self) -> str:
        kinds = sorted(set(self.kinds))
        columns = [(keep, kind) for keep in self.budgets[-2:] for kind in kinds]
        heads = [f"{kind}, {keep}" for keep, kind in columns]
        places = {kind: np.array([one == kind for one in self.kinds]) for kind in kinds}
        rows = [
            [line.name, *(_cell(line.right[keep][:, places[kind]]) for keep, kind in columns)] for line in self.lines
        ]
        return "By kind of question, at the two smallest budgets:\n\n" + _markdown(["selector", *heads], rows)

    def _differences(self, line: Line) -> str:
        rows = [
            [other.name, *(_interval(self.against(line.name, other.name, keep)) for keep in self.budgets)]
            for other in self.lines
            if other is not line
        ]
        heads = [self.head(keep) for keep in self.budgets]
        several = len(next(iter(line.right.values()))) > 1
        over = "and seeds" if several else "alone; how far another training would differ is left out"
        return (
            f"**{line.name}** less each other, in points, with the 95 % interval of a paired bootstrap over questions "
            f"{over}:\n\n" + _markdown(["less", *heads], rows)
        )


def _cell(right: Right) -> str:
    mean, deviation = accuracy(right)
    return f"{100 * mean:.1f}" + (f" ± {100 * deviation:.1f}" if len(right) > 1 else "")


def _interval(of: Difference) -> str:
    return f"{100 * of.mean:+.1f} ({100 * of.low:+.1f} to {100 * of.high:+.1f})"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns stand under each other in plain text, too."""
    widths = [max(len(row[k]) for row in (heads, *rows)) for k in range(len(heads))]
    line = "|".join(["", *("-" * (width + 2) for width in widths), ""])
    cells = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (heads, *rows)
    ]
    return "\n".join([cells[0], line, *cells[1:]])
