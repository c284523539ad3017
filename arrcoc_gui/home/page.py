"""The Home page. It looks at runs and experiments through `AppState` and gathers what it shows in the background."""

from __future__ import annotations

from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from arrcoc_gui.accounts.card import AccountsCard
from arrcoc_gui.actions import Action
from arrcoc_gui.background import Task, run_in_background
from arrcoc_gui.home.band import Band
from arrcoc_gui.home.cards import MoneyCard, NeedsCard, NextCard, ResultsCard, WelcomeCard
from arrcoc_gui.home.feed import HomeFeed
from arrcoc_gui.home.loading import BANDS, HomeView, LiveView, load_home
from arrcoc_gui.state import AppState
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import text_label
from arrcoc_gui.widgets.scrolling import fill_scrolling

REFRESH_MS = 1000  # while something runs and the page shows


class HomePage(QWidget):
    """Bands of what runs, the last results; at the right the next step and what needs the user."""

    def __init__(self, state: AppState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self.setProperty("look", "page")
        self._task: Task | None = None
        self._again = False
        self._asked = False
        self._last_failure = ""
        self._newcomer = True
        self.bands: dict[str, Band] = {}
        self.feed = HomeFeed(self)
        self.quiet = text_label("Looking at your runs …", "muted")
        self.more = text_label("", "muted")
        self.welcome = WelcomeCard()
        self.results = ResultsCard()
        self.next = NextCard()
        self.needs = NeedsCard()
        self.money = MoneyCard()
        self.accounts = AccountsCard(state.root)
        self.accounts.asks = bool(state.prefs.get("ask_accounts", True))
        self._lay_out()
        self._connect()
        self._timer = QTimer(self, interval=REFRESH_MS)
        self._timer.timeout.connect(self._tick)
        if state.runs_loaded:
            self.refresh()

    def actions(self) -> list[Action]:  # type: ignore[override] - the page's own actions, not QWidget's
        """The actions of this page, for the table of the window."""
        return [
            Action(
                id="home.next",
                title="Do the next step",
                keys=("Ctrl+Return", "N"),
                scope="home",
                menu="Go",
                run=self.do_next,
                enabled=lambda: self.state.runs_loaded,
            )
        ]

    def focus_first(self) -> None:
        """The one button that is the next thing to do."""
        self._asked = self.welcome.isHidden() and self.next.isHidden()
        (self.welcome.button if self.welcome.isVisible() else self.next.button).setFocus()

    def shutdown(self) -> None:
        self._timer.stop()
        self.feed.close()
        self.accounts.shutdown()
        if self._task is not None:
            self._task.cancel()

    def do_next(self) -> None:
        """What the button of the page does."""
        (self.welcome.button if self.welcome.isVisible() else self.next.button).click()

    def refresh(self) -> None:
        """Gather anew in the background; one at a time."""
        if not self.isVisible() or not self.state.runs_loaded:
            return
        if self._task is not None and not self._task.finished:
            self._again = True
            return
        root, runs, discovery = self.state.root, list(self.state.runs), self.state.discovery
        self._task = run_in_background(
            lambda: load_home(root, runs, discovery), self._show, self._failed, self, name="reading the results"
        )

    def _tick(self) -> None:
        """Only what runs changes without the store saying so."""
        if self.bands:
            self.refresh()

    def _show(self, view: HomeView) -> None:
        self._last_failure = ""
        summary = view.summary
        self._asked |= not view.newcomer and self.welcome.button.hasFocus()
        self.welcome.setVisible(view.newcomer)
        self.welcome.set_facts(view.facts)
        self.next.setVisible(not view.newcomer)
        self.results.setVisible(not view.newcomer)
        self.quiet.setText("Nothing is running.")
        self.quiet.setVisible(not summary.running and not view.newcomer)
        shown = summary.running[:BANDS]
        for run_id in set(self.bands) - {line.run_id for line in shown}:
            self.bands.pop(run_id).deleteLater()
        for place, line in enumerate(shown):
            if line.run_id not in self.bands:
                band = Band(line.run_id)
                band.opened.connect(self.state.open_run)
                self.bands[line.run_id] = band
                self._band_box.insertWidget(place, band)
            self.bands[line.run_id].show_run(line, view.live.get(line.run_id, LiveView()))
        hidden = len(summary.running) - len(shown)
        self.more.setText(f"and {hidden} more in the queue" if hidden else "")
        self.more.setVisible(bool(hidden))
        self.results.show_results(summary.recent, view.ended)
        self.next.show_step(summary.next_step)
        self.needs.show_needs(summary.needs_user)
        self.money.show_money(view.spending, view.rehearsed)
        self._newcomer = view.newcomer and not summary.needs_user
        self._show_right()
        self.feed.watch([run.directory for run in self.state.runs if run.id in self.bands])
        if self._asked:
            self._asked = False
            self.focus_first()
        if self._again:
            self._again = False
            self.refresh()

    def _show_right(self) -> None:
        """A newcomer's page has only the one button, until there is something to say of accounts."""
        self._right.setVisible(not self._newcomer or bool(self.accounts.shown))

    def _failed(self, error: Exception) -> None:
        self._again = False
        if str(error) != self._last_failure:  # the same one each second is one banner
            self._last_failure = str(error)
            self.state.report(error)

    def _launching(self, names: list[str]) -> None:
        self.welcome.set_launching(True)
        self.next.button.setEnabled(False)

    def _launch_ended(self) -> None:
        self.welcome.set_launching(False)
        self.next.button.setEnabled(True)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._timer.start()
        self.accounts.page_shown(True)
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._timer.stop()
        self.accounts.page_shown(False)
        self.feed.watch([])

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._right.setMinimumWidth(theme().px(230))

    def _connect(self) -> None:
        state = self.state
        state.runs_changed.connect(lambda _: self.refresh())
        state.discovery_changed.connect(lambda _: self.refresh())
        state.launch_started.connect(self._launching)
        state.launch_ended.connect(self._launch_ended)
        self.welcome.launch.connect(lambda: state.launch(["quickstart"]))
        self.next.launch.connect(lambda name, sets: state.launch([name], sets))
        self.next.opened.connect(state.open_run)
        self.results.opened.connect(state.open_run)
        self.needs.opened.connect(state.open_run)
        self.needs.edit.connect(state.open_in_editor)
        self.accounts.notice.connect(state.notice)
        self.accounts.look.changed.connect(self._show_right)
        state.accounts_changed.connect(self.accounts.forget)
        state.sandbox.changed.connect(self.accounts.forget)
        self.money.opened.connect(lambda: state.page_wanted.emit("infra"))

    def _lay_out(self) -> None:
        look = theme()
        self._band_box = QVBoxLayout()
        self._band_box.setSpacing(look.px(10))
        self._band_box.addWidget(self.quiet)
        self._band_box.addWidget(self.more)
        left = QVBoxLayout()
        left.setSpacing(look.px(14))
        left.addWidget(self.welcome)
        left.addLayout(self._band_box)
        left.addWidget(self.results)
        left.addStretch()
        right = QVBoxLayout()
        right.setSpacing(look.px(14))
        right.setContentsMargins(0, 0, 0, 0)
        right.addWidget(self.next)
        right.addWidget(self.needs)
        right.addWidget(self.money)
        right.addWidget(self.accounts)
        right.addStretch()
        body = QWidget()
        body.setProperty("look", "page")
        columns = QHBoxLayout(body)
        edge = look.px(20)
        columns.setContentsMargins(edge, edge, edge, edge)
        columns.setSpacing(look.px(16))
        self._right = QWidget()
        self._right.setLayout(right)
        columns.addLayout(left, stretch=5)
        columns.addWidget(self._right, stretch=2)
        fill_scrolling(self, body)
        for widget in (
            self.welcome,
            self.next,
            self.results,
            self.needs,
            self.money,
            self.accounts,
            self.more,
            self._right,
        ):
            widget.hide()
