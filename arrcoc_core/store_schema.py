"""The tables of the run store, version by version. Their columns are the fields of `records`."""

from __future__ import annotations

_RUN_IN_THE_CLOUD = (
    "ladder TEXT NOT NULL DEFAULT '[]'",
    "rung INTEGER NOT NULL DEFAULT 0",
    "troubles INTEGER NOT NULL DEFAULT 0",
    "preparation TEXT",
    "max_cost_usd REAL NOT NULL DEFAULT 0",
    "max_hours REAL NOT NULL DEFAULT 0",
    "pace REAL NOT NULL DEFAULT 1",
    "verdict TEXT NOT NULL DEFAULT 'cancelled'",
    "remedy TEXT NOT NULL DEFAULT ''",
    "problem TEXT NOT NULL DEFAULT ''",
)
_ATTEMPT_IN_THE_CLOUD = (
    "region TEXT NOT NULL DEFAULT ''",
    "machine_type TEXT NOT NULL DEFAULT ''",
    "provisioning TEXT NOT NULL DEFAULT ''",
    "usd_per_h REAL",
    "running_at REAL",
    "scope TEXT NOT NULL DEFAULT ''",
    "link TEXT NOT NULL DEFAULT ''",
    "stop TEXT NOT NULL DEFAULT ''",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE events (
            id INTEGER PRIMARY KEY,
            run TEXT NOT NULL,
            kind TEXT NOT NULL,
            at REAL NOT NULL,
            attempt INTEGER,
            cause TEXT NOT NULL,
            data TEXT NOT NULL
        )""",
        "CREATE INDEX events_of_run ON events (run, id)",
        """CREATE TABLE runs (
            position INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            experiment TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            code TEXT NOT NULL,
            target TEXT NOT NULL,
            state TEXT NOT NULL,
            created_at REAL NOT NULL,
            cause TEXT NOT NULL,
            started_at REAL,
            ended_at REAL,
            sweep TEXT,
            sweep_name TEXT,
            max_parallel INTEGER NOT NULL,
            budgets TEXT NOT NULL,
            used TEXT NOT NULL,
            not_before REAL NOT NULL,
            committed_step INTEGER NOT NULL,
            total_steps INTEGER NOT NULL,
            estimate_low_s REAL NOT NULL,
            estimate_high_s REAL NOT NULL,
            base TEXT NOT NULL,
            workload REAL NOT NULL,
            machine TEXT NOT NULL,
            summary TEXT NOT NULL,
            version INTEGER NOT NULL
        )""",
        "CREATE INDEX runs_by_state ON runs (state)",
        "CREATE INDEX runs_of_sweep ON runs (sweep)",
        """CREATE TABLE attempts (
            run TEXT NOT NULL,
            n INTEGER NOT NULL,
            state TEXT NOT NULL,
            started_at REAL NOT NULL,
            cause TEXT NOT NULL,
            ended_at REAL,
            handle TEXT,
            exit_code INTEGER,
            interrupted_at REAL,
            killed_at REAL,
            cost_usd REAL NOT NULL,
            PRIMARY KEY (run, n)
        ) WITHOUT ROWID""",
        """CREATE TABLE leases (
            name TEXT PRIMARY KEY,
            pid INTEGER NOT NULL,
            stamp TEXT NOT NULL,
            heartbeat_at REAL NOT NULL
        ) WITHOUT ROWID""",
    ),
    (
        *(f"ALTER TABLE runs ADD COLUMN {column}" for column in _RUN_IN_THE_CLOUD),
        *(f"ALTER TABLE attempts ADD COLUMN {column}" for column in _ATTEMPT_IN_THE_CLOUD),
    ),
)
"""The schema, one entry for each version of it; `PRAGMA user_version` counts those that were applied."""
