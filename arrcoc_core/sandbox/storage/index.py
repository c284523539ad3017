"""Which buckets, objects and unfinished uploads there are: one SQLite file beside the contents.

A commit is durable against the death of this process (not against a power cut: `synchronous=OFF`). Whoever checks a
precondition and then writes holds `lock` across both; that is what makes preconditions atomic.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, name TEXT NOT NULL, file TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (bucket, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (id TEXT PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""
_PAGE = 500

Row = tuple[str, str, dict[str, Any]]
"""An object: its name, the file with its content, its resource."""


class Index:
    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        with self.lock:
            self._db.close()

    def next_generation(self) -> int:
        """Microseconds since 1970, and always more than the last one."""
        with self.lock:
            row = self._db.execute("SELECT value FROM counters WHERE name = 'generation'").fetchone()
            value = max(time.time_ns() // 1000, (row[0] if row else 0) + 1)
            self._db.execute("INSERT OR REPLACE INTO counters VALUES ('generation', ?)", (value,))
            return value

    def bucket(self, name: str) -> dict[str, Any] | None:
        return self._one("SELECT data FROM buckets WHERE name = ?", name)

    def put_bucket(self, name: str, data: dict[str, Any]) -> None:
        with self.lock:
            self._db.execute("INSERT OR REPLACE INTO buckets VALUES (?, ?)", (name, json.dumps(data)))

    def drop_bucket(self, name: str) -> None:
        with self.lock:
            self._db.execute("DELETE FROM buckets WHERE name = ?", (name,))

    def buckets(self) -> list[dict[str, Any]]:
        with self.lock:
            return [json.loads(row[0]) for row in self._db.execute("SELECT data FROM buckets ORDER BY name")]

    def object(self, bucket: str, name: str) -> Row | None:
        with self.lock:
            row = self._db.execute(
                "SELECT file, data FROM objects WHERE bucket = ? AND name = ?", (bucket, name)
            ).fetchone()
        return (name, row[0], json.loads(row[1])) if row else None

    def put_object(self, bucket: str, name: str, file: str, data: dict[str, Any]) -> None:
        with self.lock:
            self._db.execute(
                "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", (bucket, name, file, json.dumps(data))
            )

    def drop_object(self, bucket: str, name: str) -> None:
        with self.lock:
            self._db.execute("DELETE FROM objects WHERE bucket = ? AND name = ?", (bucket, name))

    def objects(self, bucket: str, start: str = "", after: str | None = None) -> Iterator[Row]:
        """Objects in the order of their names' UTF-8 bytes, from `start` on and behind `after`."""
        comparison, bound = (">=", start) if after is None or after < start else (">", after)
        while True:
            with self.lock:
                rows = self._db.execute(
                    f"SELECT name, file, data FROM objects WHERE bucket = ? AND name {comparison} ? "
                    "ORDER BY name LIMIT ?",
                    (bucket, bound, _PAGE),
                ).fetchall()
            for name, file, data in rows:
                yield name, file, json.loads(data)
            if len(rows) < _PAGE:
                return
            comparison, bound = ">", rows[-1][0]

    def is_empty(self, bucket: str) -> bool:
        with self.lock:
            return self._db.execute("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", (bucket,)).fetchone() is None

    def upload(self, upload_id: str) -> dict[str, Any] | None:
        return self._one("SELECT data FROM uploads WHERE id = ?", upload_id)

    def put_upload(self, upload_id: str, data: dict[str, Any]) -> None:
        with self.lock:
            self._db.execute("INSERT OR REPLACE INTO uploads VALUES (?, ?)", (upload_id, json.dumps(data)))

    def drop_upload(self, upload_id: str) -> None:
        with self.lock:
            self._db.execute("DELETE FROM uploads WHERE id = ?", (upload_id,))

    def files(self) -> set[str]:
        """Every file that something refers to."""
        with self.lock:
            found = {row[0] for row in self._db.execute("SELECT file FROM objects")}
            found |= {json.loads(row[0])["file"] for row in self._db.execute("SELECT data FROM uploads")}
        return found

    def _one(self, statement: str, key: str) -> dict[str, Any] | None:
        with self.lock:
            row = self._db.execute(statement, (key,)).fetchone()
        return json.loads(row[0]) if row else None
