"""The top of the monitor: which run this is, how it stands, how far it is, and what can be done with it.

Two lines: name, state (shape, word), actions; then progress, phase, step, rate, time left, and how fresh the
data is. A third one comes while something of the run is on its way to the Hub or to W&B (`transfer_line.py`). Texts
that change keep their place: the freshness has a fixed width and digits have one width.

Of a run that is only read from W&B there are its charts and its values; what can be done with it is to open its page.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from arrcoc_gui.actions import Action
from arrcoc_gui.monitor.elastic import ElasticLabel
from arrcoc_gui.monitor.run_view import RunView
from arrcoc_gui.monitor.states import look_of
from arrcoc_gui.monitor.transfer_line import TransferLine
from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.action_menu import fill_menu
from arrcoc_gui.widgets.combo import MenuButton
from arrcoc_gui.widgets.labels import Badge
from arrcoc_gui.widgets.shapes import draw_shape, role_color

NARROW = 860  # pixels at 100 %


class StateChip(QWidget):
    """A state as shape and word."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = ""
        self.setAccessibleName("State")
        themes().changed.connect(self._restyle)

    def set_state(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self.setAccessibleDescription(look_of(state).word if state else "")
            self._restyle()

    def sizeHint(self) -> QSize:
        width = QFontMetrics(theme().font("label")).horizontalAdvance(look_of(self._state).word)
        return QSize(width + theme().px(36), theme().px(24))

    minimumSizeHint = sizeHint

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._state:
            return
        look = look_of(self._state)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(role_color(look.role, 0.5))
        painter.setBrush(role_color(look.role, 0.10))
        painter.drawRoundedRect(box, box.height() / 2, box.height() / 2)
        side = theme().px(11)
        left = theme().px(10)
        draw_shape(painter, look.shape, QRectF(left, (self.height() - side) / 2, side, side), role_color(look.role))
        painter.setPen(role_color(look.role))
        painter.setFont(theme().font("label"))
        spot = box.adjusted(left + side + theme().px(5), 0, 0, 0)
        painter.drawText(spot, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), look.word)

    def _restyle(self) -> None:
        self.updateGeometry()
        self.update()


class RunHeader(QWidget):
    """See the module's docstring. Emits what the user asks for; the page does it."""

    cancel_wanted = Signal()
    launch_wanted = Signal()
    view_wanted = Signal(str)  # "charts", "result", "attempts" or "values"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = ElasticLabel(mode=Qt.TextElideMode.ElideMiddle)
        self.name.setProperty("look", "title")
        self.chip = StateChip()
        self.sandbox = Badge()
        self.sandbox.setToolTip("It runs in the sandbox: nothing of it is real or costs anything")
        self.charts = _choice("Charts", "Show the curves (C)")
        self.result = _choice("Result", "Show what came of it (R)")
        self.views = QButtonGroup(self)
        self.attempts = _choice("Attempts", "Show where it ran, and for how much (A)")
        self.values = _choice("Values", "Show its configuration and its last values (V)")
        self._by_view = {
            "charts": self.charts,
            "result": self.result,
            "attempts": self.attempts,
            "values": self.values,
        }
        for name, button in self._by_view.items():
            self.views.addButton(button)
            button.clicked.connect(lambda _=False, name=name: self.view_wanted.emit(name))
        self.links = MenuButton()
        self.links.setText("Links")
        self.links.setAccessibleName("Pages of this run at W&B and on the Hub")
        self.links.setMenu(QMenu(self.links))
        self.transfer = TransferLine()
        self.cancel = QPushButton("Cancel…")
        self.cancel.setProperty("look", "danger")
        self.cancel.setAccessibleName("Cancel this run; asks first")
        self.cancel.clicked.connect(self.cancel_wanted)
        self.again = QPushButton("Launch again")
        self.again.setAccessibleName("Launch this experiment again")
        self.again.clicked.connect(self.launch_wanted)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName("Progress")
        self.status = ElasticLabel()
        self.status.setProperty("look", "muted")
        self.fresh = QLabel()
        self.fresh.setProperty("look", "small")
        self.fresh.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.fresh.setAccessibleName("How far the charts lie behind")
        self._lay_out()
        themes().changed.connect(self._restyle)
        self._restyle()

    def offer(self, actions: Sequence[Action]) -> None:
        """What the menu of links has."""
        fill_menu(self.links.menu(), actions)

    def show_run(self, run: RunView, words: str) -> None:
        """Say how one run stands, in `words`."""
        self.name.set_whole(run.experiment)
        self.name.setToolTip(run.id)
        self.chip.set_state(run.state)
        self.sandbox.set("sandbox" if run.sandbox else "", "warn")
        self.status.set_whole(words)
        live, ours = not run.finished, not run.read_only
        self.cancel.setVisible(live and ours)
        self.cancel.setEnabled(run.state != "cancelling")
        self.again.setVisible(not live and ours)
        self.result.setVisible(ours)
        self.attempts.setVisible(ours)
        self.values.setVisible(True)
        self.links.setVisible(True)
        self.progress.setVisible(live and ours)
        self._show_fraction(None if run.reach is None or not run.reach.step else run.reach.fraction)

    def show_sweep(self, name: str, state: str, words: str, fraction: float | None) -> None:
        """Say how a sweep stands as a whole."""
        self.sandbox.set("", "warn")
        self.name.set_whole(name)
        self.name.setToolTip("")
        self.chip.set_state(state)
        self.status.set_whole(words)
        self.cancel.setVisible(fraction is not None)
        self.cancel.setEnabled(True)
        self.again.setVisible(fraction is None)
        self.progress.setVisible(fraction is not None)
        self._show_fraction(fraction)
        for button in (self.result, self.attempts):
            button.setVisible(True)
        for button in (self.values, self.links, self.transfer):
            button.setVisible(False)
        self.fresh.setText("")

    def set_view(self, name: str) -> None:
        """Mark which of the views is shown."""
        self._by_view.get(name, self.charts).setChecked(True)

    def set_freshness(self, words: str, why: str = "") -> None:
        """How old what is shown is; `why`: what is in the way of anything newer, in the tool tip too."""
        self.fresh.setText(words)
        self.fresh.setToolTip(why)
        self.fresh.setAccessibleDescription(f"{words} {why}".strip())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where there is little room the choice of views goes below the name: the name must be read."""
        super().resizeEvent(event)
        narrow = self.width() < theme().px(NARROW)
        if narrow == (self._below.count() > 0):
            return
        if narrow:
            self._below.addWidget(self.view_bar)
            self._below.addStretch(1)
        else:
            self._below.takeAt(1)
            self._top.insertWidget(self._top.indexOf(self.links), self.view_bar)

    def _show_fraction(self, fraction: float | None) -> None:
        # A range of 0 to 0 is Qt's "busy": it goes on moving while nothing can be counted yet.
        self.progress.setRange(0, 0 if fraction is None else 1000)
        if fraction is not None:
            self.progress.setValue(round(fraction * 1000))

    def _lay_out(self) -> None:
        px = theme().px
        self._top = top = QHBoxLayout()
        top.setSpacing(px(10))
        top.addWidget(self.name, 1)
        top.addWidget(self.chip)
        top.addSpacing(px(8))
        self.view_bar = QWidget()
        all_views = QHBoxLayout(self.view_bar)
        all_views.setContentsMargins(0, 0, 0, 0)
        all_views.setSpacing(px(2))
        for button in self._by_view.values():
            all_views.addWidget(button)
        top.addWidget(self.view_bar)
        top.addWidget(self.links)
        top.addWidget(self.cancel)
        top.addWidget(self.again)
        low = QHBoxLayout()
        low.setSpacing(px(12))
        low.addWidget(self.sandbox)
        low.addWidget(self.progress)
        low.addWidget(self.status, 1)
        low.addWidget(self.fresh)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(px(4))
        layout.addLayout(top)
        self._below = QHBoxLayout()
        layout.addLayout(self._below)
        layout.addLayout(low)
        layout.addWidget(self.transfer)

    def _restyle(self) -> None:
        metrics = QFontMetrics(theme().font("small"))
        self.fresh.setMinimumWidth(metrics.horizontalAdvance("59.9 s behind") + theme().px(4))
        self.progress.setFixedWidth(theme().px(180))


def _choice(text: str, name: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setCheckable(True)
    button.setToolTip(name)
    button.setAccessibleName(name)
    return button
