"""The runs that the sandbox's W&B knows, and how each stands.

A run is running from its first request until it says how it ended; one that is not heard of for five minutes has
crashed, until it is heard of again. Clients beat every 30 real seconds, however fast time passes in the sandbox, so
five of its minutes are never taken for less than `least_silence_s` real ones.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from arrcoc_core.sandbox.clock import Clock
from arrcoc_core.sandbox.state import State

SILENCE_S = 300.0
LEAST_SILENCE_S = 75.0
ENDED = ("finished", "failed", "crashed", "killed", "preempted")

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS runs (
        id INTEGER PRIMARY KEY, entity TEXT, project TEXT, name TEXT, created REAL, heartbeat REAL, body TEXT,
        UNIQUE (entity, project, name)
    )""",
    "CREATE INDEX IF NOT EXISTS by_age ON runs (entity, project, created)",
)


@dataclass
class Run:
    id: int
    entity: str
    project: str
    name: str
    """The id in the run's address."""
    created: float
    heartbeat: float
    user: str = ""
    display_name: str = ""
    description: str | None = None
    notes: str | None = None
    state: str = "running"
    """What it said last; `Runs.state` knows more."""
    stopped: bool = False
    """Somebody has asked it to stop."""
    preempting: bool = False
    exit_code: int | None = None
    config: str = "{}"
    summary: str = "{}"
    system: str = "{}"
    tags: list[str] = field(default_factory=list[str])
    group: str | None = None
    job_type: str | None = None
    commit: str | None = None
    host: str | None = None
    program: str | None = None
    sweep: str | None = None
    updated: float = 0.0

    @property
    def storage_id(self) -> str:
        """The id by which W&B's own API changes a run."""
        return base64.b64encode(f"Run:v1:{self.name}:{self.project}:{self.entity}".encode()).decode()

    @property
    def path(self) -> str:
        return f"{self.entity}/{self.project}/{self.name}"


class Runs:
    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self.least_silence_s = LEAST_SILENCE_S
        for statement in _SCHEMA:
            state.run(statement)

    def get(self, entity: str, project: str, name: str) -> Run | None:
        found = self._read("entity = ? AND project = ? AND name = ?", entity, project, name)
        return found[0] if found else None

    def by_storage_id(self, storage_id: str) -> Run | None:
        try:
            kind, _, name, project, entity = base64.b64decode(storage_id).decode().split(":")
        except ValueError:
            return None
        return self.get(entity, project, name) if kind == "Run" else None

    def by_number(self, number: int) -> Run | None:
        found = self._read("id = ?", number)
        return found[0] if found else None

    def add(self, entity: str, project: str, name: str, user: str) -> Run:
        now = self._clock.now()
        self._state.run(
            "INSERT INTO runs (entity, project, name, created, heartbeat, body) VALUES (?, ?, ?, ?, ?, '{}')",
            *(entity, project, name, now, now),
        )
        number = int(self._state.run("SELECT last_insert_rowid()")[0][0])
        run = Run(number, entity, project, name, now, now, user=user, display_name=f"sandbox-run-{number}")
        self.put(run)
        return run

    def put(self, run: Run) -> None:
        body = dataclasses.asdict(run)
        for column in ("id", "entity", "project", "name", "created", "heartbeat"):
            del body[column]
        self._state.run("UPDATE runs SET heartbeat = ?, body = ? WHERE id = ?", run.heartbeat, json.dumps(body), run.id)

    def delete(self, run: Run) -> None:
        self._state.run("DELETE FROM runs WHERE id = ?", run.id)

    def count(self, entity: str, project: str) -> int:
        sql = "SELECT count(*) FROM runs WHERE entity = ? AND project = ?"
        return int(self._state.run(sql, entity, project)[0][0])

    def page(self, entity: str, project: str, *, newest_first: bool, first: int, offset: int) -> list[Run]:
        """Some of a project's runs by their age."""
        order = "DESC" if newest_first else "ASC"
        where = f"entity = ? AND project = ? ORDER BY created {order}, id {order} LIMIT ? OFFSET ?"
        return self._read(where, entity, project, first, offset)

    def all(self, entity: str, project: str) -> list[Run]:
        """Every run of a project, the oldest first."""
        return self._read("entity = ? AND project = ? ORDER BY created, id", entity, project)

    def beat(self, run: Run) -> None:
        run.heartbeat = run.updated = self._clock.now()

    def end(self, run: Run, exit_code: int) -> None:
        """What the run says of its own end."""
        run.exit_code = exit_code
        if exit_code == 0:
            run.state = "finished"
        else:
            run.state = "killed" if run.stopped else "preempted" if run.preempting else "failed"

    def state(self, run: Run) -> str:
        if run.state != "running" or not self._silent(run):
            return run.state
        return "preempted" if run.preempting else "crashed"

    def _silent(self, run: Run) -> bool:
        return self._clock.now() - run.heartbeat > max(self._clock.scaled(SILENCE_S), self.least_silence_s)

    def _read(self, where: str, *values: object) -> list[Run]:
        rows = self._state.run(
            f"SELECT id, entity, project, name, created, heartbeat, body FROM runs WHERE {where}", *values
        )
        return [Run(*row[:6], **json.loads(row[6])) for row in rows]


def config_values(config: str) -> dict[str, Any]:
    """The user's part of a config: {"k": {"value": 64, "desc": null}} -> {"k": 64}."""
    held: dict[str, Any] = json.loads(config or "{}")
    return {
        name: entry["value"] if isinstance(entry, dict) and "value" in entry else entry for name, entry in held.items()
    }
