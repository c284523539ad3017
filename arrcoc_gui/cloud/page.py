"""What Setup, Infra and Teardown have in common: a head with buttons, one command at a time, its error, its repairs.

A page that is shown for the first time, or after the sandbox was switched, reads which project it is about and then
calls `refresh`. Nothing is started before a page is shown. A command that changes something asks before it is
cancelled; all of them can be run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from arrcoc_gui.background import Task, run_in_background
from arrcoc_gui.cloud.account import NO_PROJECT, REHEARSE, Account, read_account, write_setting
from arrcoc_gui.cloud.trouble import Fix
from arrcoc_gui.cloud.trouble_view import TroubleView
from arrcoc_gui.cloud_task import CloudTask, Ending
from arrcoc_gui.state import AppState
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import Card, text_label
from arrcoc_gui.widgets.question import Role, ask
from arrcoc_gui.widgets.scrolling import fill_scrolling

Said = Callable[[dict[str, Any]], None]
Ended = Callable[[Ending], None]


class NoAccount(Card):
    """Shown in the place of everything else while there is no project."""

    def __init__(self, state: AppState) -> None:
        super().__init__(NO_PROJECT)
        self.lines.addWidget(text_label(REHEARSE))
        self.sandbox = QPushButton("Rehearse in the sandbox")
        self.sandbox.setProperty("look", "primary")
        self.sandbox.setAccessibleName("Rehearse in the sandbox")
        self.sandbox.clicked.connect(state.sandbox.turn_on)
        self.setup = QPushButton("Open Setup")
        self.setup.setAccessibleName("Open Setup")
        self.setup.clicked.connect(lambda: state.page_wanted.emit("setup"))
        buttons = QHBoxLayout()
        buttons.addWidget(self.sandbox)
        buttons.addWidget(self.setup)
        buttons.addStretch(1)
        self.lines.addLayout(buttons)


class CloudPage(QWidget):
    """Subclasses fill `body` and `buttons` and override `refresh`, `account_known` and `set_busy`."""

    needs_project = True

    def __init__(self, state: AppState, title: str, about: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self.account: Account | None = None
        self.task: CloudTask | None = None
        self.box: QMessageBox | None = None
        self._risky = False
        self._stale = True
        self._reading: Task | None = None
        self.setProperty("look", "page")
        self.title = text_label(title, "hero", wrap=False)
        self.about = text_label(about, "muted")
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(theme().px(8))
        self.cancel = QPushButton("Cancel")
        self.cancel.setAccessibleName(f"Cancel what {title} does")
        self.cancel.clicked.connect(self.ask_cancel)
        self.trouble = TroubleView()
        self.trouble.fix_wanted.connect(self.ask_fix)
        self.no_account = NoAccount(state)
        self.inside = QWidget()
        self.body = QVBoxLayout(self.inside)
        self._lay_out()
        state.sandbox.changed.connect(self._world_changed)

    # -- what subclasses say

    def refresh(self) -> None:
        """Look anew; called when the page is first shown, and after a repair."""

    def account_known(self, account: Account) -> None:
        """The project has been read."""

    def set_busy(self, busy: bool) -> None:
        """A command has begun or ended."""

    # -- commands

    @property
    def busy(self) -> bool:
        return self.task is not None

    @property
    def changing(self) -> bool:
        """Whether what is under way changes something: the window asks before it closes."""
        return self.busy and self._risky

    def begin(self, arguments: Sequence[str], said: Said, ended: Ended, *, risky: bool = False) -> None:
        """Run one command, unless one is under way. `risky`: it changes something, so cancelling it asks first."""
        if self.busy:
            return
        self._begin(CloudTask(self.state.root, arguments, self), said, ended, risky=risky)

    def _begin(self, task: CloudTask, said: Said, ended: Ended, *, risky: bool) -> None:
        self._risky = risky
        self.task = task
        self.trouble.show_trouble(None)

        def over(ending: Ending) -> None:
            self.task = None
            self._busy_changed()
            self.trouble.show_trouble(ending.trouble)
            ended(ending)
            task.deleteLater()

        task.said.connect(said)
        task.ended.connect(over)
        task.start()
        self._busy_changed()

    def ask_cancel(self) -> None:
        """Stop what is under way; what changes something asks first."""
        if self.task is None:
            return
        if not self._risky:
            self.task.cancel()
            return
        text = "What is done stays done. Run it again at any time: it goes on where it was stopped."
        acts = [("Stop it", "stop", Role.DestructiveRole)]
        self._keep(ask(f"Stop {self.title.text().lower()} now?", text, "Let it finish", acts, self._cancel, self))

    def ask_fix(self, fix: Fix) -> None:
        """Ask whether to run the command of a repair."""
        if self.busy:
            self.state.notice.emit("One command at a time: wait for the one under way")
            return
        if fix.setting is not None:
            self._ask_write(*fix.setting)
            return

        def answered(answer: str) -> None:
            if answer == "run":
                self._run_fix(fix)

        more = "" if fix.safe else "\n\nThis may cost money, or cannot be taken back."
        acts = [("Run it", "run", Role.AcceptRole)]
        self._keep(ask("Run this command?", f"{fix.command}{more}", "Not now", acts, answered, self))

    def shutdown(self) -> None:
        """End what is under way; nothing of it stays."""
        if self._reading is not None:
            self._reading.cancel()
        if self.task is not None:
            self.task.drop()
            self.task = None

    # -- inside

    def _ask_write(self, key: str, value: str) -> None:
        def answered(answer: str) -> None:
            root = self.state.root
            if answer == "write":
                run_in_background(
                    lambda: write_setting(root, key, value),
                    self._written,
                    self.state.report,
                    self,
                    name="writing .training",
                )

        acts = [("Write it", "write", Role.AcceptRole)]
        text = f"{key}={value}\n\nThe line of .training changes; nothing else does, here or there."
        self._keep(ask(f"Write {key}?", text, "Not now", acts, answered, self))

    def _written(self, file: Path) -> None:
        self.state.notice.emit(f"Written to {file.name}. Looking again …")
        self.state.accounts_changed.emit()
        self.read_account()

    def _run_fix(self, fix: Fix) -> None:
        words = fix.words
        if words[0] == "arrcoc":
            more = ["--yes"] if words[1] == "setup" and "--yes" not in words else []
            task = CloudTask(self.state.root, [*words[1:], *more], self)
        else:
            task = CloudTask(self.state.root, words[1:], self, program=words[0])
        self._begin(task, lambda _: None, self._fixed, risky=True)

    def _fixed(self, ending: Ending) -> None:
        if ending.ok:
            self.state.notice.emit("Done. Looking again …")
            self.state.accounts_changed.emit()
            self.read_account()

    def _cancel(self, answer: str) -> None:
        if answer == "stop" and self.task is not None:
            self.task.cancel()

    def _keep(self, box: QMessageBox) -> None:
        self.box = box
        box.destroyed.connect(self._box_gone)

    def _box_gone(self) -> None:
        self.box = None

    def _busy_changed(self) -> None:
        """The button that was pressed is disabled meanwhile: the keyboard goes to Cancel, and back at the end."""
        focus = QApplication.focusWidget()
        ours = focus is None or self.isAncestorOf(focus)
        had_cancel = self.cancel.hasFocus()
        self.cancel.setVisible(self.busy)
        self.set_busy(self.busy)
        if not self.isVisible() or not ours:
            return
        if self.busy and (focus is None or not focus.isEnabled()):
            self.cancel.setFocus()
        elif not self.busy and had_cancel:
            self.focus_first()

    def focus_first(self) -> None:
        """Put the keyboard on the page's first button."""
        self.cancel.setFocus()

    def _world_changed(self) -> None:
        """Another world: whatever is shown is about the old one."""
        if self.task is not None:
            self.task.drop()
            self.task = None
            self._busy_changed()
        self.trouble.show_trouble(self.state.sandbox.trouble)
        self._stale = True
        if self.isVisible() and self.state.sandbox.ready:
            self.read_account()

    def reveal(self, widget: QWidget) -> None:
        """Scroll to it once it has its place."""
        QTimer.singleShot(0, widget, lambda: self.area.ensureWidgetVisible(widget, 0, theme().px(24)))

    def read_account(self) -> None:
        """Read the project, then look."""
        self._stale = False
        root = self.state.root
        self._reading = run_in_background(
            lambda: read_account(root), self._account_read, self.state.report, self, name="reading the settings"
        )

    def _account_read(self, account: Account) -> None:
        self.account = account
        missing = self.needs_project and not account.project and not account.others
        self.no_account.setVisible(missing)
        self.inside.setVisible(not missing)
        for place in range(self.buttons.count()):
            widget = self.buttons.itemAt(place).widget()
            if widget is not None and widget is not self.cancel:
                widget.setVisible(not missing)
        self.account_known(account)
        if missing and self.isVisible():
            self.no_account.sandbox.setFocus()
        if not missing:
            self.refresh()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._stale and self.state.sandbox.ready:
            self.read_account()

    def _lay_out(self) -> None:
        px = theme().px
        words = QVBoxLayout()
        words.setSpacing(px(4))
        words.addWidget(self.title)
        words.addWidget(self.about)
        head = QHBoxLayout()
        head.setSpacing(px(20))
        head.addLayout(words, stretch=1)
        self.buttons.addWidget(self.cancel)
        head.addLayout(self.buttons)
        head.setAlignment(self.buttons, Qt.AlignmentFlag.AlignTop)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(px(14))
        whole = QWidget()
        whole.setProperty("look", "page")
        column = QVBoxLayout(whole)
        edge = px(20)
        column.setContentsMargins(edge, edge, edge, edge)
        column.setSpacing(px(14))
        column.addLayout(head)
        column.addWidget(self.trouble)
        column.addWidget(self.no_account)
        column.addWidget(self.inside)
        column.addStretch(1)
        self.area = area = fill_scrolling(self, whole)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.cancel.hide()
        self.no_account.hide()
