"""The main window: rail at the left, banners above the page, the status line below.

Pages are built when they are first shown, so that the first paint costs one page and no chart library. A page is a
QWidget; these of its methods are called where it has them: `actions() -> list[Action]`, `focus_first()` when it is
chosen, `shutdown()` when the window closes.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QByteArray, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QPaintEvent
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLineEdit,
    QMainWindow,
    QMessageBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from arrcoc_gui.actions import Action, ActionTable
from arrcoc_gui.background import background
from arrcoc_gui.cloud.trouble import Fix
from arrcoc_gui.cloud_task import end_cloud_tasks
from arrcoc_gui.commands import window_actions
from arrcoc_gui.qt_actions import QtActions
from arrcoc_gui.state import AppState
from arrcoc_gui.theme import theme, themes
from arrcoc_gui.widgets.banner import BannerStack
from arrcoc_gui.widgets.labels import ElidedLabel
from arrcoc_gui.widgets.question import Role, ask
from arrcoc_gui.widgets.rail import NavRail
from arrcoc_gui.widgets.sandbox_banner import SandboxBanner

NOTICE_MS = 6000


@dataclass
class Page:
    title: str
    make: Callable[[], QWidget]
    widget: QWidget | None = None


class MainWindow(QMainWindow):
    """One window for one project."""

    first_painted = Signal()
    closed = Signal()

    def __init__(self, state: AppState) -> None:
        super().__init__()
        self.state = state
        self.prefs = state.prefs
        self.pages: dict[str, Page] = {}
        self.current = ""
        self._painted = False
        self.setWindowTitle(state.root.name)  # Qt adds the name of the app
        self.rail = NavRail()
        self.rail.chosen.connect(self.go)
        self.stack = QStackedWidget()
        self.banners = BannerStack()
        self.sandbox_banner = SandboxBanner()
        self.sandbox_banner.off_wanted.connect(state.sandbox.turn_off)
        self._ask_before_close: QMessageBox | None = None
        self._lay_out()
        self._make_status()
        self.table = ActionTable(window_actions(self))
        self.actions_ = QtActions(self.table, self)
        self.actions_.fill(self.menuBar())
        self.actions_.refused.connect(self.show_notice)
        self._make_tools()
        self._show_sandbox()
        state.problem.connect(self.banners.show_problem)
        state.notice.connect(self.show_notice)
        state.runs_changed.connect(lambda _: self._show_running())
        state.run_opened.connect(self._open_run)
        state.experiment_opened.connect(lambda _: self.go("experiments"))
        state.page_wanted.connect(self.go)
        state.cloud_launch_wanted.connect(self._launch_in_cloud)
        state.fix_wanted.connect(self._ask_fix)
        state.sandbox.changed.connect(self._show_sandbox)
        background().busy_changed.connect(lambda _: self._busy_later.start())
        themes().changed.connect(self._remember_theme)
        self._restore()

    # -- pages --------------------------------------------------------------------------------------------------

    def add_page(self, page: str, title: str, icon: str, key: str, make: Callable[[], QWidget]) -> None:
        """Add a page to the rail; `make` is called when it is first needed."""
        self.pages[page] = Page(title, make)
        self.rail.add_page(page, title, icon, key)

    def page(self, page: str) -> QWidget:
        """The page's widget, built now if it has not been."""
        entry = self.pages[page]
        if entry.widget is None:
            entry.widget = entry.make()
            self.stack.addWidget(entry.widget)
            added: list[Action] = entry.widget.actions() if _has(entry.widget, "actions") else []
            for action in added:
                self.table.add(action)
            if added:
                self.actions_.sync()
                self.actions_.fill(self.menuBar())
        return entry.widget

    def go(self, page: str) -> None:
        """Show a page and give it the keyboard."""
        widget = self.page(page)
        self.current = page
        self.stack.setCurrentWidget(widget)
        self.rail.set_current(page)
        self.actions_.set_scope(page)
        if _has(widget, "focus_first"):
            widget.focus_first()  # pyright: ignore[reportAttributeAccessIssue]
        focus = self.focusWidget()
        if focus is None or isinstance(focus, QLineEdit) or not widget.isAncestorOf(focus):
            # A page that is still empty has nothing to focus; a field would swallow the keys of the pages.
            self.rail.buttons[page].setFocus()

    def build_all(self) -> None:
        """Build the pages not yet seen, so that the palette and the help sheet list all there is."""
        for page in self.pages:
            self.page(page)

    def _open_run(self, run_id: str) -> None:
        self.go("monitor")
        self.page("monitor").show_run(run_id)  # pyright: ignore[reportAttributeAccessIssue]

    def _launch_in_cloud(self, name: str, sets: tuple[str, ...]) -> None:
        self.go("experiments")
        self.page("experiments").launch_in_cloud(name, sets)  # pyright: ignore[reportAttributeAccessIssue]

    def _ask_fix(self, fix: Fix) -> None:
        """A repair is run by Setup, where its progress shows."""
        self.go("setup")
        self.page("setup").ask_fix(fix)  # pyright: ignore[reportAttributeAccessIssue]

    # -- help, palette, status ----------------------------------------------------------------------------------

    def open_palette(self) -> None:
        from arrcoc_gui.palette import CommandPalette, entries

        self.build_all()
        CommandPalette(entries(self.table, self.current, self.state), self).show()

    def open_help(self) -> None:
        from arrcoc_gui.help_sheet import HelpSheet

        self.build_all()
        HelpSheet(self.table, self).show()

    def show_notice(self, text: str) -> None:
        """A calm line in the status bar, for a few seconds."""
        self._notice.set_full_text(text)
        self._notice_timer.start()

    def _show_sandbox(self) -> None:
        """The switch and the banner, as things stand."""
        from arrcoc_gui.sandbox_switch import WORDS

        switch = self.state.sandbox
        self.sandbox_button.setChecked(switch.on)
        doing = {"starting": f"{WORDS} (starting …)", "failed": f"{WORDS} (it does not run)"}
        self.sandbox_banner.show_words(doing.get(switch.state, WORDS) if switch.on else "")
        self.setWindowTitle(f"{self.state.root.name} (sandbox)" if switch.on else self.state.root.name)

    def _show_running(self) -> None:
        active = self.state.active_runs
        names = ", ".join(dict.fromkeys(run.experiment for run in active))
        self._running.set_full_text(f"{names} · goes on when this window closes" if active else "")

    def _show_busy(self) -> None:
        names = [name for name in background().busy if not name.startswith(("reading", "checking"))]
        self._busy.set_full_text(f"{names[0]} …" if names else "")

    # -- making -------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        right = QWidget()
        right.setProperty("look", "page")
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.sandbox_banner)
        column.addWidget(self.banners)
        column.addWidget(self.stack, stretch=1)
        central = QWidget()
        row = QHBoxLayout(central)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addWidget(right, stretch=1)
        self.setCentralWidget(central)

    def _make_status(self) -> None:
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        self._notice = ElidedLabel()
        self._running = ElidedLabel(mode=Qt.TextElideMode.ElideRight)
        self._running.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._busy = ElidedLabel(mode=Qt.TextElideMode.ElideRight)
        self._busy.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        bar.setContentsMargins(theme().px(8), 0, theme().px(8), 0)
        bar.addWidget(self._notice, 2)
        bar.addWidget(self._busy, 1)
        bar.addWidget(self._running, 2)
        self._notice_timer = QTimer(self, interval=NOTICE_MS, singleShot=True)
        self._notice_timer.timeout.connect(lambda: self._notice.set_full_text(""))
        # Only what takes longer than a blink is named, else the line would flicker.
        self._busy_later = QTimer(self, interval=250, singleShot=True)
        self._busy_later.timeout.connect(self._show_busy)

    def _make_tools(self) -> None:
        self.sandbox_button = self.rail.add_switch("Sandbox", "sandbox")
        self.sandbox_button.clicked.connect(self.state.sandbox.toggle)
        self.rail.add_tool("Command palette", "search", "Ctrl+K").clicked.connect(self.open_palette)
        looks = self.rail.add_tool("Theme and size", "settings", "")
        menu = self.actions_.menu([action.id for action in self.table if action.menu == "View"], self)
        looks.clicked.connect(lambda: menu.popup(looks.mapToGlobal(looks.rect().topRight())))
        self.rail.add_tool("Keys and actions", "help", "?").clicked.connect(self.open_help)

    # -- remembering --------------------------------------------------------------------------------------------

    def _restore(self) -> None:
        self.resize(theme().px(1280), theme().px(800))
        stored = self.prefs.get("geometry", "")
        if stored:
            self.restoreGeometry(QByteArray(base64.b64decode(stored)))
        if self.prefs.problem:
            self.banners.show_problem(self.prefs.problem, look="notice")

    def _remember_theme(self) -> None:
        self.prefs.set("theme", themes().choice)
        self.prefs.set("scale", themes().scale)

    def _remember(self) -> None:
        self.prefs.set("geometry", base64.b64encode(self.saveGeometry().data()).decode())
        self.prefs.set("page", self.current)
        self.prefs.set("selection", self.state.selection)
        try:
            self.prefs.save()
        except OSError as error:
            sys.stderr.write(f"What the window looked like was not kept: {error}\n")

    # -- Qt -----------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            QTimer.singleShot(0, self.first_painted.emit)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Close at once; local runs go on, and that is said. What changes the cloud is asked about first."""
        from arrcoc_gui.farewell import say_farewell

        risky = [page.widget for page in self.pages.values() if getattr(page.widget, "changing", False)]
        if risky and not QApplication.instance().property("ending"):
            event.ignore()
            self._ask_to_close(risky[0].title.text())  # pyright: ignore[reportOptionalMemberAccess]
            return
        self._remember()
        self.hide()  # before the children are waited for: nobody looks at a window that does not answer
        self.state.stop()
        for page in self.pages.values():
            if page.widget is not None and _has(page.widget, "shutdown"):
                page.widget.shutdown()  # pyright: ignore[reportAttributeAccessIssue]
        end_cloud_tasks()
        say_farewell(self.state)
        event.accept()
        self.closed.emit()

    def _ask_to_close(self, what: str) -> None:
        """Ask once; the answer closes the window, which ends what is under way."""

        def answered(answer: str) -> None:
            self._ask_before_close = None
            if answer == "close":
                for page in self.pages.values():
                    if getattr(page.widget, "changing", False):
                        page.widget.shutdown()  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
                self.close()

        if self._ask_before_close is None:
            text = "It ends with the window. What is done stays done; run it again at any time to finish it."
            acts = [("Stop it and close", "close", Role.DestructiveRole)]
            self._ask_before_close = ask(f"{what} is at work", text, "Keep the window", acts, answered, self)


def _has(widget: QWidget, name: str) -> bool:
    """Whether the page itself defines the method; QWidget's own `actions` is not it."""
    return any(name in vars(cls) for cls in type(widget).__mro__ if cls.__module__.startswith("arrcoc_gui"))
