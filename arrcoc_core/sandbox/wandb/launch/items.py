"""The items of a queue: PENDING, LEASED once popped, CLAIMED once acknowledged, FAILED where an agent says so.

A lease ends after a minute of the sandbox's time: an item that nobody has acknowledged by then is PENDING again, in
its old place. (wandb 0.31, sdk/launch/agent/agent.py:LaunchAgent.loop leaves an item alone because it "will be pushed
back onto the queue in 1 min".) An acknowledgement names no agent: whoever sends it first for a leased item has it, and
every other one is refused. wandb's client knows no word for an item whose run has ended: it stays CLAIMED.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from arrcoc_core.sandbox.clock import Clock
from arrcoc_core.sandbox.state import State
from arrcoc_core.sandbox.wandb.launch.queues import Queue

LEASE_S = 60.0
PRIORITY = 2
"""Of an item pushed without one: 0 is the most urgent, 3 the least."""

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS items (
        number INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT, state TEXT, priority INTEGER, created REAL, leased REAL,
        body TEXT
    )""",
    "CREATE INDEX IF NOT EXISTS by_turn ON items (queue, state, priority, number)",
)


@dataclass
class Item:
    number: int
    queue: str
    state: str
    priority: int
    created: float
    leased: float
    """When it was popped last; 0: never."""
    spec: dict[str, Any] = field(default_factory=dict[str, Any])
    run: str | None = None
    agent: str | None = None
    updated: float = 0.0
    error: dict[str, Any] | None = None
    warnings: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def id(self) -> str:
        return base64.b64encode(f"RunQueueItem:{self.number}".encode()).decode()


class Items:
    """Used inside the state's transaction: what is read here and written after is one step."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        for statement in _SCHEMA:
            state.run(statement)

    def add(self, queue: Queue, spec: dict[str, Any], priority: int | None) -> Item:
        now = self._clock.now()
        chosen = PRIORITY if priority is None else priority
        self._state.run(
            "INSERT INTO items (queue, state, priority, created, leased, body) VALUES (?, 'PENDING', ?, ?, 0, '{}')",
            *(queue.id, chosen if queue.prioritized else PRIORITY, now),
        )
        number = int(self._state.run("SELECT last_insert_rowid()")[0][0])
        item = Item(number, queue.id, "PENDING", chosen, now, 0.0, spec=spec)
        self.put(item)
        return item

    def put(self, item: Item) -> None:
        item.updated = self._clock.now()
        body = asdict(item)
        for column in ("number", "queue", "state", "priority", "created", "leased"):
            del body[column]
        self._state.run(
            "UPDATE items SET state = ?, leased = ?, body = ? WHERE number = ?",
            *(item.state, item.leased, json.dumps(body), item.number),
        )

    def get(self, item_id: str) -> Item | None:
        try:
            kind, _, number = base64.b64decode(item_id).decode().partition(":")
            found = self._read("number = ?", int(number)) if kind == "RunQueueItem" else []
        except ValueError:
            return None
        return found[0] if found else None

    def of(self, queue: Queue, first: int, offset: int) -> list[Item]:
        """The oldest first."""
        return self._read("queue = ? ORDER BY number LIMIT ? OFFSET ?", queue.id, first, offset)

    def count(self, queue: Queue) -> int:
        return int(self._state.run("SELECT count(*) FROM items WHERE queue = ?", queue.id)[0][0])

    def pop(self, queue: Queue, agent: str | None) -> Item | None:
        """Lease the next one to an agent: by priority where the queue has it, then by age."""
        self._release(queue.id)
        found = self._read("queue = ? AND state = 'PENDING' ORDER BY priority, number LIMIT 1", queue.id)
        if not found:
            return None
        item = found[0]
        item.state, item.leased, item.agent = "LEASED", self._clock.now(), agent
        self.put(item)
        return item

    def acknowledge(self, item: Item, run: str) -> bool:
        """False where it is not leased (any more)."""
        if item.state != "LEASED":
            return False
        item.state, item.run = "CLAIMED", run
        self.put(item)
        return True

    def delete(self, item: Item) -> None:
        self._state.run("DELETE FROM items WHERE number = ?", item.number)

    def clear(self, queue: Queue) -> None:
        self._state.run("DELETE FROM items WHERE queue = ?", queue.id)

    def _release(self, queue: str) -> None:
        """Put back what was popped and not acknowledged in time."""
        latest = self._clock.now() - self._clock.scaled(LEASE_S)
        self._state.run(
            "UPDATE items SET state = 'PENDING' WHERE queue = ? AND state = 'LEASED' AND leased <= ?", queue, latest
        )

    def _read(self, where: str, *values: object) -> list[Item]:
        sql = f"SELECT number, queue, state, priority, created, leased, body FROM items WHERE {where}"
        found = [Item(*row[:6], **json.loads(row[6])) for row in self._state.run(sql, *values)]
        for item in found:
            if item.state == "LEASED" and self._clock.now() - item.leased >= self._clock.scaled(LEASE_S):
                item.state = "PENDING"  # the row itself changes with the next pop
        return found
