"""Rows of a preflight on a terminal: one line each, what to do below the ones that need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arrcoc_core.cli.terminal import paint, printable

if TYPE_CHECKING:
    from arrcoc_core.facts import Check

NAME_WIDTH = 17


def row_text(check: Check) -> str:
    """The row, and its remedy where it is not fine."""
    if check.ok:
        mark = paint("ok  ", "good")
    elif check.skipped:
        mark = paint("skip", "muted")
    elif check.unknown:
        mark = paint("?   ", "warn")
    else:
        mark = paint("FAIL", "bad")
    lines = [f"  {mark} {check.name:<{NAME_WIDTH}} {printable(check.detail)}"]
    if not check.ok and check.remedy:
        indent = " " * (8 + NAME_WIDTH)
        under = False
        for line in check.remedy.splitlines():
            lines.append(f"{indent}{'    ' if under else '→ '}{printable(line)}")
            under = line.endswith(":")  # "Link one of them:", and its command on the next line
    return "\n".join(lines)
