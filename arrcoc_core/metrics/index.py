"""`RUN/metrics/index.json`: what has been read and how far each column is filled. Replaced whole, atomically.

It is the commit point of the cache: data is written first, then the index that counts it. A reader takes the
index and looks at nothing behind its counts; a writer that died in between leaves bytes that the next one writes
over. `epoch` names one life of the cache: it changes when the cache is begun anew, and readers then drop all.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

VERSION = 1
NAME = "index.json"
REWRITES_KEPT = 32


@dataclass
class ColumnEntry:
    """One column: points are in `<number>.<generation>.{step,value,time}`, `count` of them."""

    number: int
    count: int = 0
    generation: int = 0
    rewritten: int = 0  # how often points already counted have changed since the beginning
    rewrites: list[int] = field(default_factory=list[int])  # the first index changed, of the last rewrites


@dataclass
class SegmentEntry:
    """One `.wandb` file of the run."""

    path: str  # relative to the run directory
    run_id: str
    start: float  # unix seconds
    offset: int = 0  # read up to here
    rows: int = 0
    exited: bool = False


@dataclass
class Index:
    """All of `index.json`."""

    version: int = VERSION
    epoch: str = field(default_factory=lambda: secrets.token_hex(4))
    segments: list[SegmentEntry] = field(default_factory=list[SegmentEntry])
    metrics: dict[str, ColumnEntry] = field(default_factory=dict[str, ColumnEntry])
    system: dict[str, ColumnEntry] = field(default_factory=dict[str, ColumnEntry])
    columns: int = 0  # numbers given out
    bytes_of: dict[str, int] = field(default_factory=dict[str, int])  # of the JSON-lines files
    first_time: float | None = None
    last_time: float | None = None
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    damaged: int = 0


def load(directory: Path) -> Index | None:
    """The index of a cache directory; None when there is none, or one of another version or not readable as one."""
    try:
        raw: dict[str, Any] = json.loads((directory / NAME).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    try:
        if raw["version"] != VERSION:
            return None
        tables: dict[str, Any] = {
            "segments": [SegmentEntry(**entry) for entry in raw["segments"]],
            "metrics": {name: ColumnEntry(**entry) for name, entry in raw["metrics"].items()},
            "system": {name: ColumnEntry(**entry) for name, entry in raw["system"].items()},
        }
        return Index(**{**raw, **tables})
    except (TypeError, KeyError, AttributeError):
        return None


def save(directory: Path, index: Index) -> None:
    """Puts the index in place of the one before."""
    temporary = directory / f"{NAME}.{os.getpid()}"
    temporary.write_text(json.dumps(asdict(index), separators=(",", ":")), encoding="utf-8")
    temporary.replace(directory / NAME)
