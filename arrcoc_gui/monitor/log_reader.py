"""Reads a run's log for the log pane, off the GUI thread.

One background job at a time works on the run's document (the files of its attempts, or what its W&B server has); what
is asked meanwhile waits, the newest request of each kind only. The reader holds the lines around the part that is
looked at (`WINDOW`), so that memory does not grow with the log. While `live` is set it looks for new lines `POLL_MS`
apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from arrcoc_gui.background import run_in_background
from arrcoc_gui.monitor.console_log import ConsoleDocument
from arrcoc_gui.monitor.line_index import LogDocument, LogLine

Document = LogDocument | ConsoleDocument

POLL_MS = 250
WINDOW = 600
READ_AT_ONCE = 32 << 20
SEARCH_AT_ONCE = 50_000
MAX_HITS = 100_000


class LogReader(QObject):
    """Line count, lines and search of one run's log; signals when they are there."""

    grown = Signal(int)  # how many lines there are now
    lines_ready = Signal()
    hits_changed = Signal(list, bool)  # line numbers so far, and whether the search is over
    located = Signal(int)  # answer to `locate`
    copied = Signal(str)  # answer to `copy`

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._document: Document | None = None
        self._count = 0
        self._lines: dict[int, LogLine] = {}
        self._last: LogLine | None = None
        self._busy = False
        self._waiting: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {}
        self._hits: list[int] = []
        self._needle = ""
        self._searched = 0
        self._timer = QTimer(self, interval=POLL_MS)
        self._timer.timeout.connect(self.look)

    def __len__(self) -> int:
        return self._count

    @property
    def last_line(self) -> LogLine | None:
        """The newest line of the log that says anything."""
        return self._last

    def open(self, document: Document | None) -> None:
        """Read this log from its beginning; None reads nothing."""
        self._document = document
        self._count, self._lines, self._last = 0, {}, None
        self._waiting.clear()
        self._hits, self._needle, self._searched = [], "", 0
        self.grown.emit(0)
        self.look()

    def set_live(self, live: bool) -> None:
        """Whether to go on looking for new lines; the last look after a run's end finds what it wrote last."""
        if live and not self._timer.isActive():
            self._timer.start()
        elif not live and self._timer.isActive():
            self._timer.stop()
            self.look()

    def look(self) -> None:
        """Look for new lines once."""
        document = self._document
        if document is None or "look" in self._waiting:
            return

        def advance() -> tuple[Document, int, LogLine | None, bool] | None:
            changed = document.advance(READ_AT_ONCE)
            count = len(document)
            tail = [line for line in document.lines(count - 3, count) if line.text.strip() and not line.heading]
            return (document, count, tail[-1] if tail else None, document.complete()) if changed else None

        self._do("look", advance, self._looked)

    def line(self, number: int) -> LogLine | None:
        """A line that is held now, else None; see `want`."""
        return self._lines.get(number)

    def want(self, first: int, last: int) -> None:
        """Make sure lines `first` to `last` (exclusive) will be held; `lines_ready` tells."""
        last = min(last, self._count)
        document = self._document
        if document is None or all(number in self._lines for number in range(first, last)):
            return
        low, high = max(first - WINDOW, 0), last + WINDOW
        self._do("lines", lambda: (document, document.lines(low, high)), self._read)

    def search(self, text: str) -> None:
        """Find all lines with `text`; answers come piece by piece through `hits_changed`."""
        self._hits, self._needle, self._searched = [], text, 0
        self._waiting.pop("search", None)
        self.hits_changed.emit([], not text)
        self._search_on()

    def locate(self, time: float) -> None:
        """Find the last line logged at or before `time` (unix s); `located` answers."""
        document = self._document
        if document is not None:
            self._do("locate", lambda: document.line_at(time), self.located.emit)

    def copy(self, first: int, last: int) -> None:
        """Fetch the text of lines `first` to `last` (exclusive); `copied` answers."""
        document = self._document
        if document is not None:
            self._do("copy", lambda: "\n".join(line.text for line in document.lines(first, last)), self.copied.emit)

    def close(self) -> None:
        """Stop looking."""
        self._timer.stop()
        self._document = None
        self._waiting.clear()

    # -- inside

    def _do(self, kind: str, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self._waiting[kind] = (work, done)
        self._next()

    def _next(self) -> None:
        if self._busy or not self._waiting:
            return
        kind = next(iter(self._waiting))
        work, done = self._waiting.pop(kind)
        self._busy = True
        document = self._document

        def ended(answer: Any) -> None:
            self._busy = False
            # An answer about a run that is no longer shown is dropped.
            if document is self._document:
                done(answer)
            self._next()

        def failed(error: Exception) -> None:
            # A log that vanishes under the reader (its run was removed) is a log without more lines.
            self._busy = False
            if not isinstance(error, OSError):
                raise error
            self._next()

        run_in_background(work, ended, failed, self, name=f"reading the log ({kind})")

    def _looked(self, answer: tuple[Document, int, LogLine | None, bool] | None) -> None:
        if answer is None:
            return
        _, count, last, complete = answer
        shrunk = count < self._count
        if shrunk:
            self._lines.clear()
        else:
            # The line that was last may have been half of one.
            self._lines.pop(self._count - 1, None)
        self._count = count
        self._last = last or (None if shrunk else self._last)
        self.grown.emit(count)
        if not complete:
            self.look()
        self._search_on()

    def _read(self, answer: tuple[Document, list[LogLine]]) -> None:
        self._lines = {line.number: line for line in answer[1]}
        self.lines_ready.emit()

    def _search_on(self) -> None:
        document, needle = self._document, self._needle
        if document is None or not needle or self._searched >= self._count or len(self._hits) >= MAX_HITS:
            return
        first, last = self._searched, min(self._searched + SEARCH_AT_ONCE, self._count)

        def found(hits: list[int]) -> None:
            if needle != self._needle:
                return
            # The last line is searched again next time: it may grow.
            self._searched = last if last < self._count else max(last - 1, 0)
            known = set(self._hits[-64:])
            self._hits.extend(hit for hit in hits if hit not in known)
            over = last >= self._count
            self.hits_changed.emit(self._hits, over)
            if not over:
                self._search_on()

        self._do("search", lambda: document.find(needle, first, last), found)
