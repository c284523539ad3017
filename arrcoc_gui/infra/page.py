"""The Infra page: resources, the Launch queue, quota by GPU and region, what it costs to keep, live jobs.

Each card loads by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QPushButton, QWidget

from arrcoc_core.formatting import plural
from arrcoc_gui.actions import Action
from arrcoc_gui.cloud.account import Account
from arrcoc_gui.cloud.page import CloudPage
from arrcoc_gui.cloud.resource_view import ResourceList
from arrcoc_gui.cloud.trouble_view import TroubleView
from arrcoc_gui.cloud_task import Ending
from arrcoc_gui.infra.number_request import NumberRequest, agent_request, quota_request
from arrcoc_gui.infra.queue_card import QueueCard
from arrcoc_gui.infra.queue_rows import removal_question
from arrcoc_gui.infra.tables import COST_HEADERS, JOB_HEADERS, QUOTA_HEADERS, InfraTables
from arrcoc_gui.links import open_web
from arrcoc_gui.state import AppState
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import Card, text_label
from arrcoc_gui.widgets.inputs import CheckBox
from arrcoc_gui.widgets.plain_table import PlainTable
from arrcoc_gui.widgets.question import Role, ask

ABOUT = "What there is of ours in the project, at W&B and on the Hub; what Google has granted; what it costs to keep."
CONSOLE = "https://console.cloud.google.com"
LINKS = (
    ("Jobs", "vertex-ai/training/custom-jobs"),
    ("Buckets", "storage/browser"),
    ("Images", "artifacts"),
    ("Builds", "cloud-build/builds"),
    ("Quotas", "iam-admin/quotas"),
    ("Billing", "billing"),
)
QUEUE_ROW = "wandb-queue-"
"""Before the names of the queues that settings and experiments use, in the keys of their rows."""
BESIDE_LEAST = 1000  # pixels at 100 % below which the cards stand one above the other
TICK_MS = 500


class TableCard(Card):
    """A table with its own loading words, error and empty words."""

    def __init__(self, title: str, table: PlainTable, nothing: str) -> None:
        super().__init__(title)
        self.table = table
        self.nothing = nothing
        self.words = text_label("", "muted", wrap=False)
        self.head.addWidget(self.words)
        self.trouble = TroubleView()
        self.none = text_label(nothing, "muted")
        for widget in (self.trouble, self.none, table):
            self.lines.addWidget(widget)
        self.layout().addStretch(1)  # pyright: ignore[reportAttributeAccessIssue] - beside a higher card

    def settle(self, words: str, *, known: bool) -> None:
        """Show the rows, or why there are none; `known`: the command has said all there is."""
        some = bool(self.table.table.rows)
        self.words.setText(words)
        self.table.setVisible(some)
        self.none.setVisible(not some)
        self.none.setText(self.nothing if known else "…")


class InfraPage(CloudPage):
    """See the module's docstring."""

    def __init__(self, state: AppState, parent: QWidget | None = None) -> None:
        super().__init__(state, "Infra", ABOUT, parent)
        self.tables = InfraTables()
        self.request: NumberRequest | None = None
        self.again = QPushButton("Refresh")
        self.again.setAccessibleName("Look again")
        self.again.clicked.connect(self.refresh)
        self.buttons.insertWidget(0, self.again)
        self.resources = ResourceList("Resources", "Looking at the project …")
        self.resources.fix_wanted.connect(self.ask_fix)
        self.queue = QueueCard(state.root)
        self.queue.start_wanted.connect(self.ask_start_agent)
        self.queue.stop_wanted.connect(self.ask_stop_agent)
        self.queue.remove_wanted.connect(lambda _: self.ask_remove_item())
        self.queue.fix_wanted.connect(self.ask_fix)
        self.agent_request: NumberRequest | None = None
        quotas = PlainTable("Quota", QUOTA_HEADERS, right=(3, 4, 5), stretch=6, most=10, give_way=(4, 5))
        quotas.confirmed.connect(lambda _: self.ask_request())
        quotas.current_changed.connect(lambda _: self._offer_request())
        self.quotas = TableCard("Quota by GPU and region", quotas, "No quota could be read.")
        costs = PlainTable("Cost to keep", COST_HEADERS, right=(1, 2), stretch=3, most=8, give_way=(3,))
        self.costs = TableCard("To keep", costs, "Nothing of ours is there: it costs nothing.")
        jobs = PlainTable("Live jobs", JOB_HEADERS, stretch=0, most=6, give_way=(2,))
        self.jobs = TableCard("Live jobs", jobs, "No job of ours runs.")
        self.cards = {"quotas": self.quotas, "costs": self.costs, "jobs": self.jobs}
        for card in self.cards.values():
            card.trouble.fix_wanted.connect(self.ask_fix)
        self.wanted = QPushButton("Request…")
        self.wanted.setAccessibleName("Request more of the selected quota; asks first")
        self.wanted.clicked.connect(self.ask_request)
        self.everything = CheckBox("Show all")
        self.everything.setAccessibleName("Also show quotas that no experiment needs")
        self.everything.toggled.connect(lambda _: self._show("quotas"))
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._fill()
        self._show_all()

    def actions(self) -> list[Action]:  # type: ignore[override] - the page's own actions, not QWidget's
        make = lambda **k: Action(scope="infra", menu="Cloud", **k)  # noqa: E731
        return [
            make(
                id="infra.refresh",
                title="Infra: look again",
                keys=("R",),
                run=self.refresh,
                enabled=lambda: not self.busy,
            ),
            make(
                id="infra.request",
                title="Request quota",
                keys=("Q",),
                run=self.ask_request,
                enabled=lambda: bool(self.quotas.table.current_key) and not self.busy,
            ),
            make(
                id="infra.agent",
                title="Start an agent of the Launch queue here",
                keys=("A",),
                run=self.ask_start_agent,
                enabled=lambda: self.queue.start.isEnabled() and not self.queue.start.isHidden(),
                why=lambda: "one runs here already" if self.queue.agent_here else "",
            ),
            make(
                id="infra.stop-agent",
                title="Stop the agent of this machine",
                run=self.ask_stop_agent,
                enabled=lambda: self.queue.stop.isEnabled() and not self.queue.stop.isHidden(),
                why=lambda: "none runs here" if self.queue.agent_here is False else "",
            ),
            make(
                id="infra.remove-item",
                title="Remove the selected item of the queue",
                keys=("Del",),
                run=self.ask_remove_item,
                enabled=lambda: self.queue.remove.isEnabled() and not self.queue.remove.isHidden(),
            ),
        ]

    def focus_first(self) -> None:
        (self.quotas.table if self.quotas.table.isVisible() else self.again).setFocus()

    def shutdown(self) -> None:
        self._timer.stop()
        self.queue.shutdown()
        super().shutdown()

    def account_known(self, account: Account) -> None:
        """Without a Google Cloud project there is W&B and the Hub alone."""
        for widget in (self.quotas, self.costs, self.jobs, self.links):
            widget.setVisible(bool(account.project))

    def refresh(self) -> None:
        """Look again at everything."""
        if self.busy:
            return
        self.resources.expect()
        self.tables.begin(time.monotonic())
        self.begin(["infra"], self._said, self._ended)
        self.queue.look_anew()
        self._show_all()

    def _world_changed(self) -> None:
        self.queue.forget()
        super()._world_changed()

    # -- the queue

    def ask_start_agent(self) -> None:
        """Ask how many runs an agent of this machine may have at once, and start it."""
        rows = self.queue.rows
        if rows is None or self.busy:
            return
        waiting = sum(item.get("state") in ("waiting", "leased") for item in rows.items)
        self.agent_request = agent_request(rows.title, waiting, sandbox=self.state.sandbox.on, parent=self)
        self.agent_request.confirmed.connect(
            lambda slots: self._change_queue(
                ["agent", "--detach", "--slots", f"{slots}", *self.queue.which],
                "The agent is started",
                self.queue.agent_started,
            )
        )
        self.agent_request.destroyed.connect(self._agent_request_gone)
        self.agent_request.open()

    def ask_stop_agent(self) -> None:
        """Ask whether this machine's agent is to end."""
        if self.busy:
            return
        text = "It takes no item any more. The runs that it has taken go on: this machine sees them to their end."
        acts = [("Stop the agent", "stop", Role.DestructiveRole)]
        self._keep(ask("Stop the agent of this machine?", text, "Let it go on", acts, self._stop_agent, self))

    def _stop_agent(self, answer: str) -> None:
        if answer == "stop":
            self._change_queue(["agent", "--stop", *self.queue.which], "The agent has ended")

    def ask_remove_item(self) -> None:
        """Ask whether the selected item is to be taken out of the queue."""
        rows, key = self.queue.rows, self.queue.current_item
        item = rows.item(key) if rows is not None else None
        if rows is None or item is None or self.busy:
            return

        def answered(answer: str) -> None:
            if answer == "remove":
                self._change_queue(["queue", "--remove", key, "--yes", *self.queue.which], "Removed")

        title, text = removal_question(item, rows.title)
        acts = [("Remove it", "remove", Role.DestructiveRole)]
        self._keep(ask(title, text, "Leave it", acts, answered, self))

    def _change_queue(self, arguments: list[str], done: str, then: Callable[[], None] | None = None) -> None:
        def ended(ending: Ending) -> None:
            if ending.ok:
                self.state.notice.emit(done)
            (then if ending.ok and then is not None else self.queue.refresh)()

        self.begin(arguments, lambda _: None, ended, risky=True)

    def _agent_request_gone(self) -> None:
        self.agent_request = None

    # -- the quota request

    def ask_request(self) -> None:
        """Ask for more of the selected quota."""
        quota = self.tables.quotas.get(self.quotas.table.current_key)
        if quota is None or self.busy or not self.wanted.isEnabled():
            return
        self.request = quota_request(quota, self)
        kind = ["--on-demand"] if quota.kind == "on-demand" else []
        self.request.confirmed.connect(
            lambda count: self._request(["infra", "--request", f"{quota.gpu}={count}@{quota.region}", *kind])
        )
        self.request.destroyed.connect(self._request_gone)
        self.request.open()

    def _request(self, arguments: list[str]) -> None:
        self.begin(arguments, self.resources.apply, self._requested, risky=True)

    def _requested(self, ending: Ending) -> None:
        if ending.ok:
            self.state.notice.emit("Requested. Google decides; the table shows how it stands.")
            self.refresh()

    def _request_gone(self) -> None:
        self.request = None

    def _offer_request(self) -> None:
        quota = self.tables.quotas.get(self.quotas.table.current_key)
        # The CPUs that go with a GPU are asked for with it.
        self.wanted.setEnabled(quota is not None and quota.gpu != "CPU" and not self.busy)

    # -- what comes

    def _said(self, line: dict[str, Any]) -> None:
        self.resources.apply(line)
        changed = self.tables.apply(line, time.monotonic())
        if changed in self.cards:  # the queue has a card that looks by itself
            self._show(changed)

    def _ended(self, ending: Ending) -> None:
        self.resources.stop("not reached")
        self.tables.stop(ending.trouble)
        rows = [row.key for row in self.resources.rows]
        if ending.ok and rows:
            self.queue.set_queues([key.removeprefix(QUEUE_ROW) for key in rows if key.startswith(QUEUE_ROW)])
        self._show_all()

    def set_busy(self, busy: bool) -> None:
        self.again.setEnabled(not busy)
        self.queue.set_may_act(not busy)
        self._offer_request()
        if busy:
            self._timer.start()
        else:
            self._timer.stop()

    def _tick(self) -> None:
        if self.isVisible():
            self._show_states()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if not self.busy:
            self._timer.stop()

    def _show_all(self) -> None:
        for name in self.cards:
            self._show(name)

    def _show(self, name: str) -> None:
        if name == "quotas":
            rows = self.tables.quota_rows()
            needed = [row for row in rows if self._interesting(row.key)]
            shown = rows if self.everything.isChecked() or not needed else needed
            self.quotas.table.show_rows(shown)
            self.everything.setVisible(len(needed) < len(rows) and bool(needed))
            self.everything.setText(f"Show all {len(rows)}")
            self._offer_request()
        elif name == "costs":
            self.costs.table.show_rows(self.tables.cost_rows())
        elif name == "jobs":
            self.jobs.table.show_rows(self.tables.job_rows())
        self._show_states()

    def _interesting(self, key: str) -> bool:
        quota = self.tables.quotas[key]
        return bool(quota.needed or quota.pending or quota.used)

    def _show_states(self) -> None:
        now = time.monotonic()
        for name, card in self.cards.items():
            state = self.tables.states[name]
            words = state.words(now)
            if not words and name == "costs":
                words = self.tables.sentence()
            if not words and name == "jobs" and self.tables.jobs:
                words = plural(len(self.tables.jobs), "job")
            card.trouble.show_trouble(state.trouble)
            card.settle(words, known=state.state == "loaded")
            card.none.setVisible(card.none.isVisible() and state.trouble is None)

    # -- making

    def _fill(self) -> None:
        px = theme().px
        row = QHBoxLayout()
        row.addWidget(self.everything)
        row.addStretch(1)
        row.addWidget(self.wanted)
        self.quotas.lines.addLayout(row)
        self.links = QWidget()
        links = QHBoxLayout(self.links)
        links.setContentsMargins(0, 0, 0, 0)
        links.setSpacing(px(16))
        links.addWidget(text_label("In the console:", "muted", wrap=False))
        for words, path in LINKS:
            link = QPushButton(words)
            link.setProperty("look", "link")
            link.setAccessibleName(f"Open {words} in the console")
            link.clicked.connect(lambda _=False, path=path: self._open(path))
            links.addWidget(link)
        links.addStretch(1)
        self._pair = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._pair.setSpacing(px(14))
        self._pair.addWidget(self.costs, stretch=3)
        self._pair.addWidget(self.jobs, stretch=2)
        self.body.addWidget(self.resources)
        self.body.addWidget(self.queue)
        self.body.addWidget(self.quotas)
        self.body.addLayout(self._pair)
        self.body.addWidget(self.links)

    def _open(self, path: str) -> None:
        project = self.account.project if self.account is not None else ""
        open_web(f"{self._console()}/{path}?project={project}")

    def _console(self) -> str:
        """Google's console, or the sandbox's stand-in for it."""
        import os

        from arrcoc_core.cloud.endpoints import load_endpoints
        from arrcoc_core.errors import ArrcocError
        from arrcoc_gui.sandbox_switch import VARIABLE

        try:
            return load_endpoints(os.environ.get(VARIABLE, "")).console
        except ArrcocError:
            return CONSOLE

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        wide = self.width() >= theme().px(BESIDE_LEAST)
        self._pair.setDirection(QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom)
