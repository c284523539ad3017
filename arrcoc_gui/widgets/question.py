"""Questions before an act. Esc is the harmless answer, which is also the default of all that changes anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLayout, QMessageBox, QPushButton, QVBoxLayout, QWidget

from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import text_label

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


class Form(QDialog):
    """A question with fields. `no` closes it; `yes` calls `agreed`, which closes it when the fields will do."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self.setWindowTitle(title)

    def lay_out(
        self,
        question: str,
        about: str,
        fields: Sequence[QWidget | QLayout],
        agree: tuple[str, str],
        agreed: Callable[[], None],
        *,
        harmless: bool,
    ) -> None:
        """agree: the words of `yes`, and its name for those who listen; harmless: `yes` changes nothing, so
        Enter may press it."""
        self.no, self.yes = QPushButton("Not now"), QPushButton(agree[0])
        self.no.setAccessibleName("Not now")
        self.no.clicked.connect(self.reject)
        self.yes.setProperty("look", "primary")
        self.yes.setAccessibleName(agree[1])
        self.yes.clicked.connect(agreed)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.no)
        buttons.addWidget(self.yes)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[theme().px(18)] * 4)
        layout.setSpacing(theme().px(12))
        layout.addWidget(text_label(question, "title", wrap=False))
        layout.addWidget(text_label(about, "muted"))
        for part in fields:
            if isinstance(part, QLayout):
                layout.addLayout(part)
            else:
                layout.addWidget(part)
        layout.addLayout(buttons)
        self.setMinimumWidth(theme().px(460))
        default, other = (self.yes, self.no) if harmless else (self.no, self.yes)
        other.setAutoDefault(False)
        default.setDefault(True)
