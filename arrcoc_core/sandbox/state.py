"""The sandbox's memory: documents in SQLite, which survive SIGKILL of the server at any instant.

A document is JSON (`table`) or a proto message (`messages`), known by table and key. `transaction()` is the one lock
and the one unit of writing: what it holds is there whole after a crash, or not at all. There is one server per
folder, so nobody else writes.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from arrcoc_core.sandbox.protos import plain, plain_class, wrapped

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
"""


class State:
    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing that was handed to the system; only a power cut could.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """Everything written inside is kept together, or dropped together where an error leaves the block."""
        with self._lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("COMMIT")

    def table(self, kind: str) -> Table[dict[str, Any]]:
        return Table(self, kind, lambda value: json.dumps(value).encode(), json.loads)

    def messages(self, kind: str, message: Callable[[], Any]) -> Table[Any]:
        """`message` gives the class (called late, so that nothing of Google's is imported before it is needed)."""

        def dump(value: Any) -> bytes:
            return plain(value).SerializeToString()

        def load(body: bytes) -> Any:
            kind = message()
            return wrapped(kind, plain_class(kind).FromString(body))

        return Table(self, kind, dump, load)

    def next(self, counter: str) -> int:
        """1, 2, 3, … for each counter, never the same twice."""
        with self.transaction():
            row = self.run("SELECT body FROM documents WHERE kind = '#' AND key = ?", counter)
            value = int(row[0][0]) + 1 if row else 1
            self.run("INSERT OR REPLACE INTO documents VALUES ('#', ?, ?)", counter, str(value).encode())
            return value

    def run(self, sql: str, *values: object) -> list[Any]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """One statement for each row."""
        with self._lock:
            self._db.executemany(sql, rows)

    def changed(self, sql: str, *values: object) -> int:
        """How many rows a statement touched."""
        with self._lock:
            return self._db.execute(sql, values).rowcount

    def close(self) -> None:
        with self._lock:
            self._db.close()


class Table(Generic[T]):
    def __init__(self, state: State, kind: str, dump: Callable[[T], bytes], load: Callable[[bytes], T]) -> None:
        self._state = state
        self._kind = kind
        self._dump = dump
        self._load = load

    def get(self, key: str) -> T | None:
        rows = self._state.run("SELECT body FROM documents WHERE kind = ? AND key = ?", self._kind, key)
        return self._load(rows[0][0]) if rows else None

    def put(self, key: str, value: T) -> None:
        self._state.run("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", self._kind, key, self._dump(value))

    def delete(self, key: str) -> bool:
        """Whether it was there."""
        return self._state.changed("DELETE FROM documents WHERE kind = ? AND key = ?", self._kind, key) > 0

    def items(self, prefix: str = "") -> list[tuple[str, T]]:
        """(key, value) of the keys that start with `prefix`, in the order of the keys."""
        rows = self._state.run(
            "SELECT key, body FROM documents WHERE kind = ? AND key >= ? AND substr(key, 1, ?) = ? ORDER BY key",
            self._kind,
            prefix,
            len(prefix),
            prefix,
        )
        return [(key, self._load(body)) for key, body in rows]

    def values(self, prefix: str = "") -> list[T]:
        return [value for _, value in self.items(prefix)]
