"""`arrcoc diff A B`: the values that differ and the results side by side; each side an experiment or a run."""

from __future__ import annotations

import argparse

from arrcoc_core.cli.chosen import Chosen, choose
from arrcoc_core.cli.terminal import paint, say, say_json, table
from arrcoc_core.formatting import is_share, literal, metric, number, points
from arrcoc_core.overview import difference


def diff(arguments: argparse.Namespace) -> int:
    a, b = choose(arguments.a), choose(arguments.b)
    differences = difference(a.resolved, b.resolved)
    left, right = _results(a), _results(b)
    names = sorted({*left, *right})
    if arguments.json:
        say_json(
            {
                "a": _side(a),
                "b": _side(b),
                "differences": [{"path": item.path, "a": item.a, "b": item.b} for item in differences],
                "results": [{"metric": name, "a": left.get(name), "b": right.get(name)} for name in names],
            }
        )
        return 0
    headers = ("", a.label, b.label)
    if differences:
        say(table(headers, [(item.path, literal(item.a), literal(item.b)) for item in differences], right=(1, 2)))
    else:
        say(f"{a.label} and {b.label} have the same values (config {a.resolved.fingerprint}).")
    if a.code != b.code:
        say(paint(f"\ncode: {a.code} and {b.code}", "muted"))
    if names:
        rows = [
            (name, metric(name, left.get(name)), metric(name, right.get(name)), _moved(name, left, right))
            for name in names
        ]
        say()
        say(table((*headers, "change"), rows, right=(1, 2, 3)))
    return 0


def _results(side: Chosen) -> dict[str, float]:
    return dict(side.run.summary) if side.run is not None else {}


def _side(side: Chosen) -> dict[str, object]:
    return {
        "name": side.resolved.name,
        "run": side.run.id if side.run is not None else None,
        "fingerprint": side.resolved.fingerprint,
        "code": side.code,
    }


def _moved(name: str, left: dict[str, float], right: dict[str, float]) -> str:
    if name not in left or name not in right:
        return ""
    moved = right[name] - left[name]
    if not moved:
        return ""
    return points(moved) if is_share(name) else f"{'+' if moved > 0 else ''}{number(moved)}"
