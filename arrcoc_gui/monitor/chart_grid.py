"""The scrolling grid of the smaller charts: as many columns as have room, one card a metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QScrollArea, QVBoxLayout, QWidget

from arrcoc_gui.plotting import Chart
from arrcoc_gui.theme import theme, themes

CARD_WIDTH = 265
CARD_HEIGHT = 190


class ChartCard(QFrame):
    """A chart in a frame."""

    def __init__(self, chart: Chart) -> None:
        super().__init__()
        self.chart = chart
        self.setProperty("look", "card")
        inside = QVBoxLayout(self)
        inside.setContentsMargins(2, 2, 2, 2)
        inside.addWidget(chart)


class ChartGrid(QScrollArea):
    """`set_metrics` says which charts there are; `make` makes the chart of a new one."""

    def __init__(self, make: Callable[[str], Chart], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._make = make
        self._cards: dict[str, ChartCard] = {}
        self._columns = 0
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # The charts in it take the focus, and bring themselves into view.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Charts of the other metrics")
        page = QWidget()
        page.setProperty("look", "page")
        self._grid = QGridLayout(page)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self.setWidget(page)
        themes().changed.connect(self._restyle)
        self._restyle()

    @property
    def charts(self) -> dict[str, Chart]:
        """The charts by metric, in order."""
        return {metric: card.chart for metric, card in self._cards.items()}

    def set_metrics(self, metrics: Sequence[str]) -> list[Chart]:
        """Have a chart for each of these, in this order. Returns the charts that are gone."""
        if list(metrics) == list(self._cards):
            return []
        old = self._cards
        self._cards = {metric: old.pop(metric, None) or ChartCard(self._make(metric)) for metric in metrics}
        self._place()
        for card in old.values():
            card.hide()
            card.deleteLater()
        return [card.chart for card in old.values()]

    def sizeHint(self) -> QSize:
        return QSize(theme().px(CARD_WIDTH), theme().px(CARD_HEIGHT + 40))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._fitting() != self._columns:
            self._place()

    def _fitting(self) -> int:
        return max(self.viewport().width() // theme().px(CARD_WIDTH), 1)

    def _place(self) -> None:
        while self._grid.count():
            self._grid.takeAt(0)
        columns = self._fitting()
        for column in range(max(columns, self._columns)):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)
        for row in range(self._grid.rowCount()):
            self._grid.setRowStretch(row, 0)
        self._columns = columns
        for number, card in enumerate(self._cards.values()):
            card.setFixedHeight(theme().px(CARD_HEIGHT))
            self._grid.addWidget(card, number // columns, number % columns)
            card.show()
        self._grid.setRowStretch((len(self._cards) + columns - 1) // columns, 1)

    def _restyle(self) -> None:
        self._grid.setSpacing(theme().px(8))
        self.setMinimumHeight(theme().px(90))
        self._place()
