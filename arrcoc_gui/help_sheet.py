"""The help sheet: every action of the table with its keys, and where to read more."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QGridLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from arrcoc_gui.actions import Action, ActionTable, key_text
from arrcoc_gui.theme import theme

SCOPE_TITLES = {
    "window": "Everywhere",
    "home": "On Home",
    "experiments": "On Experiments",
    "monitor": "On Monitor",
    "setup": "On Setup",
    "infra": "On Infra",
    "teardown": "On Teardown",
}


class HelpSheet(QDialog):
    """A list by scope; Esc or `?` closes it."""

    def __init__(self, actions: ActionTable, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Keys and actions")
        body = QWidget()
        body.setProperty("look", "page")
        grid = QGridLayout(body)
        grid.setHorizontalSpacing(theme().px(24))
        grid.setVerticalSpacing(theme().px(6))
        grid.setColumnStretch(1, 1)
        grid.setContentsMargins(*[theme().px(14)] * 4)
        for scope in dict.fromkeys(action.scope for action in actions):
            self._section(grid, SCOPE_TITLES.get(scope, scope.capitalize()), [a for a in actions if a.scope == scope])
        grid.setRowStretch(grid.rowCount(), 1)
        area = QScrollArea()
        area.setWidget(body)
        area.setWidgetResizable(True)
        area.setAccessibleName("Keys and actions")
        note = QLabel("Enter presses the focused button. Tab and Shift+Tab go from control to control.")
        note.setProperty("look", "small")
        note.setWordWrap(True)
        close = QPushButton("Close")
        close.setAccessibleName("Close the help")
        close.clicked.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(area)
        layout.addWidget(note)
        layout.addWidget(close, alignment=Qt.AlignmentFlag.AlignRight)
        self.resize(theme().px(520), theme().px(560))
        close.setFocus()

    def _section(self, grid: QGridLayout, title: str, actions: list[Action]) -> None:
        row = grid.rowCount()
        heading = QLabel(title)
        heading.setProperty("look", "label")
        heading.setContentsMargins(0, theme().px(10) if row > 1 else 0, 0, theme().px(2))
        grid.addWidget(heading, row, 0, 1, 2)
        for offset, action in enumerate(actions, start=1):
            keys = QLabel("   ".join(map(key_text, action.keys)) or "palette")
            keys.setProperty("look", "mono" if action.keys else "muted")
            grid.addWidget(QLabel(action.title), row + offset, 1)
            grid.addWidget(keys, row + offset, 0)
