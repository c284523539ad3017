"""The values of a run: what it was configured with, and what each metric (of the machine, too) was last."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from arrcoc_gui.monitor.run_values import Pair, RunValues, matching
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import Card, text_label
from arrcoc_gui.widgets.plain_table import Cell, PlainTable, TableRow
from arrcoc_gui.widgets.scrolling import fill_scrolling

MOST = 400  # rows of one table: it scrolls with the page


class ValuesView(QWidget):
    """`show_values` fills it; the search narrows all tables."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values = RunValues("")
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search values")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Search the values by name")
        self.search.textChanged.connect(lambda _: self._fill())
        self.about = _table("This run")
        self.config = _table("Configuration")
        self.last = _table("Last values")
        self.system = _table("The machine")
        self._cards = {
            "about": Card("This run"),
            "config": Card("Configuration"),
            "last": Card("Last values"),
            "system": Card("The machine"),
        }
        self.none = text_label("", "muted")
        self._lay_out()

    def show_values(self, values: RunValues) -> None:
        if values != self._values:
            self._values = values
            self._fill()

    def _fill(self) -> None:
        search = self.search.text()
        found = False
        for name, table in (
            ("about", self.about),
            ("config", self.config),
            ("last", self.last),
            ("system", self.system),
        ):
            rows: tuple[Pair, ...] = matching(getattr(self._values, name), search)
            table.show_rows([TableRow(path, (Cell(path, "muted"), Cell(value))) for path, value in rows])
            self._cards[name].setVisible(bool(rows))
            found = found or bool(rows)
        self.none.setVisible(not found)
        self.none.setText(f"No value matches “{search}”." if search else "Nothing is known of its values yet.")

    def _lay_out(self) -> None:
        px = theme().px
        for card, table in (
            (self._cards["about"], self.about),
            (self._cards["config"], self.config),
            (self._cards["last"], self.last),
            (self._cards["system"], self.system),
        ):
            card.lines.addWidget(table)
        top = QHBoxLayout()
        self.search.setMaximumWidth(px(280))
        top.addWidget(self.search)
        top.addWidget(self.none, 1)
        top.addStretch(0)
        columns = QHBoxLayout()
        columns.setSpacing(px(12))
        for names in (("config",), ("about", "last", "system")):
            column = QVBoxLayout()
            column.setSpacing(px(12))
            for name in names:
                column.addWidget(self._cards[name])
            column.addStretch(1)
            columns.addLayout(column, 1)
        body = QWidget()
        inside = QVBoxLayout(body)
        inside.setContentsMargins(px(2), px(4), px(8), px(4))
        inside.setSpacing(px(10))
        inside.addLayout(top)
        inside.addLayout(columns, 1)
        area = fill_scrolling(self, body)
        area.setProperty("look", "bare")
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._fill()


def _table(name: str) -> PlainTable:
    return PlainTable(name, ("Name", "Value"), stretch=1, most=MOST, least=80)
