"""The run store: `.arrcoc/store.db`, SQLite in WAL mode, written by the app, the command line and scripts at once.

`events` only ever grows; `runs` and `attempts` are what the events add up to (`records.project`), updated in the same
transaction. An event that `append` has returned the id of is committed: it survives the death of any process (and,
up to the last moments, of the machine: `synchronous=NORMAL`).

Writers queue at `store.lock` (flock: the kernel wakes the next one, and frees it when its holder dies) and only then
ask SQLite for its own lock, for which they would have to poll: with 16 writers on 2 busy cores polling took ten times
as long, and so did the longest wait (tests/acceptance/test_store_concurrency.py measures it).
A process that is stopped (SIGSTOP) inside a transaction holds other writers up until it goes on or is killed. Reading
never waits.

A `Store` holds one connection and belongs to one thread. Opening one costs well under a millisecond.
"""

from __future__ import annotations

import fcntl
import json
import random
import sqlite3
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from arrcoc_core.errors import StoreError, UnknownRunError
from arrcoc_core.records import FINAL, AttemptRecord, Budgets, Event, Place, RunRecord, project
from arrcoc_core.store_schema import MIGRATIONS

PATIENCE_S = 60.0
"""How long an access waits for a program that uses the database without our queue, before it gives up."""
_SHORTEST_WAIT_S = 0.0005
_LONGEST_WAIT_S = 0.005

T = TypeVar("T")


class Conflict(StoreError):
    """A run has changed since it was read: read it again and decide again."""


class Store:
    """Open with `Store(path)`; use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._queue = path.with_name("store.lock").open("ab")
        except OSError as error:
            raise StoreError(
                f"the folder of the run store cannot be written: {error}", remedy="set ARRCOC_HOME to one that can"
            ) from error
        self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            self.rows("PRAGMA synchronous=NORMAL")
            self._migrate()
        except StoreError:
            self.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()
        self._queue.close()

    # Writing

    def append(self, events: Sequence[Event], *, expect: Mapping[str, int] | None = None) -> list[int]:
        """Write the events and what they mean, all or none; returns their ids.

        `expect` maps run ids to the `version` they were read at; `Conflict` when one of them has moved on. Events
        that contradict the state of their run raise ValueError.
        """
        encoded = [json.dumps(event.data) for event in events]
        with self.writing():
            known: dict[str, RunRecord | None] = {}
            for run, version in (expect or {}).items():
                known[run] = self._read(run)
                found = known[run]
                if (found.version if found else 0) != version:
                    raise Conflict(f"run {run} has changed meanwhile")
            return [self._append_one(event, data, known) for event, data in zip(events, encoded, strict=True)]

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection, None, None]:
        """A write transaction: committed when the block ends, rolled back when it raises."""
        fcntl.flock(self._queue, fcntl.LOCK_EX)
        try:
            self._patiently(lambda: self._db.execute("BEGIN IMMEDIATE"))
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.DatabaseError as error:  # the disk is full, for one
            raise self._error(error) from error
        finally:
            fcntl.flock(self._queue, fcntl.LOCK_UN)

    # Reading

    def run(self, run_id: str) -> RunRecord:
        """The run with exactly this id; UnknownRunError."""
        found = self._patiently(lambda: self._read(run_id))
        if found is None:
            raise UnknownRunError(f"no run has the id {run_id!r}", remedy="arrcoc runs   lists them")
        return found

    def runs(
        self, *, limit: int | None = None, experiment: str | None = None, active: bool = False, prefix: str = ""
    ) -> list[RunRecord]:
        """Runs newest first; `active` leaves out the ended ones, `prefix` those whose id does not start with it."""
        where: list[str] = []
        values: list[Any] = []
        if experiment is not None:
            where.append("experiment = ?")
            values.append(experiment)
        if active:
            where.append(f"state NOT IN ({', '.join('?' * len(FINAL))})")
            values.extend(sorted(FINAL))
        if prefix:
            where.append("substr(id, 1, ?) = ?")
            values.extend([len(prefix), prefix])
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        tail = "ORDER BY position DESC" + (" LIMIT ?" if limit is not None else "")
        if limit is not None:
            values.append(limit)
        return self._patiently(lambda: self._read_many(f"{condition} {tail}", values))

    def events(self, run_id: str | None = None, *, after: int = 0) -> list[Event]:
        """Events in the order they were written, those with an id above `after`."""
        query = "SELECT id, run, kind, at, attempt, cause, data FROM events WHERE id > ?"
        values: list[Any] = [after]
        if run_id is not None:
            query += " AND run = ?"
            values.append(run_id)
        rows = self.rows(query + " ORDER BY id", values)
        return [
            Event(run=run, kind=kind, at=at, attempt=attempt, cause=cause, data=json.loads(data), id=number)
            for number, run, kind, at, attempt, cause, data in rows
        ]

    def changes_token(self) -> int:
        """Grows with every event; equal tokens mean that nothing has changed."""
        return self.rows("SELECT max(id) FROM events")[0][0] or 0

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows of a SELECT."""
        return self._patiently(lambda: self._db.execute(query, values).fetchall())

    # One transaction each

    def _append_one(self, event: Event, data: str, known: dict[str, RunRecord | None]) -> int:
        if event.run not in known:
            known[event.run] = self._read(event.run)
        before = known[event.run]
        if event.kind == "created" and before is not None:
            return before.version  # launched again with the same id: nothing new happened
        cursor = self._db.execute(
            "INSERT INTO events (run, kind, at, attempt, cause, data) VALUES (?, ?, ?, ?, ?, ?)",
            (event.run, event.kind, event.at, event.attempt, event.cause, data),
        )
        number = cursor.lastrowid or 0
        after = project(before, replace(event, id=number))
        self._write(before, after)
        known[event.run] = after
        return number

    def _write(self, before: RunRecord | None, after: RunRecord) -> None:
        if before is None:
            marks = ", ".join("?" * len(_RUN_COLUMNS))
            self._db.execute(f"INSERT INTO runs ({', '.join(_RUN_COLUMNS)}) VALUES ({marks})", _run_row(after))
        else:
            changed = [name for name in _RUN_COLUMNS if getattr(before, name) != getattr(after, name)]
            values = [_stored(getattr(after, name)) for name in changed]
            if changed:
                assignments = ", ".join(f"{name} = ?" for name in changed)
                self._db.execute(f"UPDATE runs SET {assignments} WHERE id = ?", [*values, after.id])
        if before is None or before.attempts is not after.attempts:
            for attempt in after.attempts[-1:]:
                marks = ", ".join("?" * (len(_ATTEMPT_COLUMNS) + 1))
                row = [after.id, *(_stored(getattr(attempt, name)) for name in _ATTEMPT_COLUMNS)]
                columns = ", ".join(("run", *_ATTEMPT_COLUMNS))
                self._db.execute(f"INSERT OR REPLACE INTO attempts ({columns}) VALUES ({marks})", row)

    def _read(self, run_id: str) -> RunRecord | None:
        found = self._read_many("WHERE id = ?", [run_id])
        return found[0] if found else None

    def _read_many(self, tail: str, values: Sequence[Any]) -> list[RunRecord]:
        rows = self._db.execute(f"SELECT {', '.join(_RUN_COLUMNS)} FROM runs {tail}", values).fetchall()
        if not rows:
            return []
        attempts: dict[str, list[AttemptRecord]] = {}
        query = f"SELECT run, {', '.join(_ATTEMPT_COLUMNS)} FROM attempts WHERE run IN (SELECT id FROM runs {tail})"
        for row in self._db.execute(f"{query} ORDER BY run, n", values):
            attempts.setdefault(row[0], []).append(_attempt(row[1:]))
        return [_run(row, attempts.get(row[0], [])) for row in rows]

    # The database

    def _patiently(self, access: Callable[[], T]) -> T:
        """Repeat while another process is in the way; any other database error becomes a StoreError."""
        deadline = time.monotonic() + PATIENCE_S
        pause = _SHORTEST_WAIT_S
        while True:
            try:
                return access()
            except sqlite3.DatabaseError as error:
                busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not busy or time.monotonic() > deadline:
                    raise self._error(error) from error
            time.sleep(pause * random.uniform(0.2, 1.0))
            pause = min(pause * 1.5, _LONGEST_WAIT_S)

    def _migrate(self) -> None:
        version = self._user_version()
        if version == len(MIGRATIONS):
            return
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{self.path} was written by a newer version of arrcoc (format {version}, this one reads "
                f"up to {len(MIGRATIONS)})",
                remedy="update this copy of the project, or set ARRCOC_HOME to another folder",
            )
        self.rows("PRAGMA journal_mode=WAL")
        with self.writing() as db:
            for number in range(self._user_version(), len(MIGRATIONS)):
                for statement in MIGRATIONS[number]:
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number + 1}")

    def _user_version(self) -> int:
        return self.rows("PRAGMA user_version")[0][0]

    def _error(self, error: sqlite3.Error) -> StoreError:
        return StoreError(f"the run store {self.path} cannot be used: {error}", remedy=_remedy(error, self.path))


def _remedy(error: sqlite3.Error, path: Path) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            f"mv {path} {path}.damaged   starts the list of runs afresh: what trains now goes on to its end by itself, "
            "but is not listed or resumed any more; arrcoc adopt RUN brings a run in the cloud back"
        )
    if code == sqlite3.SQLITE_FULL:
        return "Make room on the disk; what trains now goes on meanwhile."
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return f"Make {path.parent} and the files in it writable for this user, or set ARRCOC_HOME to another folder."
    return "Run it again; what trains now goes on meanwhile. If it stays, look at the disk."


def _stored(value: Any) -> Any:
    """A field as SQLite holds it: mappings and budgets as JSON."""
    if isinstance(value, Budgets):
        return json.dumps([value.capacity, value.preemption, value.failure])
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, tuple):
        return json.dumps([asdict(one) for one in cast("tuple[Place, ...]", value)])
    return value


def _run_row(record: RunRecord) -> list[Any]:
    return [_stored(getattr(record, name)) for name in _RUN_COLUMNS]


def _run(row: Sequence[Any], attempts: Sequence[AttemptRecord]) -> RunRecord:
    known = dict(zip(_RUN_COLUMNS, row, strict=True))
    known["budgets"] = Budgets(*json.loads(known["budgets"]))
    known["used"] = Budgets(*json.loads(known["used"]))
    known["summary"] = json.loads(known["summary"])
    known["ladder"] = tuple(Place(**held) for held in json.loads(known["ladder"]))
    known["preparation"] = None if known["preparation"] is None else json.loads(known["preparation"])
    return RunRecord(**known, attempts=tuple(attempts))


def _attempt(row: Sequence[Any]) -> AttemptRecord:
    known = dict(zip(_ATTEMPT_COLUMNS, row, strict=True))
    if known["handle"] is not None:
        known["handle"] = json.loads(known["handle"])
    return AttemptRecord(**known)


_RUN_COLUMNS = tuple(field.name for field in fields(RunRecord) if field.name != "attempts")
_ATTEMPT_COLUMNS = tuple(field.name for field in fields(AttemptRecord))
