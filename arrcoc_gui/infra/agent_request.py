"""The question before an agent is started on this machine: how many runs it may have at once."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import text_label
from arrcoc_gui.widgets.inputs import SpinBox

MOST_SLOTS = 64


class AgentRequest(QDialog):
    """`confirmed` carries the number of slots."""

    confirmed = Signal(int)

    def __init__(self, queue: str, waiting: int, *, sandbox: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self.setWindowTitle("Start an agent")
        title = text_label(f"Start an agent of {queue} on this machine?", "title", wrap=False)
        now = "It begins with what waits now. " if waiting else ""
        money = (
            "In the sandbox nothing is paid." if sandbox else "Every run it takes rents a machine, which you pay for."
        )
        about = text_label(
            f"It takes runs from the queue and sees them to their end on Vertex AI. {now}{money} It goes on when this "
            "window closes, until it is stopped.",
            "muted",
        )
        self.slots_ = SpinBox()
        self.slots_.setMinimumHeight(theme().px(30))
        self.slots_.setRange(1, MOST_SLOTS)
        self.slots_.setAccessibleName("How many runs at once")
        form = QFormLayout()
        form.setHorizontalSpacing(theme().px(14))
        form.addRow("Waiting now", text_label(f"{waiting}", "mono", wrap=False))
        form.addRow("Runs at once", self.slots_)
        self.no = QPushButton("Not now")
        self.no.setAccessibleName("Not now")
        self.no.clicked.connect(self.reject)
        self.yes = QPushButton("Start the agent")
        self.yes.setProperty("look", "primary")
        self.yes.setAccessibleName("Start the agent")
        self.yes.setAutoDefault(False)
        self.yes.clicked.connect(self._confirm)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.no)
        buttons.addWidget(self.yes)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[theme().px(18)] * 4)
        layout.setSpacing(theme().px(12))
        layout.addWidget(title)
        layout.addWidget(about)
        layout.addLayout(form)
        layout.addLayout(buttons)
        self.setMinimumWidth(theme().px(460))
        self.no.setDefault(True)
        self.slots_.setFocus()

    def _confirm(self) -> None:
        self.confirmed.emit(self.slots_.value())
        self.accept()
