"""The questions the monitor asks before it acts. The harmless answer is always the default."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from arrcoc_gui.monitor.run_words import CancelQuestion
from arrcoc_gui.theme import theme

Answer = Callable[[str], None]


def ask_cancel(question: CancelQuestion, answered: Answer, parent: QWidget) -> QMessageBox:
    """Ask whether to cancel; `answered` hears "run", "sweep" or "" (keep running)."""
    box = _box(question.title, question.text, parent)
    keep = box.addButton("Keep running", QMessageBox.ButtonRole.RejectRole)
    one = box.addButton("Cancel this run", QMessageBox.ButtonRole.DestructiveRole)
    answers = {keep: "", one: "run"}
    if question.rest > 1:
        all_of_them = box.addButton(f"Cancel the sweep ({question.rest} runs)", QMessageBox.ButtonRole.DestructiveRole)
        answers[all_of_them] = "sweep"
    return _ask(box, keep, answers, answered)


def ask_cancel_sweep(name: str, rest: int, done: int, answered: Answer, parent: QWidget) -> QMessageBox:
    """Ask whether to cancel what is left of a sweep; `answered` hears "sweep" or ""."""
    text = (
        f"{rest} of its runs have not ended: those that run write a checkpoint and end, those in the queue never "
        f"start. The {done} ended ones keep their results."
    )
    box = _box(f"Cancel the sweep {name}?", text, parent)
    keep = box.addButton("Keep running", QMessageBox.ButtonRole.RejectRole)
    end = box.addButton("Cancel the sweep", QMessageBox.ButtonRole.DestructiveRole)
    return _ask(box, keep, {keep: "", end: "sweep"}, answered)


def ask_launch(title: str, text: str, answered: Answer, parent: QWidget) -> QMessageBox:
    """Ask whether to launch; `answered` hears "launch" or ""."""
    box = _box(title, text, parent)
    no = box.addButton("Not now", QMessageBox.ButtonRole.RejectRole)
    yes = box.addButton("Launch", QMessageBox.ButtonRole.AcceptRole)
    return _ask(box, no, {no: "", yes: "launch"}, answered)


def _box(title: str, text: str, parent: QWidget) -> QMessageBox:
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle(title)
    box.setText(title)
    box.setInformativeText(text)
    # The style of the platform makes these boxes narrow columns; this one is for reading.
    box.setStyleSheet(
        f"QLabel#qt_msgbox_label {{ font-weight: 600; font-size: {theme().px(15)}px; }}"
        f"QLabel#qt_msgbox_informativelabel {{ min-width: {theme().px(420)}px; }}"
    )
    return box


def _ask(box: QMessageBox, safe: object, answers: dict, answered: Answer) -> QMessageBox:
    box.setDefaultButton(safe)
    box.setEscapeButton(safe)
    for button in answers:
        button.setAccessibleName(button.text())
    box.buttonClicked.connect(lambda button: answered(answers[button]))
    # Not exec(): the window goes on drawing while the question stands.
    box.open()
    return box
