"""Cloud Logging's memory: entries on disk, and when each of them can be read.

The real service shows an entry some seconds after it was written, and a later one may come first; a reader that only
asks for what is newer than the last one it saw misses lines. So each entry here has a time from which it is seen,
drawn from a hash of its insert id.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from arrcoc_core.sandbox.clock import Clock

SHORTEST_DELAY_S, LONGEST_DELAY_S = 0.5, 6.0
"""Virtual seconds between writing and reading."""


class Entry(NamedTuple):
    insert_id: str
    at: float
    """Seconds since 1970."""
    body: dict[str, Any]
    """LogEntry as JSON, without insertId and times."""


class LogBook:
    def __init__(self, folder: Path, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._db = sqlite3.connect(folder / "entries.db", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS entries "
            "(insert_id TEXT PRIMARY KEY, job TEXT, at REAL, seen REAL, body TEXT) WITHOUT ROWID"
        )
        self._db.execute("CREATE INDEX IF NOT EXISTS by_job ON entries (job, at)")

    def write(self, entries: Sequence[Entry]) -> None:
        """One that is there already is left as it is."""
        if not entries:
            return
        rows = [
            (entry.insert_id, _job(entry), entry.at, self._seen(entry), json.dumps(entry.body)) for entry in entries
        ]
        with self._lock:
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?, ?)", rows)
            self._db.execute("COMMIT")

    def read(self, *, seen_by: float, job: str | None = None) -> list[tuple[Entry, float]]:
        """What could be read at that moment, by time, each with when it arrived; of one job, or of all."""
        with self._lock:
            rows = self._db.execute(
                "SELECT insert_id, at, body, seen FROM entries WHERE seen <= ? AND (? IS NULL OR job = ?) "
                "ORDER BY at, insert_id",
                (seen_by, job, job),
            ).fetchall()
        return [(Entry(insert_id, at, json.loads(body)), seen) for insert_id, at, body, seen in rows]

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _seen(self, entry: Entry) -> float:
        low, high = SHORTEST_DELAY_S, LONGEST_DELAY_S
        share = zlib.crc32(entry.insert_id.encode()) % 1000 / 1000
        return max(entry.at, self._clock.now()) + self._clock.scaled(low + share * (high - low))


def _job(entry: Entry) -> str:
    resource: dict[str, Any] = entry.body.get("resource", {})
    return str(resource.get("labels", {}).get("job_id", ""))
