"""What a teardown would remove and what stays, with sizes and prices, as plain values: no Qt.

Filled from the lines of `arrcoc teardown --dry-run`. The words a person has to type come from the command too: the page
never makes them up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from arrcoc_core.formatting import money, plural
from arrcoc_gui.infra.tables import size
from arrcoc_gui.widgets.plain_table import Cell, TableRow

ITEM_HEADERS = ("What", "Name", "Size", "A month", "")


@dataclass(frozen=True)
class Item:
    """One thing labelled ours; `removed` says whether this teardown would take it, `why` why it stays."""

    key: str
    title: str
    name: str
    size_bytes: int | None
    usd_per_month: float | None
    removed: bool
    why: str

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Item:
        return cls(
            key=f"{line.get('resource')} {line.get('name')}",
            title=str(line.get("title") or line.get("resource") or ""),
            name=str(line.get("name") or ""),
            size_bytes=line.get("size_bytes"),
            usd_per_month=line.get("usd_per_month"),
            removed=bool(line.get("removed")),
            # Behind the semicolon stands the option of the command line; here it is a box to tick.
            why=str(line.get("why") or "").split("; --")[0],
        )

    def row(self) -> TableRow:
        return TableRow(
            self.key,
            (
                Cell(self.title, bold=True),
                Cell(self.name, "muted"),
                Cell(size(self.size_bytes) if self.size_bytes is not None else "", "muted"),
                Cell(money(self.usd_per_month) if self.usd_per_month is not None else "", "muted"),
                Cell(self.why, "muted"),
            ),
        )


@dataclass(frozen=True)
class Live:
    """A run that has a job now: nothing is removed under it."""

    run: str
    region: str
    state: str


@dataclass
class Inventory:
    """Takes the lines of the command. `word` and `checkpoint_word`: what has to be typed."""

    items: dict[str, Item] = field(default_factory=dict)
    live: list[Live] = field(default_factory=list)
    word: str = ""
    checkpoint_word: str = ""
    known: bool = False

    def apply(self, line: Mapping[str, Any]) -> bool:
        """Whether it was about this."""
        kind = line.get("type")
        if kind == "item":
            item = Item.of(line)
            self.items[item.key] = item
        elif kind == "live":
            self.live.append(Live(*(str(line.get(key) or "") for key in ("run", "region", "state"))))
        elif kind == "confirm":
            self.word = str(line.get("confirm") or "")
            self.checkpoint_word = str(line.get("confirm_checkpoints") or "")
        else:
            return False
        return True

    @property
    def removed(self) -> list[Item]:
        return [item for item in self.items.values() if item.removed]

    @property
    def kept(self) -> list[Item]:
        return [item for item in self.items.values() if not item.removed]

    def sentence(self) -> str:
        """ "12 things, 3.4 GB, saves $1.20 a month"."""
        if not self.removed:
            return "nothing to remove" if self.known else ""
        whole = sum(item.size_bytes or 0 for item in self.removed)
        saved = sum(item.usd_per_month or 0.0 for item in self.removed)
        parts = [plural(len(self.removed), "thing"), size(whole) if whole else "", f"saves {money(saved)} a month"]
        return ", ".join(part for part in parts if part)

    def allows(self, typed: str, typed_checkpoints: str, *, checkpoints: bool) -> bool:
        """Whether what was typed confirms the removal."""
        if not self.removed or not self.word or typed.strip() != self.word:
            return False
        return not checkpoints or (bool(self.checkpoint_word) and typed_checkpoints.strip() == self.checkpoint_word)
