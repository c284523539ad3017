"""The panes of the monitor and where they stand: nothing here knows what a run is.

Splitters keep their sizes between sessions (`save_sizes`, `restore_sizes`); at 1200 x 700 everything is
visible, on larger screens the charts get the room.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from arrcoc_gui.monitor.attempt_strip import AttemptStrip
from arrcoc_gui.monitor.attempts_view import AttemptsView
from arrcoc_gui.monitor.charts import ChartBoard
from arrcoc_gui.monitor.header import RunHeader
from arrcoc_gui.monitor.log_pane import LogPane
from arrcoc_gui.monitor.picture_pane import PicturePane
from arrcoc_gui.monitor.project_picker import ProjectPicker
from arrcoc_gui.monitor.projects import Projects
from arrcoc_gui.monitor.result_view import ResultView
from arrcoc_gui.monitor.run_list import RunList
from arrcoc_gui.monitor.sweep_view import SweepView
from arrcoc_gui.monitor.values_view import ValuesView
from arrcoc_gui.monitor.waiting import WaitingPanel
from arrcoc_gui.theme import theme, themes


class MonitorPanes(QObject):
    """All panes, laid out in `page`."""

    def __init__(self, page: QWidget, color_of: Callable[[str], str], projects: Projects) -> None:
        super().__init__(page)
        self.picker = ProjectPicker(projects)
        self.runs = RunList(color_of)
        self.header = RunHeader()
        self.charts = ChartBoard(color_of)
        self.waiting = WaitingPanel()
        self.result = ResultView()
        self.sweep = SweepView()
        self.attempts = AttemptsView()
        self.values = ValuesView()
        self.pictures = PicturePane()
        self.strip = AttemptStrip()
        self.log = LogPane()
        self.stack = QStackedWidget()
        for widget in (self.charts, self.waiting, self.result, self.sweep, self.attempts, self.values):
            self.stack.addWidget(widget)
        self._lay_out(page)
        self.log.expanded_changed.connect(self._log_expanded)
        self._log_expanded(False)

    # -- what stands in the centre

    def show_charts(self) -> None:
        self._show(self.charts, pictures=True)

    def show_waiting(self) -> None:
        self._show(self.waiting, pictures=True)

    def show_result(self) -> None:
        self._show(self.result, pictures=True)

    def show_sweep(self) -> None:
        self._show(self.sweep, pictures=True)

    def show_attempts(self) -> None:
        # A wide table: the picture beside it gives way.
        self._show(self.attempts, pictures=False)

    def show_values(self) -> None:
        self._show(self.values, pictures=False)

    def show_nothing(self, words: str) -> None:
        """Before there is any run."""
        self.waiting.set_words(words)
        self._show(self.waiting, pictures=False)
        self.header.hide()
        self.bottom.hide()

    def _show(self, widget: QWidget, *, pictures: bool) -> None:
        self.stack.setCurrentWidget(widget)
        self.header.show()
        self.bottom.show()
        self.picture_card.setVisible(pictures)

    # -- sizes

    def save_sizes(self) -> dict[str, list[int]]:
        """The sizes within each splitter in pixels at 100 %, for the preferences."""
        scale = theme().scale
        return {name: [round(size / scale) for size in split.sizes()] for name, split in self._splitters.items()}

    def restore_sizes(self, saved: dict[str, list[int]]) -> None:
        """Take sizes that `save_sizes` gave; what does not fit is ignored."""
        for name, split in self._splitters.items():
            sizes = saved.get(name)
            if isinstance(sizes, list) and len(sizes) == split.count() and all(isinstance(s, int) for s in sizes):
                split.setSizes([theme().px(size) for size in sizes])
        self._log_expanded(self.log.expanded)

    def _rescale(self) -> None:
        """Another scale of the theme: the panes grow with their texts."""
        if theme().scale != self._scale:
            ratio, self._scale = theme().scale / self._scale, theme().scale
            for split in self._splitters.values():
                split.setSizes([round(size * ratio) for size in split.sizes()])
            self._log_expanded(self.log.expanded)

    def _log_expanded(self, expanded: bool) -> None:
        """Folded, the bottom takes the height of its lines; unfolded, a third, and it can be dragged."""
        least = self.bottom.minimumSizeHint().height()
        self.bottom.setMaximumHeight(16_777_215 if expanded else least)
        total = sum(self.rows.sizes()) or theme().px(600)
        height = round(total * 0.36) if expanded else least
        self.rows.setSizes([total - height, height])

    def _lay_out(self, page: QWidget) -> None:
        px = theme().px
        self.picture_card = QFrame()
        self.picture_card.setProperty("look", "card")
        inside = QVBoxLayout(self.picture_card)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.pictures)
        self.middle = QSplitter(Qt.Orientation.Horizontal)
        self.middle.addWidget(self.stack)
        self.middle.addWidget(self.picture_card)
        self.middle.setStretchFactor(0, 1)
        self.middle.setSizes([px(620), px(290)])
        self.bottom = QWidget()
        low = QVBoxLayout(self.bottom)
        low.setContentsMargins(0, 0, 0, 0)
        low.setSpacing(px(2))
        low.addWidget(self.strip)
        low.addWidget(self.log, 1)
        self.rows = QSplitter(Qt.Orientation.Vertical)
        self.rows.addWidget(self.middle)
        self.rows.addWidget(self.bottom)
        self.rows.setStretchFactor(0, 1)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(px(6), 0, 0, 0)
        column.setSpacing(px(8))
        column.addWidget(self.header)
        column.addWidget(self.rows, 1)
        left = QWidget()
        first = QVBoxLayout(left)
        first.setContentsMargins(0, 0, 0, 0)
        heading = QLabel("Runs")
        heading.setProperty("look", "title")
        above = QHBoxLayout()
        above.addWidget(heading)
        above.addWidget(self.picker, 1)
        first.addLayout(above)
        first.addWidget(self.runs, 1)
        self.outer = QSplitter(Qt.Orientation.Horizontal)
        self.outer.addWidget(left)
        self.outer.addWidget(right)
        self.outer.setStretchFactor(1, 1)
        self.outer.setSizes([px(200), px(1000)])
        for split in (self.middle, self.rows, self.outer):
            split.setChildrenCollapsible(False)
            split.setHandleWidth(px(8))
        self._scale = theme().scale
        themes().changed.connect(self._rescale)
        self._splitters = {"runs": self.outer, "pictures": self.middle, "log": self.rows}
        layout = QHBoxLayout(page)
        layout.setContentsMargins(px(12), px(10), px(12), px(8))
        layout.addWidget(self.outer)
