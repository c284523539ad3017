"""The Launch queue on Infra: its items, its agents, and what can be done with both.

It loads by itself, apart from the other tables, and looks again every so often while it shows and something in it
moves. What it shows stays until the next answer, with its age; while it cannot be read, it says why and what to do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from arrcoc_core.formatting import duration, plural
from arrcoc_gui.background import run_in_background
from arrcoc_gui.cloud.loads import Load
from arrcoc_gui.cloud.trouble import Trouble
from arrcoc_gui.cloud.trouble_view import TroubleView
from arrcoc_gui.infra.queue_rows import AGENT_HEADERS, ITEM_HEADERS, QueueRows, ended_at_once
from arrcoc_gui.links import open_web, web_address
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import Card, text_label
from arrcoc_gui.widgets.combo import ComboBox
from arrcoc_gui.widgets.labels import as_written
from arrcoc_gui.widgets.plain_table import PlainTable

AGAIN_MS = 15_000
TICK_MS = 500
SETTLED_MS = 5_000
"""How long after its start an agent that cannot work has ended."""
TAIL_BYTES = 4_000
OLD_S = 30.0
"""Older than this, what is shown tells its age."""
NOT_USED = "No experiment goes through a queue; compute=WandbLaunch(queue=…) does."


class QueueCard(Card):
    """`start_wanted`, `stop_wanted`, `remove_wanted` (the item's id): the page asks, and does it."""

    start_wanted = Signal()
    stop_wanted = Signal()
    remove_wanted = Signal(str)
    fix_wanted = Signal(object)

    def __init__(self, root: Path, parent: QWidget | None = None) -> None:
        super().__init__("Launch queue", parent)
        self.rows: QueueRows | None = None
        self.agent_here: bool | None = None
        self._told_at = self._since = 0.0
        self._may_act = True
        self._started = False
        self._fell: Trouble | None = None
        self.look = Load(root, self)
        self.look.changed.connect(self._looked)
        self.status = Load(root, self)
        self.status.changed.connect(self._told_status)
        self.words = text_label("", "muted", wrap=False)
        self.used: bool | None = None
        self.queues = ComboBox()
        self.queues.setAccessibleName("Which queue")
        self.queues.currentIndexChanged.connect(lambda _: self._other_queue())
        self.queues.hide()
        self.head.addWidget(self.queues)
        self.page = _button(as_written("Open in W&B"), "Open the queue's page at W&B", self._open, look="link")
        self.head.addWidget(self.words)
        self.head.addWidget(self.page)
        self.items = PlainTable(
            "Items of the queue",
            ITEM_HEADERS,
            right=(0,),
            stretch=5,
            most=10,
            least=200,
            give_way=(4, 0),
            widest={2: 280, 4: 160},
        )
        self.items.current_changed.connect(lambda _: self._offer())
        self.agents = PlainTable(
            "Agents of the queue", AGENT_HEADERS, stretch=5, most=6, give_way=(2, 3), widest={0: 240, 2: 200}
        )
        self.none = text_label("", "muted")
        self.older = text_label("", "muted")
        self.no_agent = text_label("", "warn")
        self.trouble = TroubleView(calm=True)
        self.trouble.fix_wanted.connect(self.fix_wanted)
        self.start = _button(
            "Start an agent here…", "Start an agent on this machine; asks first", self.start_wanted.emit
        )
        self.stop = _button("Stop the agent here…", "Stop the agent of this machine; asks first", self.stop_wanted.emit)
        self.remove = _button(
            "Remove item…",
            "Take the selected item out of the queue; asks first",
            lambda: self.remove_wanted.emit(self.items.current_key),
        )
        self.remove.setProperty("look", "danger")
        self._lay_out()
        self._tick = QTimer(self, interval=TICK_MS)
        self._tick.timeout.connect(self._show_ages)
        self._settled = QTimer(self, interval=SETTLED_MS, singleShot=True)
        self._settled.timeout.connect(self.refresh)
        self._again = QTimer(self, interval=AGAIN_MS)
        self._again.timeout.connect(self._look_again)
        self._show()

    # -- what the page says

    def refresh(self) -> None:
        """Look anew at the queue, and at the agent of this machine."""
        self._since = time.monotonic()
        self.look.load(["queue", *self.which])
        self.status.load(["agent", "--status", *self.which])
        self._tick.start()
        self._show()

    def look_anew(self) -> None:
        """A person asks: what an agent of before has said is over."""
        self._fell = None
        self.refresh()

    @property
    def which(self) -> list[str]:
        """How a command is told which queue; nothing for the one of the settings."""
        name = str(self.queues.currentData() or "")
        return ["--queue", name] if name else []

    def set_queues(self, names: Sequence[str]) -> None:
        """The queues that settings and experiments use: a choice where they are several, calm where there is none."""
        self.used = bool(names)
        wanted = list(names) if len(names) > 1 else []
        if wanted != [self.queues.itemData(i) for i in range(self.queues.count())]:
            kept = self.queues.currentData()
            self.queues.blockSignals(True)
            self.queues.clear()
            for name in wanted:
                self.queues.addItem(name, name)
            self.queues.setCurrentIndex(max(self.queues.findData(kept), 0) if wanted else -1)
            self.queues.blockSignals(False)
            self.queues.setVisible(bool(wanted))
            if wanted:
                self.look_anew()
        self._show()

    def agent_started(self) -> None:
        """One was started just now: it is seen whether it lives, and if it does not, what it said."""
        self._started, self._fell = True, None
        self._settled.start()
        self.refresh()

    def set_may_act(self, may: bool) -> None:
        """Whether a command could be begun now."""
        self._may_act = may
        self._offer()

    def forget(self) -> None:
        """Another world: nothing of what is shown is true there."""
        self.look.drop()
        self.status.drop()
        self.rows = self.agent_here = self._fell = None
        self._show()

    def shutdown(self) -> None:
        self._tick.stop()
        self._again.stop()
        self._settled.stop()
        self.look.drop()
        self.status.drop()

    @property
    def current_item(self) -> str:
        """The id of the selected item."""
        return self.items.current_key

    # -- what comes

    def _other_queue(self) -> None:
        self.rows = self.agent_here = None
        self.look_anew()

    def _looked(self) -> None:
        if self.look.state == "loaded" and self.look.lines:
            self.rows = QueueRows(self.look.lines[-1])
            self._told_at = time.monotonic()
        self._show()

    def _told_status(self) -> None:
        if self.status.state == "loaded" and self.status.lines:
            told = self.status.lines[-1]
            self.agent_here = bool(told.get("running"))
            if self.agent_here and not self._settled.isActive():
                self._started, self._fell = False, None
            elif not self.agent_here and self._started:
                self._started = False
                log = Path(str(told.get("log") or ""))
                run_in_background(lambda: _tail(log), self._fallen, parent=self, name="reading the agent's log")
        self._offer()

    def _fallen(self, log: str) -> None:
        self._fell = ended_at_once(log)
        self._show()

    def _look_again(self) -> None:
        """Only what moves by itself, and never two looks at once."""
        if self.isVisible() and self.look.state != "loading" and self.rows is not None and self.rows.lively:
            self.refresh()

    # -- showing

    def _show(self) -> None:
        rows, failed = self.rows, self.look.state == "failed"
        age = time.monotonic() - self._told_at if rows is not None else 0.0
        self.items.show_rows(rows.item_rows(age) if rows is not None else [])
        self.agents.show_rows(rows.agent_rows(age) if rows is not None else [])
        self.items.setVisible(bool(self.items.table.rows))
        self.agents.setVisible(bool(self.agents.table.rows))
        self.older.setText(
            f"and {plural(rows.older, 'older item')} that ended" if rows is not None and rows.older else ""
        )
        self.older.setVisible(bool(self.older.text()))
        self.page.setVisible(rows is not None and bool(web_address(rows.url)))
        self.none.setText("…" if rows is None else f"{rows.title} is empty: nothing waits and nothing runs.")
        if failed and self._not_used:
            self.none.setText(NOT_USED)
        self.none.setVisible((rows is None and (not failed or self._not_used)) or (rows is not None and not rows.items))
        self.no_agent.setText("No agent polls it: what waits stays waiting.")
        self.no_agent.setVisible(
            rows is not None and not any(agent.get("state") in ("polling", "busy") for agent in rows.agents)
        )
        self.trouble.show_trouble(self._trouble())
        self._show_ages()
        self._offer()

    @property
    def _not_used(self) -> bool:
        """Nobody is to be troubled by a queue that is not there and that nothing asks for."""
        return self.used is False and self.rows is None

    def _trouble(self) -> Trouble | None:
        if self._not_used:
            return self._fell
        if self._fell is not None or self.look.trouble is not None:
            return self._fell or self.look.trouble
        return self.rows.trouble if self.rows is not None else None

    def _show_ages(self) -> None:
        now, rows = time.monotonic(), self.rows
        loading = self.look.state == "loading"
        if rows is not None:
            self.items.show_rows(rows.item_rows(now - self._told_at))
            self.agents.show_rows(rows.agent_rows(now - self._told_at))
        parts: list[str] = []
        if rows is not None:
            parts.append(f"{rows.title}: {rows.headline}")
            if now - self._told_at > OLD_S:
                parts.append(f"as of {duration(now - self._told_at)} ago")
        if loading:
            parts.append(f"loading · {duration(now - self._since)}")
        elif self.look.state == "failed" and not self._not_used:
            parts.append("could not be read")
        self.words.setText(" · ".join(parts))
        if not loading and not self.isVisible():
            self._tick.stop()

    def _offer(self) -> None:
        known = self.rows is not None
        self.start.setVisible(self.agent_here is not True)
        self.start.setEnabled(self._may_act and known)
        self.stop.setVisible(self.agent_here is True)
        self.stop.setEnabled(self._may_act)
        self.remove.setVisible(bool(self.items.table.rows))
        self.remove.setEnabled(self._may_act and bool(self.items.current_key))

    def _open(self) -> None:
        if self.rows is not None:
            open_web(self.rows.url)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._again.start()
        if self.rows is not None or self.look.state == "loading":
            self._tick.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._again.stop()
        self._tick.stop()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(theme().px(8))
        row.addWidget(self.no_agent, 1)
        row.addStretch(0)
        for button in (self.remove, self.stop, self.start):
            row.addWidget(button)
        for widget in (self.trouble, self.none, self.items, self.older, self.agents):
            self.lines.addWidget(widget)
        self.lines.addLayout(row)


def _tail(path: Path) -> str:
    """The end of a log; "" where there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(path.stat().st_size - TAIL_BYTES, 0))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _button(text: str, name: str, act: object, *, look: str = "") -> QPushButton:
    button = QPushButton(text)
    if look:
        button.setProperty("look", look)
    button.setAccessibleName(name)
    button.clicked.connect(lambda: act())  # type: ignore[operator]
    return button
