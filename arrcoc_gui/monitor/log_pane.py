"""The bottom of the monitor: one line of log that expands into the whole, with search and follow.

Folded, it shows the newest line. Unfolded (`L`, or the button), the view, a search field that counts and walks
its hits (Enter, Shift+Enter), and a Follow toggle. The shared cursor chooses the line of its time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QToolButton, QVBoxLayout, QWidget

from arrcoc_core.formatting import plural
from arrcoc_gui.monitor.elastic import ElasticLabel
from arrcoc_gui.monitor.log_reader import Document, LogReader
from arrcoc_gui.monitor.log_view import LogView
from arrcoc_gui.theme import theme

SEARCH_DELAY_MS = 150


class LogPane(QWidget):
    """See the module's docstring. `open` gives it a run's log."""

    time_wanted = Signal(float)
    expanded_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.reader = LogReader(self)
        self.view = LogView(self.reader)
        self.view.time_wanted.connect(self.time_wanted)
        self.toggle = _tool("Log", "Show or hide the log (L)")
        self.toggle.setCheckable(True)
        self.toggle.toggled.connect(self.set_expanded)
        self.last = ElasticLabel()
        self.last.setProperty("look", "mono")
        self.last.setAccessibleName("Newest line of the log")
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search the log")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Search the log")
        self.search.installEventFilter(self)
        self.hits = QLabel()
        self.hits.setProperty("look", "small")
        self.up = _tool("↑", "Hit before (Shift+Enter)")
        self.down = _tool("↓", "Next hit (Enter)")
        self.up.clicked.connect(lambda: self.go_to_hit(-1))
        self.down.clicked.connect(lambda: self.go_to_hit(1))
        self.follow = _tool("Follow", "Scroll with new lines")
        # Not quiet: a toggle has to show whether it is on.
        self.follow.setProperty("look", None)
        self.follow.setCheckable(True)
        self.follow.setChecked(True)
        self.follow.clicked.connect(self.view.set_following)
        self.view.following_changed.connect(self.follow.setChecked)
        self._hits: list[int] = []
        self._cursor: float | None = None
        self._delay = QTimer(self, interval=SEARCH_DELAY_MS, singleShot=True)
        self._delay.timeout.connect(lambda: self.reader.search(self.search.text()))
        self.search.textChanged.connect(lambda _: self._delay.start())
        self.reader.grown.connect(self._grown)
        self.reader.hits_changed.connect(self._found)
        self.reader.located.connect(self._located)
        self._lay_out()
        self.set_expanded(False)

    @property
    def expanded(self) -> bool:
        return self.toggle.isChecked()

    def open(self, document: Document | None, *, live: bool) -> None:
        """Show the log of a run; `live`: go on looking for new lines."""
        self.search.clear()
        self.reader.open(document)
        self.view.set_following(True)
        self.reader.set_live(live)

    def set_live(self, live: bool) -> None:
        self.reader.set_live(live)

    def set_expanded(self, expanded: bool) -> None:
        """Unfold into the whole log, or fold to one line."""
        self.toggle.setChecked(expanded)
        self.toggle.setText("▾ Log" if expanded else "▸ Log")
        for widget in (self.card, self.search, self.hits, self.up, self.down, self.follow):
            widget.setVisible(expanded)
        self.last.setVisible(not expanded)
        if expanded and self._cursor is not None:
            self.reader.locate(self._cursor)
        self.expanded_changed.emit(expanded)

    def set_cursor_time(self, time: float | None) -> None:
        """Choose the line of the shared cursor's time; None follows the end."""
        if time is None:
            self.view.set_following(True)
        elif self.expanded:
            self.reader.locate(time)
        self._cursor = time

    def focus_search(self) -> None:
        self.set_expanded(True)
        self.search.setFocus()

    def go_to_hit(self, direction: int) -> None:
        """The next hit below (+1) or above (-1) the current line, going round at the ends."""
        if not self._hits:
            return
        here = self.view.current_line
        if direction > 0:
            place = bisect_right(self._hits, here) % len(self._hits)
        else:
            place = (bisect_left(self._hits, here) - 1) % len(self._hits)
        self.view.set_following(False)
        self.view.show_line(self._hits[place])
        self.hits.setText(f"{place + 1:,} of {len(self._hits):,}")

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                back = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
                self.go_to_hit(-1 if back else 1)
                return True
            if event.key() == Qt.Key.Key_Escape and self.search.text():
                self.search.clear()
                return True
        return super().eventFilter(watched, event)

    def close_reader(self) -> None:
        """Stop reading; for the end of the app."""
        self._delay.stop()
        self.reader.close()

    def _grown(self, count: int) -> None:
        line = self.reader.last_line
        self.last.set_whole(line.text if line is not None else "Log lines appear here once the run has started.")

    def _found(self, hits: list[int], over: bool) -> None:
        self._hits = hits
        self.view.set_hits(hits)
        if not self.search.text():
            self.hits.setText("")
        elif hits:
            self.hits.setText(plural(len(hits), "hit") if over else f"{len(hits):,} …")
        else:
            self.hits.setText("no hit" if over else "searching …")
        for button in (self.up, self.down):
            button.setEnabled(bool(hits))

    def _located(self, number: int) -> None:
        self.view.show_line(number)

    def _lay_out(self) -> None:
        px = theme().px
        bar = QHBoxLayout()
        bar.setSpacing(px(6))
        bar.addWidget(self.toggle)
        bar.addWidget(self.last, 1)
        self.search.setMaximumWidth(px(280))
        for widget in (self.search, self.up, self.down, self.hits):
            bar.addWidget(widget)
        bar.addStretch(0)
        bar.addWidget(self.follow)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(px(4))
        layout.addLayout(bar)
        self.card = QFrame()
        self.card.setProperty("look", "card")
        inside = QVBoxLayout(self.card)
        inside.setContentsMargins(px(2), px(4), px(2), px(4))
        inside.addWidget(self.view)
        layout.addWidget(self.card, 1)


def _tool(text: str, name: str) -> QToolButton:
    button = QToolButton()
    button.setProperty("look", "quiet")
    button.setText(text)
    button.setToolTip(name)
    button.setAccessibleName(name)
    return button
