"""One line below the run's header while something of it is on its way to the Hub or to W&B, or did not get there."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from arrcoc_gui.cloud.trouble import Trouble
from arrcoc_gui.monitor.elastic import ElasticLabel
from arrcoc_gui.monitor.transfers import Transfer
from arrcoc_gui.monitor.uploads import UploadView
from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.drawn import ProgressLine


class TransferLine(QWidget):
    """Hidden while there is nothing to tell: an upload that is done is told by the result, and by the links."""

    again_wanted = Signal(str)  # "upload" or "sync"
    cancel_wanted = Signal()
    dismissed = Signal()
    why_wanted = Signal(object)  # Trouble

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._trouble: Trouble | None = None
        self._kind = "upload"
        self.words = ElasticLabel(mode=Qt.TextElideMode.ElideRight)
        self.words.setAccessibleName("Upload")
        self.bar = ProgressLine()
        self.bar.setAccessibleName("Upload")
        self.cancel = _button("Stop", "Stop this upload; it can be begun again", self.cancel_wanted.emit)
        self.again = _button("Upload again", "Upload again", lambda: self.again_wanted.emit(self._kind))
        self.why = _button("What to do", "Show what can be done about it", lambda: self.why_wanted.emit(self._trouble))
        self.dismiss = _button("Dismiss", "Dismiss this line", self.dismissed.emit)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme().px(10))
        layout.addWidget(self.bar)
        layout.addWidget(self.words, 1)
        for button in (self.cancel, self.again, self.why, self.dismiss):
            layout.addWidget(button)
        themes().changed.connect(self._restyle)
        self._restyle()
        self.hide()

    def show_state(self, transfer: Transfer | None, upload: UploadView | None) -> None:
        """What this app does goes before what the run's folder tells: another may upload the run, too."""
        if transfer is not None and (transfer.going_on or upload is None or not upload.going_on):
            self._kind = transfer.kind
            self._show(transfer.words(), transfer.fraction, transfer.trouble, going=transfer.going_on, ours=True)
            self.again.setVisible(transfer.state in ("failed", "stopped"))
        elif upload is not None and upload.state in ("uploading", "failed"):
            self._kind = "upload"
            self._show(upload.words(), upload.fraction, upload.trouble(), going=upload.going_on, ours=False)
            self.again.setVisible(not upload.going_on)
        else:
            self.hide()

    def _show(self, words: str, fraction: float | None, trouble: Trouble | None, *, going: bool, ours: bool) -> None:
        self._trouble = trouble
        self.words.set_whole(words)
        self.words.setProperty("look", "bad" if trouble is not None else "muted")
        self.words.style().polish(self.words)
        self.bar.setVisible(going)
        self.bar.set_fraction(fraction)
        self.cancel.setVisible(going and ours)
        self.why.setVisible(trouble is not None and bool(trouble.fixes or trouble.cause))
        self.dismiss.setVisible(ours and not going)
        self.show()

    def _restyle(self) -> None:
        self.bar.setFixedWidth(theme().px(180))


def _button(text: str, name: str, act: object) -> QPushButton:
    button = QPushButton(text)
    button.setProperty("look", "quiet")
    button.setAccessibleName(name)
    button.clicked.connect(lambda: act())  # type: ignore[operator]
    return button
