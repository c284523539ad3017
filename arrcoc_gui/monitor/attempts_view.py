"""The run's attempts as a table: where each ran, on what, how it was provided, how long, for how much, why it ended.

Above it the money so far and the forecast; while the image is built, or while it waits in a Launch queue, how far that
is; below it what a person can do about a failure, and the way into the console.
"""

from __future__ import annotations

from datetime import UTC, datetime

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from arrcoc_gui.cloud.trouble_view import TroubleView
from arrcoc_gui.links import open_web, web_address
from arrcoc_gui.monitor.attempt_rows import (
    HEADERS,
    RIGHT,
    attempt_rows,
    money_words,
    preparing_words,
    trouble_of,
    waiting_words,
)
from arrcoc_gui.monitor.run_view import RunView
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import Card, text_label
from arrcoc_gui.widgets.drawn import ProgressLine
from arrcoc_gui.widgets.plain_table import PlainTable
from arrcoc_gui.widgets.scrolling import fill_scrolling


class AttemptsView(QWidget):
    """`log_wanted`: show the log. `fix_wanted` carries the Fix a person wants run."""

    log_wanted = Signal()
    fix_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run: RunView | None = None
        self.money = text_label("", "title")
        self.where = text_label("", "muted")
        self.trouble = TroubleView()
        self.trouble.fix_wanted.connect(self.fix_wanted)
        self.image = Card("Image")
        self.image_words = text_label("", "")
        self.image_progress = ProgressLine()
        self.image_progress.setAccessibleName("Build of the image")
        self.image_log = QPushButton("Show its log")
        self.image_log.setProperty("look", "link")
        self.image_log.clicked.connect(self.log_wanted)
        self.table = PlainTable("Attempts", HEADERS, right=RIGHT, stretch=9, most=10, least=190, give_way=(5, 7, 3))
        self.table.current_changed.connect(lambda _: self._offer_console())
        self.none = text_label("No attempt yet.", "muted")
        self.console = QPushButton("Open the job in the console")
        self.console.clicked.connect(self._open_console)
        self._lay_out()

    def show_run(self, run: RunView) -> None:
        """Show how the attempts stand now."""
        if self._run is None or self._run.id != run.id:
            self.table.clearSelection()
            self.table.setCurrentIndex(self.table.table.index(-1, -1))
        self._run = run
        self.tick()
        self.where.setText(f"Waits for a machine: {waiting_words(run)}" if run.waits_for_machine else "")
        self.where.setVisible(bool(self.where.text()))
        self.trouble.show_trouble(trouble_of(run))
        self.image.setVisible(run.preparation is not None and run.preparation.state != "ready" and not run.finished)
        if run.preparation is not None:
            waits = run.preparation.in_queue
            self.image.heading.setText("Launch queue" if waits else "Image")
            self.image_progress.setVisible(not waits)
            self.image_log.setVisible(not waits)
            self.image_words.setText(preparing_words(run))
            self.image_progress.set_fraction(run.preparation.fraction)
        self._offer_console()

    def tick(self) -> None:
        """Time goes on: durations and dollars."""
        run = self._run
        if run is None:
            return
        self.money.setText(money_words(run) or "Runs on this machine: it costs nothing")
        rows = attempt_rows(run, datetime.now(UTC))
        self.table.show_rows(rows)
        self.table.setVisible(bool(rows))
        self.none.setVisible(not rows)

    def _chosen_link(self) -> str:
        """The console page of the chosen attempt, else of the newest."""
        run = self._run
        if run is None or not run.attempts:
            return ""
        chosen = next((a for a in run.attempts if f"{a.n}" == self.table.current_key), run.attempts[-1])
        return web_address(chosen.link)

    def _offer_console(self) -> None:
        link = self._chosen_link()
        self.console.setVisible(bool(link))
        self.console.setToolTip(link)

    def _open_console(self) -> None:
        open_web(self._chosen_link())

    def _lay_out(self) -> None:
        px = theme().px
        head = QHBoxLayout()
        head.addWidget(self.money, 1)
        head.addWidget(self.console)
        line = QHBoxLayout()
        line.setSpacing(px(12))
        line.addWidget(self.image_words, 1)
        line.addWidget(self.image_log)
        self.image.lines.addLayout(line)
        self.image.lines.addWidget(self.image_progress)
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(px(2), px(4), px(8), px(4))
        column.setSpacing(px(10))
        column.addLayout(head)
        for widget in (self.where, self.trouble, self.image, self.table, self.none):
            column.addWidget(widget)
        column.addStretch(1)
        area = fill_scrolling(self, body)
        area.setProperty("look", "bare")
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
