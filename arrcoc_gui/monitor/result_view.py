"""What came of a run, for someone who looks at it for ten seconds.

A success: one sentence, the accuracies side by side, what the teacher costs, where the selector lies, three
lines that load it, where it is at W&B and on the Hub, one proposal for what to try next. A failure: the cause first,
the last lines of the log, what to do. The proposal's button asks before it launches anything.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication, QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from arrcoc_core.results import NextStep
from arrcoc_gui.monitor.elastic import ElasticLabel
from arrcoc_gui.monitor.lollipop import Lollipop
from arrcoc_gui.monitor.outward_card import OutwardCard
from arrcoc_gui.monitor.result_facts import ResultFacts
from arrcoc_gui.theme import theme, themes

TWO_COLUMNS_FROM = 900


class ResultView(QScrollArea):
    """See the module's docstring. `show_facts` fills it."""

    next_wanted = Signal(object)  # NextStep with an experiment to launch
    log_wanted = Signal()
    notice = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._facts: ResultFacts | None = None
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Result")
        self.sentence = _words("title")
        self.change = _words("muted")
        self.lollipop = Lollipop()
        self.accuracies = _card("Accuracy on held-out questions", self.lollipop)
        self.teacher = _words("")
        self.teaching = _card("What the teacher costs", self.teacher)
        self.tail = _mono("Last lines of the log")
        self.open_log = _button("Open the log", self.log_wanted.emit)
        self.trouble = _card("Last lines of the log", self.tail, _row(self.open_log))
        self.path = ElasticLabel(mode=Qt.TextElideMode.ElideMiddle)
        self.path.setProperty("look", "mono")
        self.path.setAccessibleName("Where the selector lies")
        self.open_folder = _button("Open folder", self._open_folder)
        self.copy_path = _button("Copy path", lambda: self._copy(str(self._place()), "Path copied"))
        self.selector = _card("The selector", self.path, _row(self.open_folder, self.copy_path))
        self.code = _mono("Python that loads the selector")
        self.copy_code = _button("Copy", lambda: self._copy(self.code.toPlainText(), "Code copied"))
        self.loading = _card("Load it in Python", self.code, _row(self.copy_code))
        self.outward = OutwardCard()
        self.next_text = _words("")
        self.command = ElasticLabel()
        self.command.setProperty("look", "mono")
        self.command.setAccessibleName("The same on the command line")
        self.launch = _button("Launch it…", self._launch)
        self.launch.setProperty("look", "primary")
        self.next = _card("Next", self.next_text, self.command, _row(self.launch))
        self._lay_out()
        themes().changed.connect(self._fit_texts)

    @property
    def facts(self) -> ResultFacts | None:
        return self._facts

    def show_facts(self, facts: ResultFacts) -> None:
        """Show what a run came to."""
        if facts == self._facts:
            return
        self._facts = facts
        summary = facts.summary
        failed = facts.state == "failed"
        good = facts.state == "succeeded"
        self.sentence.setText(summary.sentence)
        self.change.setText(summary.change[:1].upper() + summary.change[1:])
        self.change.setVisible(bool(summary.change))
        self.lollipop.set_rows(summary.rows)
        self.accuracies.setVisible(bool(summary.rows))
        measure = f"{summary.measure[0].upper()}{summary.measure[1:]}"
        self.accuracies.findChild(QLabel, "heading").setText(f"{measure} on held-out questions")
        self.teacher.setText(summary.teacher_note)
        self.teaching.setVisible(good)
        self.tail.setPlainText("\n".join(facts.tail) or "The log is empty.")
        self.tail.moveCursor(self.tail.textCursor().MoveOperation.End)
        self.trouble.setVisible(failed or (bool(facts.tail) and not good))
        self.path.set_whole(str(self._place()))
        self.selector.setVisible(True)
        self.selector.findChild(QLabel, "heading").setText("The selector" if good else "The run's folder")
        self.code.setPlainText(summary.load_snippet)
        self.loading.setVisible(good)
        self._show_next(summary.next_step)
        self._fit_texts()
        self.verticalScrollBar().setValue(0)

    def _show_next(self, step: NextStep) -> None:
        self.next_text.setText(step.text)
        self.command.set_whole(step.command)
        self.launch.setVisible(bool(step.experiment))

    def _place(self) -> Path:
        if self._facts is None:
            return Path()
        return self._facts.summary.selector_path or self._facts.folder

    def _open_folder(self) -> None:
        if self._facts is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._facts.folder)))

    def _copy(self, text: str, said: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self.notice.emit(said)

    def _launch(self) -> None:
        if self._facts is not None:
            self.next_wanted.emit(self._facts.summary.next_step)

    def _lay_out(self) -> None:
        px = theme().px
        page = QWidget()
        page.setProperty("look", "page")
        outer = QVBoxLayout(page)
        outer.setContentsMargins(0, px(4), px(8), px(12))
        outer.setSpacing(px(10))
        outer.addWidget(self.sentence)
        outer.addWidget(self.change)
        self._columns = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._columns.setSpacing(px(12))
        for cards in (
            (self.trouble, self.accuracies, self.next),
            (self.selector, self.outward, self.loading, self.teaching),
        ):
            column = QVBoxLayout()
            column.setSpacing(px(12))
            for card in cards:
                column.addWidget(card)
            column.addStretch(1)
            self._columns.addLayout(column, 1)
        outer.addLayout(self._columns)
        outer.addStretch(1)
        self.setWidget(page)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        wide = self.viewport().width() >= theme().px(TWO_COLUMNS_FROM)
        direction = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        if self._columns.direction() != direction:
            self._columns.setDirection(direction)

    def _fit_texts(self) -> None:
        for box in (self.tail, self.code):
            lines = max(box.document().blockCount(), 2)
            box.setFixedHeight(round(box.fontMetrics().lineSpacing() * (lines + 0.6)) + theme().px(26))


def _words(look: str) -> QLabel:
    label = QLabel()
    if look:
        label.setProperty("look", look)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _mono(name: str) -> QPlainTextEdit:
    box = QPlainTextEdit()
    box.setReadOnly(True)
    box.setProperty("look", "mono")
    box.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
    box.setTabChangesFocus(True)
    box.setAccessibleName(name)
    return box


def _button(text: str, act: object) -> QPushButton:
    button = QPushButton(text)
    button.setAccessibleName(text.rstrip("…"))
    button.clicked.connect(lambda: act())
    return button


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(theme().px(8))
    for widget in widgets:
        row.addWidget(widget)
    row.addStretch(1)
    return row


def _card(title: str, *parts: QWidget | QHBoxLayout) -> QFrame:
    card = QFrame()
    card.setProperty("look", "card")
    layout = QVBoxLayout(card)
    px = theme().px
    layout.setContentsMargins(px(14), px(12), px(14), px(12))
    layout.setSpacing(px(8))
    heading = QLabel(title)
    heading.setObjectName("heading")
    heading.setProperty("look", "label")
    layout.addWidget(heading)
    for part in parts:
        if isinstance(part, QWidget):
            layout.addWidget(part)
        else:
            layout.addLayout(part)
    return card
