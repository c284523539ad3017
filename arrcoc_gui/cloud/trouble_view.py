"""An error on screen: what happened, why, and the numbered steps of its repair with commands to copy or run."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from arrcoc_gui.cloud.trouble import Fix, Trouble
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import empty, text_label
from arrcoc_gui.widgets.labels import ElidedLabel


class TroubleView(QFrame):
    """Shows one Trouble. `fix_wanted` carries the Fix whose Run was pressed; the page asks before it runs it."""

    fix_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None, *, calm: bool = False) -> None:
        """`calm`: something one may do, not something that went wrong."""
        super().__init__(parent)
        self.trouble: Trouble | None = None
        self.calm = calm
        self.setProperty("look", "notice" if calm else "banner")
        self._column = QVBoxLayout(self)
        self._column.setSpacing(theme().px(6))
        edge = theme().px(10)
        self._column.setContentsMargins(theme().px(14), edge, edge, edge)
        self.hide()

    def show_trouble(self, trouble: Trouble | None) -> None:
        """None hides the view."""
        if trouble == self.trouble:
            return
        self.trouble = trouble
        empty(self._column)
        self.setVisible(trouble is not None)
        if trouble is None:
            return
        self.setAccessibleName(trouble.as_text())
        head = QHBoxLayout()
        head.setSpacing(theme().px(8))
        message = text_label(trouble.message, "" if self.calm else "bad")
        head.addWidget(message, stretch=1)
        head.addWidget(self._copy("Copy all", trouble.as_text(), "Copy the error and its repair"))
        head.setAlignment(message, Qt.AlignmentFlag.AlignVCenter)
        self._column.addLayout(head)
        if trouble.cause:
            self._column.addWidget(text_label(trouble.cause, "muted"))
        if trouble.fixes:
            self._column.addLayout(self._fixes(trouble.fixes))

    def _fixes(self, fixes: tuple[Fix, ...]) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme().px(8))
        grid.setVerticalSpacing(theme().px(4))
        grid.setColumnStretch(1, 1)
        row = 0
        for number, fix in enumerate(fixes, 1):
            grid.addWidget(text_label(f"{number}.", "muted", wrap=False), row, 0, Qt.AlignmentFlag.AlignTop)
            if fix.text:
                grid.addWidget(text_label(fix.text), row, 1, 1, 2 if fix.setting else 3)
                row += 1 if fix.command else 0
            if fix.setting is not None:
                grid.addWidget(self._write(fix, fix.setting[1]), row, 3)
            if fix.command:
                # A command may be longer than the page: it is shortened on screen, and whole in the clipboard.
                command = ElidedLabel(fix.typed, mode=Qt.TextElideMode.ElideMiddle)
                command.setProperty("look", "mono")
                grid.addWidget(command, row, 1, Qt.AlignmentFlag.AlignVCenter)
                grid.addWidget(self._copy("Copy", fix.typed, f"Copy the command {fix.typed}"), row, 2)
                if fix.runnable:
                    grid.addWidget(self._run(fix), row, 3)
            row += 1
        return grid

    def _copy(self, title: str, text: str, name: str) -> QPushButton:
        button = QPushButton(title)
        button.setProperty("look", "quiet")
        button.setAccessibleName(name)
        button.clicked.connect(lambda: QGuiApplication.clipboard().setText(text))
        return button

    def _write(self, fix: Fix, value: str) -> QPushButton:
        button = QPushButton(f"Use {value}…")
        button.setAccessibleName(f"Write {value} into .training; asks first")
        button.clicked.connect(lambda: self.fix_wanted.emit(fix))
        return button

    def _run(self, fix: Fix) -> QPushButton:
        button = QPushButton("Run…")
        button.setAccessibleName(f"Run {fix.command}; asks first")
        button.clicked.connect(lambda: self.fix_wanted.emit(fix))
        return button
