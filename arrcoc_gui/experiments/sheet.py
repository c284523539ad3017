"""All values of an experiment as a source-like sheet: plain rows, no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arrcoc_core.formatting import literal

if TYPE_CHECKING:
    from arrcoc_core.resolving import ResolvedExperiment
    from arrcoc_core.values import Source

PLAIN = frozenset({"name", "tags", "notes"})


@dataclass(frozen=True)
class SheetRow:
    """A section's heading (no `value`), or a field with its value.

    `changed`: it is not the built-in default, or, beside another experiment, not that one's value. `file` and `line`
    say where it was written, where that is a file.
    """

    path: str
    label: str
    value: str = ""
    source: str = ""
    other: str = ""
    changed: bool = False
    heading: bool = False
    file: str = ""
    line: int = 0


def build_sheet(resolved: ResolvedExperiment, other: ResolvedExperiment | None = None) -> tuple[SheetRow, ...]:
    """Section by section; with `other`, its values beside and what differs marked."""
    values = resolved.values()
    others = other.values() if other is not None else {}
    rows: list[SheetRow] = []
    section = ""
    for path in dict.fromkeys((*values, *others)):
        if path == "name":
            continue
        above, _, label = path.rpartition(".")
        if above != section:
            section = above
            if above:
                rows.append(SheetRow(above, above, heading=True))
        source = resolved.sources.get(path)
        file, line = place(source)
        text = literal(values[path]) if path in values else "—"
        beside = (literal(others[path]) if path in others else "—") if other is not None else ""
        changed = text != beside if other is not None else _differs_from_default(path, values.get(path))
        rows.append(
            SheetRow(
                path=path,
                label=label,
                value=text,
                source=source_text(source) if path in values else "",
                other=beside,
                changed=changed and not (path in PLAIN and other is not None),
                file=file,
                line=line,
            )
        )
    return tuple(rows)


def source_text(source: Source | None) -> str:
    """Where a value comes from, for people: "quickstart.py:12", "but · mine.py:5", ".training:3 SEED", "default"."""
    if source is None:
        return ""
    detail = source.detail.removeprefix("experiments/")
    if source.kind == "here":
        return detail or "here"
    if source.kind == ".training":
        return source.detail or ".training"
    return f"{source.kind} · {detail}" if detail else source.kind


def place(source: Source | None) -> tuple[str, int]:
    """File (relative to the project) and line in which a value was written; ("", 0) where it was in none."""
    if source is None:
        return "", 0
    where = source.detail.split(" ")[0]
    file, _, line = where.rpartition(":")
    return (file, int(line)) if file and line.isdigit() else ("", 0)


def changed_paths(before: tuple[SheetRow, ...], after: tuple[SheetRow, ...]) -> frozenset[str]:
    """Paths whose value differs between two sheets of the same experiment."""
    old = {row.path: row.value for row in before}
    return frozenset(row.path for row in after if row.path in old and old[row.path] != row.value)


def _differs_from_default(path: str, value: object) -> bool:
    from arrcoc_core.defaults import DEFAULTS

    held: object = DEFAULTS
    for part in path.split("."):
        held = getattr(held, part, None)
    return value != held
