"""The right side: what the selected row is. A broken file shows its error in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from arrcoc_gui.experiments.cloud_plan import CloudPlanView
from arrcoc_gui.experiments.cloud_view import CloudPlanPane
from arrcoc_gui.experiments.plan_view import PlanView, plan_lines
from arrcoc_gui.experiments.rows import Problem, Row, flatten
from arrcoc_gui.experiments.sheet import build_sheet
from arrcoc_gui.experiments.sheet_view import SheetView
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import text_label
from arrcoc_gui.widgets.combo import ComboBox
from arrcoc_gui.widgets.heading import Heading
from arrcoc_gui.widgets.labels import ElidedLabel

if TYPE_CHECKING:
    from arrcoc_core.planning import Plan

NOTHING = "nothing"


class ProblemView(QWidget):
    """An error with its place, what to do, the traceback, and the way into the editor."""

    opened = Signal(str, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.problem: Problem | None = None
        self.message = text_label("", "bad")
        self.where = text_label("", "mono")
        self.remedy = text_label("", "")
        self.trace = QPlainTextEdit()
        self.trace.setReadOnly(True)
        self.trace.setProperty("look", "mono")
        self.trace.setAccessibleName("Traceback")
        self.button = QPushButton("Open in editor")
        self.button.setProperty("look", "primary")
        self.button.setAccessibleName("Open the broken line in the editor")
        self.button.clicked.connect(self._open)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, theme().px(8), 0, 0)
        layout.setSpacing(theme().px(10))
        for widget in (self.message, self.where, self.remedy):
            layout.addWidget(widget)
        layout.addWidget(self.button, alignment=Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.trace, stretch=1)
        layout.addStretch()

    def show_problem(self, problem: Problem) -> None:
        self.problem = problem
        self.message.setText(problem.message)
        self.where.setText(f"{problem.file}:{problem.line}" if problem.file else "")
        self.remedy.setText(problem.remedy)
        self.remedy.setVisible(bool(problem.remedy))
        self.trace.setPlainText(problem.traceback)
        self.trace.setVisible(bool(problem.traceback))
        self.button.setEnabled(bool(problem.file))

    def _open(self) -> None:
        if self.problem is not None:
            self.opened.emit(self.problem.file, self.problem.line)


class Detail(QFrame):
    """Header, then the values beside those of another experiment, or the plan."""

    opened = Signal(str, int)
    rehearse_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("look", "card")
        self._row: Row | None = None
        self._rows: Sequence[Row] = ()
        self.head = Heading()
        self.place = QPushButton()
        self.place.setProperty("look", "link")
        self.place.clicked.connect(self._open_place)
        self.notes = text_label("", "muted")
        self.compare = ComboBox()
        self.compare.setAccessibleName("Compare with another experiment")
        self.compare.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.compare.setMinimumContentsLength(12)
        self.compare.currentIndexChanged.connect(lambda _: self._fill())
        self.differences = ElidedLabel(mode=Qt.TextElideMode.ElideRight)
        self.differences.setProperty("look", "muted")
        self.sheet = SheetView()
        self.sheet.opened.connect(self.opened)
        self.lines = PlanView()
        self.cloud = CloudPlanPane()
        self.rehearse = QPushButton("Rehearse in the sandbox")
        self.rehearse.setAccessibleName("Rehearse in the sandbox")
        self.rehearse.clicked.connect(self.rehearse_wanted)
        self.plan = QStackedWidget()
        self.plan.addWidget(self.lines)
        self.plan.addWidget(self.cloud)
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName("Values and plan")
        self.tabs.tabBar().setAccessibleName("Values and plan")
        self.tabs.addTab(self._values_tab(), "Values")
        self.tabs.addTab(self.plan, "Plan")
        self.problem = ProblemView()
        self.problem.opened.connect(self.opened)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.tabs)
        self.stack.addWidget(self.problem)
        self._lay_out()

    def show_row(self, row: Row | None, rows: Sequence[Row]) -> None:
        """Show this row; `rows` are what it can be compared with."""
        self._row, self._rows = row, rows
        self.setVisible(row is not None)
        if row is None:
            return
        self.head.show_words(row.name, row.status, row.tone)  # type: ignore[arg-type]
        self.place.setText(f"{row.file}:{row.line}")
        self.place.setAccessibleName(f"Open {row.file} line {row.line} in the editor")
        self._offer_comparisons()
        self._fill()

    def _offer_comparisons(self) -> None:
        row = self._row
        others = [r for r in flatten(self._rows) if r.resolved is not None and row is not None and r.key != row.key]
        wanted = [(NOTHING, ""), *((r.name, r.key) for r in others)]
        if wanted == [(self.compare.itemText(i), self.compare.itemData(i)) for i in range(self.compare.count())]:
            return
        kept = self.compare.currentData()
        self.compare.blockSignals(True)
        self.compare.clear()
        for name, key in wanted:
            self.compare.addItem(name, key)
        self.compare.setCurrentIndex(max(self.compare.findData(kept), 0))
        self.compare.blockSignals(False)

    def _fill(self) -> None:
        row = self._row
        if row is None:
            return
        problem = row.problem
        self.rehearse.setVisible(row.wants_account)
        # The one wide sheet of a sweep is its base's; the points differ from it in what the table already shows.
        shown = row if row.resolved is not None else next((c for c in row.children if c.resolved is not None), None)
        if problem is not None and shown is None:
            self.problem.show_problem(problem)
            self.stack.setCurrentWidget(self.problem)
            self.notes.hide()
            return
        self.stack.setCurrentWidget(self.tabs)
        if shown is None or shown.resolved is None:
            return
        experiment = shown.resolved.experiment
        notes = [f"First point: {shown.name}"] if shown is not row else []
        notes += [experiment.notes] if experiment.notes else []
        notes += [f"Tags: {', '.join(experiment.tags)}"] if experiment.tags else []
        self.notes.setText("\n".join(notes))
        self.notes.setVisible(bool(notes))
        other = next((r for r in flatten(self._rows) if r.key == self.compare.currentData()), None)
        beside = other.resolved if other is not None else None
        rows = build_sheet(shown.resolved, beside)
        self.sheet.sheet.show_sheet(row.key, rows, other.name if other is not None else "")
        count = sum(r.changed for r in rows)
        what = "not the default" if beside is None else "different"
        self.differences.set_full_text(
            f"{count} in bold: {what}" if count else f"all values are the {'defaults' if beside is None else 'same'}"
        )
        self._fill_plan(row)

    def _fill_plan(self, row: Row) -> None:
        lines: list[tuple[str, str, str]] = []
        if row.blocked is not None:
            lines.append(("Cannot run", row.blocked.message, "bad"))
            lines += [("", f"→ {line}", "muted") for line in row.blocked.remedy.splitlines()]
        if row.children:
            lines.append(("Sweep", row.headline, ""))
            lines += [
                ("Runs" if i == 0 else "", f"{child.name}   {child.headline}", "")
                for i, child in enumerate(row.children)
            ]
        plan = row.plan or next((child.plan for child in row.children if child.plan is not None), None)
        if plan is not None:
            lines += ([("", "", ""), ("First point", plan.experiment, "")] if row.children else []) + plan_lines(plan)
        self.lines.show_lines(lines)
        self.plan.setCurrentWidget(self.lines)
        if plan is not None and plan.cloud is not None and row.blocked is None:
            self.cloud.show_plan(cloud_view_of(row, plan))
            self.plan.setCurrentWidget(self.cloud)

    def show_plan_tab(self) -> None:
        """Bring the plan to the front."""
        self.tabs.setCurrentWidget(self.plan)

    def _open_place(self) -> None:
        if self._row is not None:
            self.opened.emit(self._row.file, self._row.line)

    def _values_tab(self) -> QWidget:
        bar = QHBoxLayout()
        label = QLabel("Compare with")
        label.setProperty("look", "muted")
        label.setBuddy(self.compare)
        bar.addWidget(label)
        bar.addWidget(self.compare)
        bar.addWidget(self.differences, stretch=1)
        tab = QWidget()
        layout = QVBoxLayout(tab)
        layout.setContentsMargins(0, theme().px(8), 0, 0)
        layout.addLayout(bar)
        layout.addWidget(self.sheet, stretch=1)
        return tab

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        edge = theme().px(12)
        layout.setContentsMargins(theme().px(14), edge, theme().px(14), theme().px(6))
        layout.setSpacing(theme().px(4))
        layout.addLayout(self.head)
        layout.addWidget(self.place, alignment=Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.notes)
        layout.addWidget(self.rehearse, alignment=Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.stack, stretch=1)


def cloud_view_of(row: Row, plan: Plan) -> CloudPlanView:
    """The plan of a row for the cloud; of a sweep, the sum of all its points'."""
    if not row.children:
        return CloudPlanView(row.launch or row.name, plan.to_json())
    spans = [child.plan.cost_range for child in row.children if child.plan is not None]
    known = [span for span in spans if span is not None]
    total = (sum(low for low, _ in known), sum(high for _, high in known)) if len(known) == len(row.children) else None
    return CloudPlanView(row.launch or row.name, plan.to_json(), len(row.children), total)
