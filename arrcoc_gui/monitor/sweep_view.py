"""What came of a sweep: only the swept fields and the metric, the best marked, accuracy against tokens kept.

Enter or a double click on a line (or a click on a point of the chart) opens that run.
"""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QAbstractItemView, QFrame, QHeaderView, QLabel, QTableView, QVBoxLayout, QWidget

from arrcoc_core.formatting import literal
from arrcoc_core.references import references_of
from arrcoc_core.sweep_results import SweepSummary
from arrcoc_gui.monitor.states import look_of
from arrcoc_gui.monitor.sweep_chart import SweepChart, SweepPoint
from arrcoc_gui.theme import theme, themes

RUN_ID = int(Qt.ItemDataRole.UserRole)
SORT = RUN_ID + 1
LINES = ("full", "uniform", "random")


class SweepView(QWidget):
    """Chart above, table below."""

    run_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sentence = QLabel()
        self.sentence.setProperty("look", "title")
        self.sentence.setWordWrap(True)
        self.chart = SweepChart()
        self.chart.run_chosen.connect(self.run_chosen)
        self.model = QStandardItemModel(self)
        self.model.setSortRole(SORT)
        self.table = QTableView()
        self.table.setModel(self.model)
        self.table.setAccessibleName("Runs of the sweep")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSortingEnabled(True)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        self.table.setStyleSheet("QTableView::item { padding-left: 5px; }")
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        self.table.activated.connect(self._open)
        card = QFrame()
        card.setProperty("look", "card")
        inside = QVBoxLayout(card)
        inside.addWidget(self.chart)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme().px(10))
        layout.addWidget(self.sentence)
        layout.addWidget(card, 3)
        layout.addWidget(self.table, 2)
        themes().changed.connect(self._row_height)
        self._row_height()

    def show_summary(self, summary: SweepSummary, summaries: Mapping[str, Mapping[str, float]]) -> None:
        """`summaries`: the metrics of each run by its id, for the reference lines."""
        self.sentence.setText(summary.sentence)
        kept = {row.run_id: summaries.get(row.run_id, {}).get("tokens/kept") for row in summary.rows}
        by_field = summary.fields.index("tokens.keep") if "tokens.keep" in summary.fields else None
        points = []
        for row in summary.rows:
            tokens = kept[row.run_id] if by_field is None else row.values[by_field]
            if row.result is not None and isinstance(tokens, int | float) and tokens > 0:
                points.append(SweepPoint(row.run_id, float(tokens), row.result, row.best))
        self.chart.set_points(points, self._references(summary.metric, summaries))
        self._fill(summary)

    def _references(self, judged: str, summaries: Mapping[str, Mapping[str, float]]) -> list[tuple[str, float]]:
        """Lines that hold for the whole sweep: those whose value is about the same in every run that has it."""
        lines = []
        names = {metric: name for metric, name, _ in references_of(judged)}
        for metric in (f"{judged}_{line}" for line in LINES):
            values = [summary[metric] for summary in summaries.values() if metric in summary]
            if values and max(values) - min(values) < 0.02:
                lines.append((names[metric], sum(values) / len(values)))
        return lines

    def _fill(self, summary: SweepSummary) -> None:
        chosen = self._chosen_run()
        self.table.setSortingEnabled(False)
        self.model.clear()
        self.model.setHorizontalHeaderLabels([*summary.fields, summary.metric, "state"])
        for row in summary.rows:
            items = [_item(literal(value), value, row.run_id) for value in row.values]
            words = f"{row.text}   best" if row.best else row.text
            result = _item(words, -1.0 if row.result is None else row.result, row.run_id)
            if row.best:
                font = theme().font("body", bold=True)
                result.setFont(font)
                result.setForeground(theme().color("good"))
            state = look_of(row.state)
            state_item = _item(state.word, state.word, row.run_id)
            state_item.setForeground(theme().color(state.role))
            self.model.appendRow([*items, result, state_item])
        self.table.setSortingEnabled(True)
        self.table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        for number in range(self.model.rowCount()):
            if self.model.index(number, 0).data(RUN_ID) == chosen:
                self.table.selectRow(number)

    def _chosen_run(self) -> str:
        index = self.table.currentIndex()
        return str(index.data(RUN_ID)) if index.isValid() else ""

    def _open(self, index: QModelIndex) -> None:
        run_id = index.data(RUN_ID)
        if run_id:
            self.run_chosen.emit(run_id)

    def _row_height(self) -> None:
        self.table.verticalHeader().setDefaultSectionSize(theme().px(30))


def _item(text: str, sort: object, run_id: str) -> QStandardItem:
    item = QStandardItem(text)
    item.setData(run_id, RUN_ID)
    item.setData(sort if isinstance(sort, int | float) else str(sort), SORT)
    return item
