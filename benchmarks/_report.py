"""What every benchmark here ends with: a table for people, one JSON line for programs, an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns: the first to the left, the rest to the right."""
    sizes = [max(len(row[index]) for row in (headers, *rows)) for index in range(len(headers))]
    for row in (headers, *rows):
        first, *rest = (
            cell.ljust(size) if index == 0 else cell.rjust(size)
            for index, (cell, size) in enumerate(zip(row, sizes, strict=True))
        )
        print("  ".join([first, *rest]))


def finish(
    name: str,
    ratios: Mapping[str, float],
    bars: Mapping[str, float],
    *,
    more: Mapping[str, object] | None = None,
    at_least: bool = False,
) -> int:
    """Print the JSON line; each ratio must be at most its bar (`at_least`: at least). Returns the exit code: 1 when
    one falls short."""
    ok = all(ratios[key] >= bar if at_least else ratios[key] <= bar for key, bar in bars.items())
    rounded = {key: round(value, 3) for key, value in ratios.items()}
    sys.stdout.flush()
    print(json.dumps({"name": name, "ratios": rounded, "bars": dict(bars), "ok": ok, **(more or {})}))
    return 0 if ok else 1
