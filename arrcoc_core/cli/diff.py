"""`arrcoc diff A B`: the values that differ and the results side by side.

Each side is an experiment, a run of this project, or a run of a W&B server, whose configuration is compared by the same
dotted paths.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from arrcoc_core.cli.chosen import Chosen, choose_any
from arrcoc_core.cli.terminal import paint, printable, say, say_json, table
from arrcoc_core.formatting import is_share, literal, metric, number, points
from arrcoc_core.overview import differing


@dataclass(frozen=True)
class _Side:
    label: str
    name: str
    run: str | None
    fingerprint: str
    code: str
    values: Mapping[str, object]
    results: Mapping[str, float]

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "run": self.run, "fingerprint": self.fingerprint, "code": self.code}


def diff(arguments: argparse.Namespace) -> int:
    a, b = _side(arguments.a), _side(arguments.b)
    differences = differing(a.values, b.values)
    left, right = a.results, b.results
    names = sorted({*left, *right})
    if arguments.json:
        say_json(
            {
                "a": a.to_json(),
                "b": b.to_json(),
                "differences": [{"path": item.path, "a": item.a, "b": item.b} for item in differences],
                "results": [{"metric": name, "a": left.get(name), "b": right.get(name)} for name in names],
            }
        )
        return 0
    headers = ("", a.label, b.label)
    if differences:
        rows = [(printable(item.path), printable(literal(item.a)), printable(literal(item.b))) for item in differences]
        say(table(headers, rows, right=(1, 2)))
    else:
        config = f" (config {a.fingerprint})" if a.fingerprint else ""
        say(f"{a.label} and {b.label} have the same values{config}.")
    if a.code and b.code and a.code != b.code:
        say(paint(f"\ncode: {a.code} and {b.code}", "muted"))
    if names:
        rows = [
            (printable(name), metric(name, left.get(name)), metric(name, right.get(name)), _moved(name, left, right))
            for name in names
        ]
        say()
        say(table((*headers, "change"), rows, right=(1, 2, 3)))
    return 0


def _side(text: str) -> _Side:
    chosen = choose_any(text)
    if not isinstance(chosen, Chosen):
        from arrcoc_core.online.decoding import flat_config

        return _Side(chosen.path, chosen.experiment, chosen.path, "", "", flat_config(chosen.config), chosen.summary)
    return _Side(
        label=chosen.label,
        name=chosen.resolved.name,
        run=chosen.run.id if chosen.run is not None else None,
        fingerprint=chosen.resolved.fingerprint,
        code=chosen.code,
        values=chosen.resolved.values(),
        results=dict(chosen.run.summary) if chosen.run is not None else {},
    )


def _moved(name: str, left: Mapping[str, float], right: Mapping[str, float]) -> str:
    if name not in left or name not in right:
        return ""
    moved = right[name] - left[name]
    if not moved:
        return ""
    return points(moved) if is_share(name) else f"{'+' if moved > 0 else ''}{number(moved)}"
