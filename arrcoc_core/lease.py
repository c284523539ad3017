"""Who drives the runs of a project: one supervisor at a time for this machine's runs and one for those in the cloud.
The agents of queues (queue/hiring.py) hold leases of the same kind under names of their own.

A lease in the store names a process by (pid, stamp). It passes on when that process is gone, or has not renewed it for
`stale_s`: then it hangs (or the machine slept), and is killed before another takes over. Trainers do not notice: they
are found again by their own handles. The two kinds are two processes, so that a slow network delays no local run.

A supervisor that dies as soon as it is started is started again, but not for ever: after `MOST_STARTS` without one that
stayed, only once in `RETRY_S`, and `Starts.fruitless` says so.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

from arrcoc_core.processes import alive, send, stamp
from arrcoc_core.records import FINAL
from arrcoc_core.store import Store

Kind = Literal["local", "cloud"]
KINDS: tuple[Kind, ...] = ("local", "cloud")
STALE_S: dict[str, float] = {"local": 60.0}
PATIENT_S = 300.0
"""One that talks to the cloud may be waiting for an answer of the network."""
RENEW_S = 5.0
START_S = 5.0
"""How long a supervisor that was started has to take the lease before another is started."""
MOST_STARTS = 3
RETRY_S = 60.0

_NAMES: dict[str, str] = {"local": "supervisor", "cloud": "supervisor-cloud"}
_TARGETS: dict[Kind, str] = {"local": "target = 'local'", "cloud": "target != 'local'"}
_WRITE = "INSERT OR REPLACE INTO leases (name, pid, stamp, heartbeat_at)"
_CAME_UP = "came up"
_READ = "SELECT pid, stamp, heartbeat_at FROM leases WHERE name = ?"


@dataclass(frozen=True, slots=True)
class Lease:
    pid: int
    stamp: str
    heartbeat_at: float
    kind: str = "local"

    def valid(self, now: float) -> bool:
        return alive(self.pid, self.stamp) and now - self.heartbeat_at < STALE_S.get(self.kind, PATIENT_S)


class Starts(NamedTuple):
    """Whether to start a supervisor now, and how many were started before of which none has stayed."""

    now: bool
    fruitless: int


def kind_of(target: str) -> Kind:
    """Which supervisor drives the runs of a target."""
    return "local" if target == "local" else "cloud"


def unfinished(store: Store, kind: Kind) -> bool:
    """Whether there is a run for it to drive."""
    marks = ", ".join("?" * len(FINAL))
    query = f"SELECT 1 FROM runs WHERE state NOT IN ({marks}) AND {_TARGETS[kind]} LIMIT 1"
    return bool(store.rows(query, sorted(FINAL)))


def holder(store: Store, kind: str = "local") -> Lease | None:
    """Who holds the lease now, dead or alive."""
    rows = store.rows(_READ, (_name(kind),))
    return Lease(rows[0][0], rows[0][1], rows[0][2], kind) if rows else None


def driven(store: Store, kind: str = "local") -> bool:
    """Whether a living supervisor drives the runs."""
    found = holder(store, kind)
    return found is not None and found.valid(time.time())


def announce_start(store: Store, kind: str = "local") -> Starts:
    """Whether the caller is to start a supervisor: none lives, and nobody else is starting one."""
    if driven(store, kind):
        return Starts(False, 0)
    with store.writing() as db:
        if driven(store, kind):  # since then: or a start would be announced that nothing takes back
            return Starts(False, 0)
        now = time.time()
        row = db.execute(_READ, (_starting(kind),)).fetchone()
        # The row names nobody: its `pid` counts the starts, its `stamp` says whether the last one came up.
        count, since, came_up = (row[0], now - row[2], row[1] == _CAME_UP) if row else (0, RETRY_S, False)
        if 0 <= since < START_S and not came_up:
            return Starts(False, 0)
        if 0 <= since < RETRY_S and count >= MOST_STARTS:
            return Starts(False, count)
        db.execute(f"{_WRITE} VALUES (?, ?, '', ?)", (_starting(kind), count + 1, now))
    return Starts(True, count if count >= MOST_STARTS else 0)


def acquire(store: Store, kind: str = "local") -> bool:
    """Take the lease for this process; False when a living one holds it."""
    now = time.time()
    mine = os.getpid(), stamp(os.getpid())
    with store.writing() as db:
        row = db.execute(_READ, (_name(kind),)).fetchone()
        if row and (row[0], row[1]) != mine:
            other = Lease(row[0], row[1], row[2], kind)
            if other.valid(now):
                return False
            send(other.pid, other.stamp, signal.SIGKILL)
        db.execute(f"{_WRITE} VALUES (?, ?, ?, ?)", (_name(kind), *mine, now))
        db.execute("UPDATE leases SET stamp = ? WHERE name = ?", (_CAME_UP, _starting(kind)))
    return True


def renew(store: Store, kind: str = "local") -> bool:
    """Say that this process still drives; False when the lease has passed to another."""
    with store.writing() as db:
        cursor = db.execute(
            "UPDATE leases SET heartbeat_at = ? WHERE name = ? AND pid = ? AND stamp = ?",
            (time.time(), _name(kind), os.getpid(), stamp(os.getpid())),
        )
        _it_stayed(db, kind)
        return cursor.rowcount == 1


def give_back(store: Store, *, only_when_idle: bool, kind: str = "local") -> bool:
    """Let go of the lease; with `only_when_idle` (of a supervisor), not while a run of its kind is unfinished.

    Check and release are one transaction: a run that is launched at that moment is either seen here, or its launcher
    sees that nobody holds the lease and starts a supervisor.
    """
    with store.writing() as db:
        if only_when_idle:
            marks = ", ".join("?" * len(FINAL))
            query = f"SELECT count(*) FROM runs WHERE state NOT IN ({marks}) AND {_TARGETS[cast('Kind', kind)]}"
            if db.execute(query, sorted(FINAL)).fetchone()[0]:
                return False
        db.execute(
            "DELETE FROM leases WHERE name = ? AND pid = ? AND stamp = ?",
            (_name(kind), os.getpid(), stamp(os.getpid())),
        )
        _it_stayed(db, kind)
    return True


def _it_stayed(db: sqlite3.Connection, kind: str) -> None:
    """Starts are counted from here on: this one works."""
    db.execute("DELETE FROM leases WHERE name = ?", (_starting(kind),))


def _name(kind: str) -> str:
    return _NAMES.get(kind, kind)


def _starting(kind: str) -> str:
    return f"starting-{kind}"
