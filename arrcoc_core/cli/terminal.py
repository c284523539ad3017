"""Writing to a terminal: colour, tables that fit, sparklines, progress bars, questions.

Colour is used only on a terminal, and never when NO_COLOR is set or TERM is "dumb". Tables shrink their widest text
columns to the terminal's width; into a pipe or a file every cell is written whole. Text that comes from files and logs
passes `printable` first, so that it cannot steer the terminal.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from arrcoc_core.formatting import UNKNOWN

STYLES = {
    "bold": "1",
    "muted": "2",
    "good": "32",
    "warn": "33",
    "bad": "31",
    "accent": "36",
}
STATE_STYLES = {
    "succeeded": "good",
    "failed": "bad",
    "cancelled": "muted",
    "running": "accent",
    "preparing": "accent",
    "starting": "accent",
    "recovering": "warn",
    "cancelling": "warn",
    "queued": "muted",
    # W&B's own words
    "finished": "good",
    "crashed": "bad",
    "killed": "muted",
    "preempted": "warn",
    "preempting": "warn",
    "pending": "muted",
}
BARS = "▁▂▃▄▅▆▇█"
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TO_THE_CLOUD = re.compile(r"\barrcoc (?=(?:adopt|agent|infra|launch|plan|queue|setup|teardown|watch)\b)")
_PAINT = re.compile(r"\x1b\[[0-9;]*m")


def is_tty(stream: TextIO | None = None) -> bool:
    return (stream or sys.stdout).isatty()


def use_colour(stream: TextIO | None = None) -> bool:
    return is_tty(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str | None, stream: TextIO | None = None) -> str:
    """`text` in a style of STYLES where colour is wanted, else as it is."""
    if not style or not text or not use_colour(stream):
        return text
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m"


def paint_state(state: str) -> str:
    return paint(state, STATE_STYLES.get(state))


def printable(text: str) -> str:
    """`text` without escape sequences and control characters; tabs become spaces, newlines stay."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text.expandtabs(4)))


def width(fallback: int = 100) -> int:
    """Columns of the terminal; COLUMNS wins, `fallback` where there is none."""
    import shutil

    return max(20, shutil.get_terminal_size((fallback, 24)).columns)


def height(fallback: int = 24) -> int:
    import shutil

    return max(5, shutil.get_terminal_size((100, fallback)).lines)


def shorten(text: str, size: int) -> str:
    """At most `size` visible characters; painted text loses its paint when it has to be cut."""
    bare = _PAINT.sub("", text)
    if len(bare) <= size:
        return text
    return bare[: max(0, size - 1)] + "…" if size > 0 else ""


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Aligned columns under muted headers; `right` names the columns aligned to the right. No trailing blanks."""
    columns = len(headers)
    cells = [list(headers), *(list(row) for row in rows)]
    sizes = [max(_visible(row[index]) for row in cells) for index in range(columns)]
    if is_tty():
        _fit(sizes, width())
    lines: list[str] = []
    for number, row in enumerate(cells):
        parts: list[str] = []
        for index, cell in enumerate(row):
            text = shorten(cell, sizes[index])
            pad = " " * (sizes[index] - _visible(text))
            shown = paint(text, "muted") if number == 0 else text
            parts.append(pad + shown if index in right else shown + pad)
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def _visible(text: str) -> int:
    return len(_PAINT.sub("", text))


def _fit(sizes: list[int], available: int) -> None:
    """Shrink the widest columns in turn until the row fits, none below four characters."""
    while sum(sizes) + 2 * (len(sizes) - 1) > available and max(sizes) > 4:
        sizes[sizes.index(max(sizes))] -= 1


def sparkline(values: Sequence[float], size: int, *, low: float | None = None, high: float | None = None) -> str:
    """The values as `size` block characters, each the mean of its share; gaps where no value is finite."""
    if not len(values) or size <= 0:
        return ""
    count = min(size, len(values))
    means: list[float] = []
    for index in range(count):
        part = values[index * len(values) // count : (index + 1) * len(values) // count]
        finite = [float(value) for value in part if math.isfinite(value)]
        means.append(sum(finite) / len(finite) if finite else math.nan)
    known = [value for value in means if math.isfinite(value)]
    if not known:
        return " " * count
    low = min(known) if low is None else low
    high = max(known) if high is None else high
    span = (high - low) or 1.0

    def block(value: float) -> str:
        if not math.isfinite(value):
            return " "
        share = min(1.0, max(0.0, (value - low) / span))
        return BARS[round(share * (len(BARS) - 1))]

    return "".join(block(value) for value in means)


def progress_bar(fraction: float | None, size: int) -> str:
    """A bar of `size` characters; empty while the fraction is unknown."""
    done = round(min(1.0, max(0.0, fraction or 0.0)) * size)
    return paint("█" * done, "accent") + paint("░" * (size - done), "muted")


def dash(value: object) -> str:
    return UNKNOWN if value is None or value == "" else printable(str(value))


class Typed:
    """How the person has called: what they are told to type next must go to the same place."""

    sandbox = False
    """`arrcoc --sandbox …`"""


def as_typed(text: str) -> str:
    """`text` with its commands for the cloud as they have to be typed: "arrcoc --sandbox setup" in the sandbox."""
    return _TO_THE_CLOUD.sub("arrcoc --sandbox ", text) if Typed.sandbox else text


def say(text: str = "", *, flush: bool = False) -> None:
    """One line, or several, to standard output; `flush` shows them at once, also in a pipe."""
    sys.stdout.write(as_typed(text) + "\n")
    if flush:
        sys.stdout.flush()


def show_over(text: str) -> None:
    """The text in place of what `show_over` wrote last, on one line of the terminal; "" leaves nothing."""
    sys.stdout.write(f"\r\x1b[K{shorten(text, width() - 1)}")
    sys.stdout.flush()


def say_json(value: Any) -> None:
    """The value as JSON for a program: two spaces of indentation, non-finite numbers as null."""
    sys.stdout.write(json.dumps(finite(value), indent=2, ensure_ascii=False, default=str) + "\n")


def say_line(value: dict[str, Any]) -> None:
    """One JSON object on one line, at once: an event, for a program that watches."""
    sys.stdout.write(json.dumps(finite(value), ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def finite(value: Any) -> Any:
    """The same value with NaN and infinities replaced by None, which is what JSON can say."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def confirm(question: str) -> bool:
    """Ask on the terminal; only a clear yes counts."""
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    answer = sys.stdin.readline().strip().lower()
    return answer in {"y", "yes"}
