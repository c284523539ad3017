"""The question of a quota request: how many, of what, where. It costs nothing; Google may say no."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from arrcoc_gui.infra.tables import Quota
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import text_label
from arrcoc_gui.widgets.inputs import SpinBox

MOST = 4096


class QuotaRequest(QDialog):
    """`confirmed` carries the number asked for."""

    confirmed = Signal(int)

    def __init__(self, quota: Quota, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self.setWindowTitle("Request quota")
        what = "vCPUs" if quota.gpu == "CPU" else f"{quota.gpu} GPUs"
        title = text_label(f"Ask Google for {quota.kind} {what} in {quota.region}?", "title", wrap=False)
        about = text_label(
            "A request costs nothing. Small numbers are often granted within minutes, others after days, and some are "
            "refused; Infra shows how it stands.",
            "muted",
        )
        self.count = SpinBox()
        self.count.setMinimumHeight(theme().px(30))
        self.count.setRange(1, MOST)
        self.count.setValue(max(quota.needed, (quota.limit or 0) + 1, 1))
        self.count.setAccessibleName(f"How many {what}")
        form = QFormLayout()
        form.setHorizontalSpacing(theme().px(14))
        granted = "not known" if quota.limit is None else "no limit" if quota.limit < 0 else f"{quota.limit:,}"
        form.addRow("Granted now", text_label(granted, "mono", wrap=False))
        form.addRow("Ask for", self.count)
        self.no = QPushButton("Not now")
        self.no.setAccessibleName("Not now")
        self.no.clicked.connect(self.reject)
        self.yes = QPushButton("Request")
        self.yes.setProperty("look", "primary")
        self.yes.setAccessibleName("Request this quota")
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
        self.setMinimumWidth(theme().px(440))
        self.no.setDefault(True)
        self.count.setFocus()

    def _confirm(self) -> None:
        self.confirmed.emit(self.count.value())
        self.accept()
