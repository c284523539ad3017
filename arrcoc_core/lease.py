"""Who drives the runs of a project: one supervisor at a time, by a lease in the store.

The lease names a process by (pid, stamp). It passes on when that process is gone, or has not renewed it for
`STALE_S`: then it hangs (or the machine slept), and is killed before another takes over. Trainers do not notice: they
are found again by their own (pid, stamp).
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

from arrcoc_core.processes import alive, send, stamp
from arrcoc_core.records import FINAL
from arrcoc_core.store import Store

NAME = "supervisor"
STARTING = "starting"
STALE_S = 60.0
RENEW_S = 5.0
START_S = 5.0
"""How long a supervisor that was started has to take the lease before another is started."""


_WRITE = "INSERT OR REPLACE INTO leases (name, pid, stamp, heartbeat_at)"


@dataclass(frozen=True, slots=True)
class Lease:
    pid: int
    stamp: str
    heartbeat_at: float

    def valid(self, now: float) -> bool:
        return alive(self.pid, self.stamp) and now - self.heartbeat_at < STALE_S


def holder(store: Store) -> Lease | None:
    """Who holds the lease now, dead or alive."""
    rows = store.rows("SELECT pid, stamp, heartbeat_at FROM leases WHERE name = ?", (NAME,))
    return Lease(*rows[0]) if rows else None


def driven(store: Store) -> bool:
    """Whether a living supervisor drives the runs."""
    found = holder(store)
    return found is not None and found.valid(time.time())


def announce_start(store: Store) -> bool:
    """Whether the caller is to start a supervisor: none lives, and nobody else is starting one."""
    if driven(store):
        return False
    with store.writing() as db:
        if driven(store):  # since then: or a start would be announced that nothing takes back
            return False
        now = time.time()
        row = db.execute("SELECT heartbeat_at FROM leases WHERE name = ?", (STARTING,)).fetchone()
        if row and 0 <= now - row[0] < START_S:
            return False
        db.execute(f"{_WRITE} VALUES (?, ?, '', ?)", (STARTING, os.getpid(), now))
    return True


def acquire(store: Store) -> bool:
    """Take the lease for this process; False when a living one holds it."""
    now = time.time()
    mine = os.getpid(), stamp(os.getpid())
    with store.writing() as db:
        row = db.execute("SELECT pid, stamp, heartbeat_at FROM leases WHERE name = ?", (NAME,)).fetchone()
        if row and (row[0], row[1]) != mine:
            other = Lease(*row)
            if other.valid(now):
                return False
            send(other.pid, other.stamp, signal.SIGKILL)
        db.execute(f"{_WRITE} VALUES (?, ?, ?, ?)", (NAME, *mine, now))
        db.execute("DELETE FROM leases WHERE name = ?", (STARTING,))
    return True


def renew(store: Store) -> bool:
    """Say that this process still drives; False when the lease has passed to another."""
    with store.writing() as db:
        cursor = db.execute(
            "UPDATE leases SET heartbeat_at = ? WHERE name = ? AND pid = ? AND stamp = ?",
            (time.time(), NAME, os.getpid(), stamp(os.getpid())),
        )
        return cursor.rowcount == 1


def give_back(store: Store, *, only_when_idle: bool) -> bool:
    """Let go of the lease; with `only_when_idle`, not while a run is unfinished.

    Check and release are one transaction: a run that is launched at that moment is either seen here, or its launcher
    sees that nobody holds the lease and starts a supervisor.
    """
    with store.writing() as db:
        if only_when_idle:
            marks = ", ".join("?" * len(FINAL))
            left = db.execute(f"SELECT count(*) FROM runs WHERE state NOT IN ({marks})", sorted(FINAL)).fetchone()[0]
            if left:
                return False
        db.execute(
            "DELETE FROM leases WHERE name = ? AND pid = ? AND stamp = ?", (NAME, os.getpid(), stamp(os.getpid()))
        )
    return True
