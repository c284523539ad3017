"""The list of resources: one line each with state, name, detail and how long it takes; an error unfolds below its line.

Lines are changed in place, so that nothing jumps while they come. Durations of what goes on count by themselves.
"""

from __future__ import annotations

import time
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from arrcoc_core.formatting import duration
from arrcoc_gui.cloud.resources import LOOKS, ResourceRow, ResourceRows
from arrcoc_gui.cloud.trouble_view import TroubleView
from arrcoc_gui.links import open_web, web_address
from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.card import Card, text_label
from arrcoc_gui.widgets.labels import ElidedLabel
from arrcoc_gui.widgets.state_mark import StateMark

TICK_MS = 200
_CHECK_WORDS = ("ok", "failed", "skipped", "not known", "waiting")
_FLASHES_S = 0.95  # what took less has no duration worth reading


class ResourceLine(QFrame):
    """One row. `fix_wanted` carries the Fix a person wants run."""

    fix_wanted = Signal(object)

    def __init__(self, row: ResourceRow, *, compact: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.row = row
        self._compact = compact
        self.mark = StateMark(row.look, _widest(compact=compact))
        self.title = ElidedLabel(mode=Qt.TextElideMode.ElideRight)
        self.title.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self.detail = ElidedLabel()
        self.detail.setProperty("look", "muted")
        self.took = QLabel()
        self.took.setProperty("look", "small")
        self.took.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.console = QPushButton("Console")
        self.console.setProperty("look", "link")
        # Its room stays, so that the columns stand below one another.
        keep = self.console.sizePolicy()
        keep.setRetainSizeWhenHidden(not compact)
        self.console.setSizePolicy(keep)
        self.console.clicked.connect(lambda: open_web(self.row.console))
        self.trouble: TroubleView | None = None
        line = QHBoxLayout()
        line.setSpacing(theme().px(12))
        line.addWidget(self.mark)
        line.addWidget(self.title)
        line.addWidget(self.detail, stretch=1)
        line.addWidget(self.took)
        line.addWidget(self.console)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme().px(4))
        self._column.addLayout(line)
        themes().changed.connect(self._restyle)
        self._restyle()
        self.show_row(row)

    def show_row(self, row: ResourceRow) -> None:
        self.row = row
        self.mark.set_look(row.look)
        self.title.set_full_text(row.title)
        # The error says it better than the detail beside it.
        self.detail.set_full_text("" if row.trouble is not None else row.detail)
        self.console.setVisible(bool(web_address(row.console)))
        self.console.setToolTip(row.console)
        self.console.setAccessibleName(f"Open {row.title} in the console")
        self._show_trouble(row)
        self.setAccessibleName(row.in_words())
        self.tick()

    def _show_trouble(self, row: ResourceRow) -> None:
        """Below the line; what only could be done is told in another tone than what failed."""
        calm = row.state != "failed"
        if self.trouble is not None and (row.trouble is None or self.trouble.calm != calm):
            self.trouble.hide()
            self.trouble.deleteLater()
            self.trouble = None
        if row.trouble is not None and self.trouble is None:
            self.trouble = TroubleView(calm=calm)
            self.trouble.fix_wanted.connect(self.fix_wanted)
            self._column.addWidget(self.trouble)
        if self.trouble is not None:
            self.trouble.show_trouble(row.trouble)

    def tick(self) -> None:
        took = self.row.took(time.monotonic()) if self.row.state != "waiting" else None
        self.took.setText(duration(took) if took is not None and (took >= _FLASHES_S or self.row.look.live) else "")

    def _restyle(self) -> None:
        metrics = QFontMetrics(theme().font("small"))
        if self._compact:
            return
        self.took.setMinimumWidth(metrics.horizontalAdvance("59 min 59 s"))


class ResourceList(Card):
    """A card of `ResourceLine`s. `fix_wanted` carries the Fix a person wants run."""

    fix_wanted = Signal(object)
    changed = Signal()

    def __init__(
        self, title: str = "Resources", hint: str = "", *, compact: bool = False, parent: QWidget | None = None
    ) -> None:
        """`compact`: for a narrow place, where nothing has a console page."""
        super().__init__(title, parent)
        self._compact = compact
        self.rows = ResourceRows()
        self.lines_by_key: dict[str, ResourceLine] = {}
        self._stale = False
        self.sentence = ElidedLabel(mode=Qt.TextElideMode.ElideRight)
        self.sentence.setProperty("look", "muted")
        self.sentence.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.head.addWidget(self.sentence, stretch=100)
        self.hint = text_label(hint, "muted")
        self.lines.addWidget(self.hint)
        self.lines.setSpacing(theme().px(5))
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(self._tick)

    def expect(self) -> None:
        """New lines will come: the next one replaces all that is shown."""
        self._stale = True

    def apply(self, line: dict[str, Any]) -> None:
        """Take a line of the command; others than those about resources are passed over."""
        if self._stale and line.get("resource") and line.get("type", "resource") == "resource":
            self.clear_rows()
        row = self.rows.apply(line, time.monotonic())
        if row is None:
            return
        shown = self.lines_by_key.get(row.key)
        if shown is None:
            shown = ResourceLine(row, compact=self._compact)
            shown.fix_wanted.connect(self.fix_wanted)
            self.lines_by_key[row.key] = shown
            self.lines.addWidget(shown)
        else:
            shown.show_row(row)
        self._settle()

    def stop(self, why: str) -> None:
        """The command has ended."""
        self._stale = False
        self.rows.stop(why)
        for row in self.rows:
            self.lines_by_key[row.key].show_row(row)
        self._settle()

    def clear_rows(self) -> None:
        self._stale = False
        self.rows.clear()
        for shown in self.lines_by_key.values():
            shown.hide()
            shown.deleteLater()
        self.lines_by_key.clear()
        self._settle()

    def _settle(self) -> None:
        self.hint.setVisible(not self.rows and bool(self.hint.text()))
        self.sentence.set_full_text(self.rows.sentence())
        if self.rows.live and not self._timer.isActive():
            self._timer.start()
        elif not self.rows.live:
            self._timer.stop()
        self._fit_titles()
        self.changed.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_titles()

    def _fit_titles(self) -> None:
        """All titles as wide as the longest, up to half of the card."""
        metrics = QFontMetrics(theme().font("body"))
        widest = max((metrics.horizontalAdvance(row.title) for row in self.rows), default=0) + theme().px(12)
        for shown in self.lines_by_key.values():
            shown.title.setFixedWidth(max(min(widest, self.width() * 45 // 100), theme().px(80)))

    def _tick(self) -> None:
        if not self.isVisible():
            return
        for shown in self.lines_by_key.values():
            if shown.row.look.live:
                shown.tick()


def _widest(*, compact: bool) -> str:
    """The word that takes most room: the names stand below one another."""
    metrics = QFontMetrics(theme().font("small", bold=True))
    words = _CHECK_WORDS if compact else [look.word for look in LOOKS.values()]
    return max(words, key=metrics.horizontalAdvance)
