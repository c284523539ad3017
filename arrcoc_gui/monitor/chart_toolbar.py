"""What can be set for all charts at once: horizontal axis, log values, smoothing, which metrics, zoom, follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSlider,
    QToolButton,
    QWidget,
)

from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.combo import ComboBox, MenuButton

X_MODES = (("step", "Step"), ("relative", "Relative time"), ("wall", "Wall time"))


class StickyMenu(QMenu):
    """A menu whose check marks can be set one after the other without its closing."""

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if not self._toggle(self.activeAction()):
            super().mouseReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() != Qt.Key.Key_Space or not self._toggle(self.activeAction()):
            super().keyPressEvent(event)

    def _toggle(self, action: QAction | None) -> bool:
        if action is None or not action.isCheckable():
            return False
        action.trigger()
        return True


class ChartToolbar(QWidget):
    """Holds the settings and tells when they change."""

    x_changed = Signal(str)
    log_changed = Signal(bool)
    smoothing_changed = Signal(float)
    metric_toggled = Signal(str, bool)
    reset_wanted = Signal()
    follow_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.x_axis = ComboBox()
        self.x_axis.setAccessibleName("Horizontal axis")
        self.x_axis.view().setAccessibleName("Kinds of horizontal axis")
        self.x_axis.setToolTip("Horizontal axis: step, time since the start, time of day (X)")
        for mode, words in X_MODES:
            self.x_axis.addItem(words, mode)
        self.x_axis.currentIndexChanged.connect(lambda _: self.x_changed.emit(self.x_mode))
        self.log = QToolButton()
        self.log.setText("log")
        self.log.setCheckable(True)
        self.log.setAccessibleName("Logarithmic values")
        self.log.setToolTip("Logarithmic values (Y)")
        self.log.toggled.connect(self.log_changed)
        self.smooth = QSlider(Qt.Orientation.Horizontal)
        self.smooth.setRange(0, 99)
        self.smooth.setAccessibleName("Smoothing")
        self.smooth.setToolTip("Smoothing over every point; the raw line stays, faint")
        self.smooth.valueChanged.connect(self._smoothed)
        self.smooth_label = QLabel()
        self.smooth_label.setProperty("look", "small")
        self.metrics = MenuButton()
        self.metrics.setText("Metrics")
        self.metrics.setAccessibleName("Choose which metrics have a chart")
        self.menu = StickyMenu(self.metrics)
        self.metrics.setMenu(self.menu)
        self.reset = _button("Reset zoom", "Show everything again (0)")
        self.reset.clicked.connect(self.reset_wanted)
        self.follow = _button("Newest", "Go back to the newest moment (.)")
        self.follow.clicked.connect(self.follow_wanted)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme().px(8))
        for widget in (self.x_axis, self.log, self.smooth, self.smooth_label):
            layout.addWidget(widget)
        layout.addStretch(1)
        for widget in (self.follow, self.reset, self.metrics):
            layout.addWidget(widget)
        themes().changed.connect(self._restyle)
        self._restyle()
        self._smoothed(0)
        self.set_following(True)
        self.reset.setVisible(False)

    @property
    def x_mode(self) -> str:
        """`step`, `relative` or `wall`."""
        return str(self.x_axis.currentData())

    @property
    def alpha(self) -> float:
        """Weight of the past in the smoothing: 0 (none) to 0.99."""
        return self.smooth.value() / 100

    def next_x(self) -> None:
        """The next kind of horizontal axis, going round."""
        self.x_axis.setCurrentIndex((self.x_axis.currentIndex() + 1) % self.x_axis.count())

    def set_following(self, following: bool) -> None:
        """Offer the way back to the newest moment while another one is shown."""
        self.follow.setVisible(not following)

    def set_metrics(self, names: Sequence[str], shown: Mapping[str, bool]) -> None:
        """List the metrics that can be chosen, in order."""
        if [action.data() for action in self.menu.actions()] != list(names):
            self.menu.clear()
            for name in names:
                action = self.menu.addAction(name)
                action.setCheckable(True)
                action.setData(name)
                action.triggered.connect(lambda on, name=name: self.metric_toggled.emit(name, on))
        for action in self.menu.actions():
            action.setChecked(shown[action.data()])
        self.metrics.setEnabled(bool(names))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        # What can be spared goes when there is little room: the slider says the same as its words.
        self.smooth_label.setVisible(self.width() >= theme().px(460))
        self.log.setVisible(self.width() >= theme().px(375))

    def _smoothed(self, value: int) -> None:
        self.smooth_label.setText(f"smoothing {value / 100:.2f}" if value else "no smoothing")
        self.smoothing_changed.emit(value / 100)

    def _restyle(self) -> None:
        self.setMinimumWidth(theme().px(280))
        self.smooth.setFixedSize(theme().px(90), theme().px(24))
        longest = max(self.x_axis.fontMetrics().horizontalAdvance(words) for _, words in X_MODES)
        self.x_axis.setMinimumWidth(longest + theme().px(48))
        width = self.smooth_label.fontMetrics().horizontalAdvance("smoothing 0.99")
        self.smooth_label.setMinimumWidth(width + theme().px(4))


def _button(text: str, name: str) -> QPushButton:
    button = QPushButton(text)
    button.setProperty("look", "quiet")
    button.setToolTip(name)
    button.setAccessibleName(name)
    return button
