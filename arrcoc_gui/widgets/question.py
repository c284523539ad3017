"""Questions before an act. The harmless answer is always the default, and the answer to Esc."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from arrcoc_gui.theme import theme

Answer = Callable[[str], None]
Role = QMessageBox.ButtonRole


def ask(
    title: str, text: str, safe: str, acts: Sequence[tuple[str, str, Role]], answered: Answer, parent: QWidget
) -> QMessageBox:
    """Ask without stopping the window; `answered` hears the answer of the button pressed, "" for the harmless one.

    `safe`: the words of the harmless button. `acts`: words, answer and role of each other one.
    """
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle(title)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(title)
    box.setInformativeText(text)
    # The style of the platform makes these boxes narrow columns; this one is for reading.
    box.setStyleSheet(
        f"QLabel#qt_msgbox_label {{ font-weight: 600; font-size: {theme().px(15)}px; }}"
        f"QLabel#qt_msgbox_informativelabel {{ min-width: {theme().px(420)}px; }}"
    )
    keep = box.addButton(safe, Role.RejectRole)
    answers = {keep: ""}
    for words, answer, role in acts:
        answers[box.addButton(words, role)] = answer
    box.setDefaultButton(keep)
    box.setEscapeButton(keep)
    for button in answers:
        button.setAccessibleName(button.text())
    box.buttonClicked.connect(lambda button: answered(answers[button]))
    # Not exec(): the window goes on drawing while the question stands.
    box.open()
    return box
