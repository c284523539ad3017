"""Failures on screen and on file: nothing is swallowed.

An expected failure (`ArrcocError`) has a message and a remedy and becomes a banner. An unexpected one also
goes, with its traceback, to `.arrcoc/app.log`. One that escapes to the top of the program opens a dialog with
the full text, which can be copied; the app goes on.
"""

from __future__ import annotations

import sys
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from arrcoc_gui.theme import theme

LOG_LIMIT = 1_000_000  # bytes after which the log starts anew, the old one kept once


class AppLog:
    """Appends stamped text to one file."""

    def __init__(self) -> None:
        self.path: Path | None = None

    def write(self, text: str) -> None:
        """Add `text`; to standard error while there is no file, or when it cannot be written."""
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = f"{stamp} {text.rstrip()}\n"
        if self.path is None:
            sys.stderr.write(entry)
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and self.path.stat().st_size > LOG_LIMIT:
                self.path.replace(self.path.with_suffix(".old.log"))
            with self.path.open("a", encoding="utf-8") as file:
                file.write(entry)
        except OSError as error:
            sys.stderr.write(f"{self.path} cannot be written: {error}\n{entry}")


app_log = AppLog()


def explain(error: BaseException) -> tuple[str, str]:
    """Message and remedy for people. The traceback of an unexpected error goes to the log."""
    from arrcoc_core.errors import ArrcocError

    if isinstance(error, ArrcocError):
        return (f"{error.message} ({error.where})" if error.where else error.message), error.remedy
    app_log.write("".join(traceback.format_exception(error)))
    where = f"The full text is in {app_log.path}." if app_log.path else ""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, where


class ErrorDialog(QDialog):
    """A full error text that can be copied. Not modal: the app stays usable."""

    def __init__(self, title: str, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Error")
        self.text = text
        heading = QLabel(title)
        heading.setProperty("look", "title")
        heading.setWordWrap(True)
        hint = QLabel(f"The app goes on. This text is also in {app_log.path}." if app_log.path else "The app goes on.")
        hint.setProperty("look", "muted")
        hint.setWordWrap(True)
        body = QPlainTextEdit(text)
        body.setReadOnly(True)
        body.setProperty("look", "mono")
        body.setAccessibleName("Full text of the error")
        copy = QPushButton("Copy")
        copy.setAccessibleName("Copy the error text")
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(text))
        close = QPushButton("Close")
        close.setAccessibleName("Close")
        close.setDefault(True)
        close.clicked.connect(self.close)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(copy)
        buttons.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setSpacing(theme().px(10))
        for widget in (heading, hint, body):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        self.resize(theme().px(760), theme().px(460))


class ExceptHook(QObject):
    """Catches what escapes, in any thread, and shows it on the GUI thread."""

    _caught = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.dialog: ErrorDialog | None = None
        self._caught.connect(self._show, Qt.ConnectionType.QueuedConnection)
        self._before = (sys.excepthook, threading.excepthook)

    def install(self) -> None:
        sys.excepthook = self.handle
        threading.excepthook = lambda args: self.handle(args.exc_type, args.exc_value, args.exc_traceback)

    def uninstall(self) -> None:
        sys.excepthook, threading.excepthook = self._before

    def handle(self, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        """An exception nobody caught: log it, show it, go on. Ctrl+C still ends the program."""
        if issubclass(kind, KeyboardInterrupt):
            from PySide6.QtWidgets import QApplication

            QApplication.quit()
            return
        text = "".join(traceback.format_exception(kind, error, trace))
        app_log.write(text)
        self._caught.emit(f"{kind.__name__}: {error}", text)

    def _show(self, title: str, text: str) -> None:
        if self.dialog is not None:
            return  # one at a time: a failure in a timer would fill the screen; the log has them all
        from PySide6.QtWidgets import QApplication

        self.dialog = ErrorDialog(title, text, QApplication.activeWindow())
        self.dialog.destroyed.connect(self._closed)
        self.dialog.show()

    def _closed(self) -> None:
        self.dialog = None
