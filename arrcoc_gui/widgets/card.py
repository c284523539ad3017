"""Cards: a titled surface with lines, and the plain labels in it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLayout, QVBoxLayout, QWidget

from arrcoc_gui.theme import theme


class Card(QFrame):
    """A titled surface whose lines can be replaced; `head` takes what stands right of the title."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("look", "card")
        self.heading = text_label(title, "label", wrap=False)
        self.head = QHBoxLayout()
        self.head.setSpacing(theme().px(10))
        self.head.addWidget(self.heading)
        self.head.addStretch(1)
        self.lines = QVBoxLayout()
        self.lines.setSpacing(theme().px(10))
        layout = QVBoxLayout(self)
        edge = theme().px(14)
        layout.setContentsMargins(edge, theme().px(12), edge, edge)
        layout.setSpacing(theme().px(8))
        layout.addLayout(self.head)
        layout.addLayout(self.lines)

    def clear(self) -> None:
        """Remove all lines."""
        empty(self.lines)


def text_label(text: str, look: str = "", *, wrap: bool = True) -> QLabel:
    """A plain text label in a look of the style sheet; its text can be selected."""
    label = QLabel(text)
    label.setProperty("look", look)
    label.setWordWrap(wrap)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def rule() -> QFrame:
    """A hairline between two lines of a card."""
    line = QFrame()
    line.setProperty("look", "rule")
    line.setFixedHeight(1)
    return line


def empty(layout: QLayout) -> None:
    """Take everything out of a layout and delete it."""
    while layout.count():
        item = layout.takeAt(0)
        if item.widget() is not None:
            item.widget().hide()
            item.widget().deleteLater()
        elif item.layout() is not None:
            empty(item.layout())
            item.layout().deleteLater()
