"""The top of the monitor: which run this is, how it stands, how far it is, and what can be done with it.

Two lines: name, state (shape, word), actions; then progress, phase, step, rate, time left, and how fresh the
data is. Texts that change keep their place: the freshness has a fixed width and digits have one width.
"""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from arrcoc_gui.monitor.elastic import ElasticLabel
from arrcoc_gui.monitor.run_view import RunView
from arrcoc_gui.monitor.run_words import status_line
from arrcoc_gui.monitor.states import look_of
from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.labels import Badge
from arrcoc_gui.widgets.shapes import draw_shape, role_color


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
    view_wanted = Signal(str)  # "charts", "result" or "attempts"

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
        for button, name in ((self.charts, "charts"), (self.result, "result"), (self.attempts, "attempts")):
            self.views.addButton(button)
            button.clicked.connect(lambda _=False, name=name: self.view_wanted.emit(name))
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

    def show_run(self, run: RunView, words: str = "") -> None:
        """Say how one run stands; `words`: what came of it, instead of that it has ended."""
        self.name.set_whole(run.experiment)
        self.name.setToolTip(run.id)
        self.chip.set_state(run.state)
        self.sandbox.set("sandbox" if run.sandbox else "", "warn")
        self.status.set_whole(words or status_line(run))
        live = not run.finished
        self.cancel.setVisible(live)
        self.cancel.setEnabled(run.state != "cancelling")
        self.again.setVisible(not live)
        self.progress.setVisible(live)
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
        self.fresh.setText("")

    def set_view(self, name: str) -> None:
        """Mark which of the views is shown."""
        {"result": self.result, "attempts": self.attempts}.get(name, self.charts).setChecked(True)

    def set_freshness(self, words: str) -> None:
        self.fresh.setText(words)

    def _show_fraction(self, fraction: float | None) -> None:
        # A range of 0 to 0 is Qt's "busy": it goes on moving while nothing can be counted yet.
        self.progress.setRange(0, 0 if fraction is None else 1000)
        if fraction is not None:
            self.progress.setValue(round(fraction * 1000))

    def _lay_out(self) -> None:
        px = theme().px
        top = QHBoxLayout()
        top.setSpacing(px(10))
        top.addWidget(self.name, 1)
        top.addWidget(self.chip)
        top.addSpacing(px(8))
        both = QHBoxLayout()
        both.setSpacing(px(2))
        both.addWidget(self.charts)
        both.addWidget(self.result)
        both.addWidget(self.attempts)
        top.addLayout(both)
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
        layout.addLayout(low)

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
