"""The cards of Home: last results, the next step, what needs the user, and the one button of a newcomer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from arrcoc_core.formatting import money, plural
from arrcoc_gui.home.money import Spending
from arrcoc_gui.home.token_picture import TokenPicture
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import Card, rule, text_label
from arrcoc_gui.widgets.labels import ElidedLabel

if TYPE_CHECKING:
    from arrcoc_core.results import NextStep, ResultSummary
    from arrcoc_core.standing import Attention


class ResultsCard(Card):
    """The last results, a sentence each with its change against the run before."""

    opened = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Last results", parent)
        self._shown: object = None

    def show_results(self, results: Sequence[ResultSummary], when: Mapping[str, str]) -> None:
        what = [(r.run_id, r.sentence, r.change, when.get(r.run_id, "")) for r in results]
        if what == self._shown:
            return
        self._shown = what
        focused = next((b.objectName() for b in self.findChildren(QPushButton) if b.hasFocus()), "")
        self.clear()
        if not results:
            self.lines.addWidget(text_label("No run has ended yet.", "muted"))
        for index, (run_id, sentence, change, ago) in enumerate(what):
            if index:
                self.lines.addWidget(rule())
            self.lines.addLayout(self._line(run_id, sentence, change, ago))
            if run_id == focused:
                self.findChild(QPushButton, run_id).setFocus()

    def _line(self, run_id: str, sentence: str, change: str, ago: str) -> QHBoxLayout:
        texts = QVBoxLayout()
        texts.setSpacing(theme().px(2))
        texts.addWidget(text_label(sentence))
        below = QHBoxLayout()
        below.setSpacing(theme().px(10))
        if change:
            below.addWidget(text_label(change, {"+": "good", "-": "bad"}.get(change[0], "muted"), wrap=False))
        below.addWidget(text_label(ago, "muted", wrap=False))
        below.addStretch()
        texts.addLayout(below)
        line = QHBoxLayout()
        line.addLayout(texts, stretch=1)
        button = QPushButton("Open")
        button.setObjectName(run_id)
        button.setProperty("look", "quiet")
        button.setAccessibleName(f"Open run {run_id}")
        button.clicked.connect(lambda: self.opened.emit(run_id))
        line.addWidget(button, alignment=Qt.AlignmentFlag.AlignTop)
        return line


class NextCard(Card):
    """One proposal and its button."""

    launch = Signal(str, tuple)  # experiment, sets
    opened = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Next", parent)
        self.step: NextStep | None = None
        self.text = text_label("")
        self.command = ElidedLabel(mode=Qt.TextElideMode.ElideRight)
        self.command.setProperty("look", "mono")
        self.button = QPushButton("Next")
        self.button.setProperty("look", "primary")
        self.button.clicked.connect(self.act)
        for widget in (self.text, self.command):
            self.lines.addWidget(widget)
        self.lines.addWidget(self.button, alignment=Qt.AlignmentFlag.AlignLeft)

    def show_step(self, step: NextStep) -> None:
        if step == self.step:
            return
        self.step = step
        self.text.setText(step.text)
        self.command.set_full_text(step.command)
        title = {"launch": "Launch", "open": "Watch" if " monitor " in step.command else "Open the run"}
        self.button.setText(title.get(act_of(step), "Copy the command"))
        self.button.setAccessibleName(f"{self.button.text()}: {step.text}")

    def act(self) -> None:
        """Do what the button says."""
        if self.step is None:
            return
        act = act_of(self.step)
        if act == "launch":
            self.launch.emit(self.step.experiment, self.step.sets)
        elif act == "open":
            self.opened.emit(self.step.command.split()[2])
        else:
            QGuiApplication.clipboard().setText(self.step.command)


def act_of(step: NextStep) -> str:
    """What a step's button does: "launch", "open" a run, or "copy" a command that only a terminal can do."""
    words = step.command.split()
    if words[:2] == ["arrcoc", "launch"] and step.experiment:
        return "launch"
    return "open" if len(words) > 2 and words[1] in ("monitor", "logs") else "copy"


class NeedsCard(Card):
    """What only the user can mend."""

    edit = Signal(str, int)
    opened = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Needs you", parent)
        self._shown: tuple[Attention, ...] | None = None

    def show_needs(self, needs: tuple[Attention, ...]) -> None:
        self.setVisible(bool(needs))
        if needs == self._shown:
            return
        self._shown = needs
        self.clear()
        for index, need in enumerate(needs):
            if index:
                self.lines.addWidget(rule())
            self.lines.addWidget(text_label(need.text, "bad"))
            if not need.run_id:
                self.lines.addWidget(text_label(need.remedy, "muted"))
            self.lines.addWidget(self._button(need), alignment=Qt.AlignmentFlag.AlignLeft)

    def _button(self, need: Attention) -> QPushButton:
        button = QPushButton("Open the run" if need.run_id else "Open in editor")
        button.setAccessibleName(f"{button.text()}: {need.run_id or need.file}")
        if need.run_id:
            button.clicked.connect(lambda: self.opened.emit(need.run_id))
        else:
            button.clicked.connect(lambda: self.edit.emit(need.file, need.line))
        return button


class MoneyCard(Card):
    """What the cloud has cost, and costs now; what was rehearsed in the sandbox is told apart."""

    opened = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Money", parent)
        self._shown: object = None

    def show_money(self, real: Spending | None, rehearsed: Spending | None) -> None:
        self.setVisible(real is not None or rehearsed is not None)
        if (real, rehearsed) == self._shown:
            return
        self._shown = real, rehearsed
        self.clear()
        self.lines.setSpacing(theme().px(4))
        for text, look in real.lines() if real is not None else [("$0: nothing has run in the cloud", "")]:
            self.lines.addWidget(text_label(text, look))
        if rehearsed is not None:
            text = f"Sandbox: {money(rehearsed.total)} in {plural(rehearsed.runs, 'run')}, all pretended"
            self.lines.addWidget(text_label(text, "warn"))
        button = QPushButton("What it costs to keep")
        button.setProperty("look", "link")
        button.setAccessibleName("Open Infra: what it costs to keep")
        button.clicked.connect(self.opened)
        self.lines.addWidget(button, alignment=Qt.AlignmentFlag.AlignLeft)


class WelcomeCard(QFrame):
    """What a newcomer sees: what it is, and one button."""

    launch = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("look", "card")
        self.setMaximumWidth(theme().px(900))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.button = QPushButton("Launch quickstart")
        self.button.setProperty("look", "primary")
        self.button.setAccessibleName("Launch quickstart")
        self.button.clicked.connect(self.launch)
        self.facts = text_label("", "muted")
        texts = QVBoxLayout()
        texts.setSpacing(theme().px(14))
        texts.addWidget(text_label("Teach a model where to look", "hero"))
        texts.addWidget(
            text_label(
                "Launch quickstart and watch a selector learn to answer questions about pictures from one sixteenth of "
                "their visual tokens. It runs on this machine, needs no account and costs nothing."
            )
        )
        texts.addWidget(self.facts)
        texts.addStretch()
        texts.addWidget(self.button, alignment=Qt.AlignmentFlag.AlignLeft)
        layout = QHBoxLayout(self)
        edge = theme().px(32)
        layout.setContentsMargins(edge, edge, edge, edge)
        layout.setSpacing(theme().px(36))
        layout.addLayout(texts, stretch=1)
        layout.addWidget(TokenPicture())

    def set_facts(self, facts: str) -> None:
        """Time and cost of the launch."""
        self.facts.setText(facts)
        self.facts.setVisible(bool(facts))

    def set_launching(self, launching: bool) -> None:
        self.button.setEnabled(not launching)
        self.button.setText("Launching …" if launching else "Launch quickstart")
