"""The band of a run that is under way: state, progress, time left, a line and the latest picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from arrcoc_core.formatting import duration
from arrcoc_gui.home.loading import LiveView
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.drawn import PictureLabel, ProgressLine, Sparkline
from arrcoc_gui.widgets.heading import Heading
from arrcoc_gui.widgets.labels import ElidedLabel, Tone

if TYPE_CHECKING:
    from arrcoc_core.standing import RunningLine

TONES: dict[str, Tone] = {"running": "accent", "preparing": "accent", "recovering": "warn", "cancelling": "warn"}


class Band(QFrame):
    """One run; `opened` carries its id."""

    opened = Signal(str)

    def __init__(self, run_id: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.run_id = run_id
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.setProperty("look", "card")
        self.progress = ProgressLine()
        self.how_far = ElidedLabel(mode=Qt.TextElideMode.ElideRight)
        self.left = QLabel()
        self.left.setProperty("look", "muted")
        self.metric_name = ElidedLabel(mode=Qt.TextElideMode.ElideRight)
        self.metric_name.setProperty("look", "small")
        self.value = QLabel()
        self.value.setProperty("look", "hero")
        self.spark = Sparkline()
        self.picture = PictureLabel()
        self.picture.setFixedSize(theme().px(264), theme().px(128))
        self.watch = QPushButton("Watch")
        self.watch.setAccessibleName(f"Watch run {run_id}")
        self.watch.clicked.connect(lambda: self.opened.emit(run_id))
        self.head = Heading(self.watch)
        self.badge = self.head.badge
        self._lay_out()

    def show_run(self, line: RunningLine, live: LiveView) -> None:
        """Bring everything up to date."""
        state = f"{line.state} · sandbox" if live.sandbox else line.state
        self.head.show_words(line.experiment, state, "warn" if live.sandbox else TONES.get(line.state, "muted"))
        self.progress.set_fraction(line.fraction)
        phase = f"{line.phase} · " if line.phase and line.phase != "training" else ""
        steps = f"step {line.step:,} of {line.total_steps:,}" if line.total_steps else "starting"
        self.how_far.set_full_text("waiting for its turn" if line.state == "queued" else phase + steps)
        left = f"{duration(line.eta_s)} left" if line.eta_s is not None else ""
        self.left.setText(" · ".join(part for part in (live.money, left) if part))
        self.metric_name.set_full_text(live.metric or "no metric yet")
        self.value.setText(live.last or "—")
        self.spark.set_values(live.values, live.metric or "metric")
        self.picture.set_image(live.picture, live.caption)
        self.picture.setVisible(not live.picture.isNull())

    def _lay_out(self) -> None:
        look = theme()
        far = QHBoxLayout()
        far.addWidget(self.how_far, stretch=1)
        far.addWidget(self.left)
        numbers = QVBoxLayout()
        numbers.setSpacing(0)
        numbers.addWidget(self.value)
        numbers.addWidget(self.metric_name)
        self.value.setMinimumWidth(look.px(110))
        line = QHBoxLayout()
        line.setSpacing(look.px(16))
        line.addLayout(numbers)
        line.addWidget(self.spark, stretch=1)
        texts = QVBoxLayout()
        texts.setSpacing(look.px(6))
        texts.addLayout(self.head)
        texts.addWidget(self.progress)
        texts.addLayout(far)
        texts.addStretch()
        texts.addLayout(line)
        layout = QHBoxLayout(self)
        edge = look.px(14)
        layout.setContentsMargins(edge, edge, edge, edge)
        layout.setSpacing(look.px(18))
        layout.addLayout(texts, stretch=1)
        layout.addWidget(self.picture)
