"""Below the run list: how the chosen W&B projects stand, said calmly, and what to do about one that is refused."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from arrcoc_gui.monitor.online_runs import Place
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import empty, text_label


class PlaceNotes(QWidget):
    """`why_wanted` carries the Trouble of a project that cannot be read."""

    why_wanted = Signal(object)
    again_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: list[tuple[str, object]] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(theme().px(4), 0, theme().px(4), 0)
        self._column.setSpacing(theme().px(2))
        self.hide()

    @property
    def words(self) -> list[str]:
        return [words for words, _ in self._shown]

    def show_places(self, places: Sequence[Place]) -> None:
        told = [(place.words(), place.trouble) for place in places if place.words()]
        if told == self._shown:
            return
        self._shown = list(told)
        empty(self._column)
        self.setVisible(bool(told))
        for words, trouble in told:
            self._column.addWidget(text_label(words, "small"))
            if trouble is not None:
                self._column.addLayout(self._offers(words, trouble))

    def _offers(self, words: str, trouble: object) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(theme().px(10))
        for title, act in (
            ("What to do", lambda: self.why_wanted.emit(trouble)),
            ("Try again", self.again_wanted.emit),
        ):
            button = QPushButton(title)
            button.setProperty("look", "link")
            button.setAccessibleName(f"{title}: {words}")
            button.clicked.connect(lambda _=False, act=act: act())
            row.addWidget(button)
        row.addStretch(1)
        return row
