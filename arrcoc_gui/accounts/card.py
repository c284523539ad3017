"""The small card on Home: who this machine is at W&B and on the Hub; a command to copy where it is nobody.

Asked once the page has been seen for a moment, and again when the world was switched or something was set up.
"""

from __future__ import annotations

import time
from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from arrcoc_gui.accounts.standing import AccountLine, account_lines, mode_words
from arrcoc_gui.cloud.loads import Load
from arrcoc_gui.links import copy_text
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import Card, empty, text_label
from arrcoc_gui.widgets.labels import ElidedLabel
from arrcoc_gui.widgets.state_mark import StateMark

SEEN_MS = 2500
"""The first data of the page comes before it."""
OLD_S = 900.0


class AccountsCard(Card):
    """Hidden until something is known. `notice` is for the status bar."""

    notice = Signal(str)

    def __init__(self, root: Path, parent: QWidget | None = None) -> None:
        super().__init__("Accounts", parent)
        self.asks = True
        self.shown: list[AccountLine] = []
        self._asked_at = float("-inf")
        self.look = Load(root, self)
        self.look.changed.connect(self._looked)
        self.mode = text_label("", "small")
        self._rows = QVBoxLayout()
        self._rows.setSpacing(theme().px(8))
        self.lines.addLayout(self._rows)
        self.lines.addWidget(self.mode)
        self._later = QTimer(self, interval=SEEN_MS, singleShot=True)
        self._later.timeout.connect(self.ask)

    def page_shown(self, shown: bool) -> None:
        """Whether Home is seen: then it asks, unless that was done lately."""
        if not shown:
            self._later.stop()
        elif self.asks and time.monotonic() - self._asked_at > OLD_S:
            self._later.start()

    def ask(self) -> None:
        """Ask now."""
        self._asked_at = time.monotonic()
        self.look.load(["accounts"])

    def forget(self) -> None:
        """Another world, or something was set up: what is known may not be true any more."""
        self._asked_at = float("-inf")
        if self.window().isVisible() and self.isVisible():
            self.page_shown(True)

    def shutdown(self) -> None:
        self._later.stop()
        self.look.drop()

    def _looked(self) -> None:
        lines = account_lines(self.look.lines)
        if self.look.state == "loaded":
            self.mode.setText(mode_words(self.look.lines))
            self.mode.setVisible(bool(self.mode.text()))
        if self.look.state == "loading" and len(lines) < len(self.shown):
            return  # what was known stays until as much is known again
        if lines != self.shown:
            self.shown = lines
            empty(self._rows)
            for line in lines:
                self._rows.addWidget(_AccountRow(line, self.notice))
        self.setVisible(bool(lines))


class _AccountRow(QWidget):
    def __init__(self, line: AccountLine, notice: object) -> None:
        super().__init__()
        self.setAccessibleName(line.in_words())
        px = theme().px
        title = text_label(line.title, "strong", wrap=False)
        mark = StateMark(line.look)
        top = QHBoxLayout()
        top.setSpacing(px(8))
        top.addWidget(title)
        top.addStretch(1)
        top.addWidget(mark)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(px(2))
        column.addLayout(top)
        words = text_label(line.words, "" if line.good else "muted")
        column.addWidget(words)
        if line.where:
            where = ElidedLabel(line.where)
            where.setProperty("look", "small")
            column.addWidget(where)
        if line.command:
            column.addLayout(_repair(line, notice))


def _repair(line: AccountLine, notice: object) -> QHBoxLayout:
    command = ElidedLabel(line.command)
    command.setProperty("look", "mono")
    copy = QPushButton("Copy")
    copy.setProperty("look", "quiet")
    copy.setAccessibleName(f"Copy the command {line.command}")

    def copied() -> None:
        copy_text(line.command)
        notice.emit(f"Copied {line.command}: it is run in a terminal")  # type: ignore[attr-defined]

    copy.clicked.connect(copied)
    row = QHBoxLayout()
    row.setSpacing(theme().px(8))
    row.addWidget(command, 1)
    row.addWidget(copy)
    return row
