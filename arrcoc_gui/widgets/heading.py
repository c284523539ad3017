"""The head of a card or a pane: a name that gives way, a badge, and buttons at the right."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QWidget

from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.labels import Badge, ElidedLabel, Tone


class Heading(QHBoxLayout):
    """`name` and `badge` are its widgets; what is passed stands behind them."""

    def __init__(self, *behind: QWidget) -> None:
        super().__init__()
        self.name = ElidedLabel()
        self.name.setProperty("look", "title")
        self.badge = Badge()
        self.setSpacing(theme().px(10))
        self.addWidget(self.name, stretch=1)
        self.addWidget(self.badge)
        for widget in behind:
            self.addWidget(widget)

    def show_words(self, name: str, word: str, tone: Tone) -> None:
        """The name, and its state as a badge."""
        self.name.set_full_text(name)
        self.badge.set(word, tone)
