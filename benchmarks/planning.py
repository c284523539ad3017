"""What the plan of a sweep costs: resolve, fingerprint and plan each of 1,000 points, as a ratio to their validation.

Validation is what nobody can skip: pydantic's own check of every value of the point, sections included, without what
this project adds to it (remembering where a value was written, messages with file and line). Both sides take turns;
the medians of CPU time are compared.

    python benchmarks/planning.py [--reduced]
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import statistics
import sys
import time
import typing
from collections.abc import Callable, Sequence
from pathlib import Path

from _report import finish, table
from pydantic.dataclasses import dataclass as checked_dataclass

from arrcoc_core import Experiment, Local, load_settings, resolve, sweep
from arrcoc_core.facts import gather_facts
from arrcoc_core.planning import make_plan
from arrcoc_core.resolved import ResolvedExperiment

ROOT = Path(__file__).resolve().parents[1]
BAR = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(description="resolving, fingerprinting and planning a sweep, as a ratio")
    parser.add_argument("--reduced", action="store_true", help="100 points, no bar: only to see that it works")
    reduced = parser.parse_args().reduced
    side, repeats = (10, 2) if reduced else (32, 9)

    settings = load_settings(ROOT)
    facts = gather_facts(ROOT, settings)
    base = resolve(Experiment(name="base", compute=Local(device="cpu")), settings).experiment
    grid = sweep(
        base,
        {
            "tokens.keep": list(range(1, side + 1)),
            "train.learning_rate": [1e-4 * (1 + step) for step in range(side)],
        },
    )
    points = list(grid)[: 100 if reduced else 1000]
    # The plain dataclasses have the same fields and types, and the same strictness.
    mirror = Mirror(base)
    plain = [mirror.arguments(point) for point in points]

    def validate() -> None:
        for arguments in plain:
            mirror.build(arguments)

    def plan_all() -> None:
        for point in points:
            resolved = resolve(point, settings)
            assert resolved.fingerprint
            make_plan(resolved, facts)

    def resolve_all() -> None:
        for point in points:
            resolve(point, settings)

    def fingerprint_all() -> None:
        for resolved in resolved_points:
            assert ResolvedExperiment(resolved.experiment, resolved.sources).fingerprint

    resolved_points = [resolve(point, settings) for point in points]
    seconds = interleaved([validate, plan_all, resolve_all, fingerprint_all], repeats)
    validation, whole, resolving, hashing = seconds
    ratio = whole / validation
    per_point = 1e6 / len(points)
    table(
        (f"{len(points):,} points", "µs a point", "ratio", "at most"),
        [
            ("validation", f"{validation * per_point:.1f}", "1.00", ""),
            ("resolve + fingerprint + plan", f"{whole * per_point:.1f}", f"{ratio:.2f}", f"{BAR:.2f}"),
            ("  of it resolve", f"{resolving * per_point:.1f}", f"{resolving / validation:.2f}", ""),
            ("  of it fingerprint", f"{hashing * per_point:.1f}", f"{hashing / validation:.2f}", ""),
        ],
    )
    return finish(
        "planning", {"plan a point": ratio}, {} if reduced else {"plan a point": BAR}, more={"points": len(points)}
    )


class Mirror:
    """The experiment types as plain pydantic dataclasses: what validation alone costs."""

    def __init__(self, example: Experiment) -> None:
        self.sections = [
            field.name
            for field in dataclasses.fields(example)
            if dataclasses.is_dataclass(getattr(example, field.name))
        ]
        self.types = {name: plain_type(type(getattr(example, name))) for name in self.sections}
        self.top = plain_type(Experiment, self.types)

    def arguments(self, point: Experiment) -> dict[str, object]:
        """The point's values as a person would write them: a dictionary a section, plain values beside them."""
        written: dict[str, object] = {}
        for field in dataclasses.fields(point):
            held = getattr(point, field.name)
            if field.name in self.types:
                held = {inner.name: getattr(held, inner.name) for inner in dataclasses.fields(held)}
            written[field.name] = held
        return written

    def build(self, arguments: dict[str, object]) -> object:
        return self.top(
            **{
                name: self.types[name](**held) if name in self.types else held  # type: ignore[arg-type]
                for name, held in arguments.items()
            }
        )


def plain_type(cls: type, replaced: dict[str, type] | None = None) -> type:
    """A frozen, strict pydantic dataclass with the fields of `cls`, some of their types replaced."""
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = {field.name: (replaced or {}).get(field.name, hints[field.name]) for field in dataclasses.fields(cls)}
    made = type(cls.__name__, (), {"__annotations__": fields})
    return checked_dataclass(made, frozen=True, kw_only=True, config={"extra": "forbid", "strict": True})


def interleaved(works: Sequence[Callable[[], None]], repeats: int) -> list[float]:
    """Median CPU seconds of each; they take turns, the first turn is not counted, no collection in between."""
    taken: list[list[float]] = [[] for _ in works]
    for turn in range(repeats + 1):
        for index, work in enumerate(works):
            gc.collect()
            gc.disable()
            started = time.process_time()
            work()
            spent = time.process_time() - started
            gc.enable()
            if turn:
                taken[index].append(spent)
    return [statistics.median(values) for values in taken]


if __name__ == "__main__":
    sys.exit(main())
