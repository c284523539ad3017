"""What is said when the window closes while runs are under way: they go on without it.

Always one line on standard error; the first time also a small window of its own, which closes by itself and never
holds the app back.
"""

from __future__ import annotations

import sys

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QPushButton, QVBoxLayout

from arrcoc_gui.state import AppState
from arrcoc_gui.theme import theme

SHOWN_MS = 8000


def say_farewell(state: AppState) -> None:
    """Name the runs that go on, if there are any."""
    names = [run.id for run in state.active_runs]
    if not names:
        return
    sys.stderr.write(f"Still running: {', '.join(names)}. They go on without the window; to see them: arrcoc gui\n")
    if not state.prefs.get("farewell_said", False):
        state.prefs.set("farewell_said", True)
        state.prefs.save()
        Farewell(names).show()


class Farewell(QDialog):
    """Says it once, with the names of the runs."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Your runs go on")
        title = QLabel("Training goes on without the window")
        title.setProperty("look", "title")
        text = QLabel("\n".join(names[:8]) + (f"\nand {len(names) - 8} more" if len(names) > 8 else ""))
        text.setProperty("look", "mono")
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        hint = QLabel("Open the app again to see them whole, or follow one with: arrcoc monitor")
        hint.setProperty("look", "muted")
        hint.setWordWrap(True)
        ok = QPushButton("OK")
        ok.setProperty("look", "primary")
        ok.setAccessibleName("OK")
        ok.clicked.connect(self.close)
        layout = QVBoxLayout(self)
        layout.setSpacing(theme().px(10))
        layout.setContentsMargins(*[theme().px(18)] * 4)
        for widget in (title, text, hint):
            layout.addWidget(widget)
        layout.addWidget(ok, alignment=Qt.AlignmentFlag.AlignRight)
        ok.setFocus()
        # QDialog counts as a window: the app ends when it closes, by its button or by itself.
        closing = QTimer(self, interval=SHOWN_MS, singleShot=True)
        closing.timeout.connect(lambda: self.close())  # which keeps it alive until then: nobody else does
        closing.start()
        QApplication.setQuitOnLastWindowClosed(True)
