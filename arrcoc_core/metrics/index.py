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

VERSION = 2  # 2: parts of objects are no values of their own
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
class RemoteEntry:
    """How far the run has been read on its W&B server (arrcoc_core/online)."""

    path: str  # "entity/project/run id"
    created_at: str = ""  # with the path it tells a run from one that was made anew under its name
    cursor: int = -1  # `_step` of the newest row that was read; -1: none yet
    cursor_time: float = 0.0  # its `_timestamp`, by which it is known again
    rows: int = 0  # rows read
    events: int = 0  # lines of system metrics that the server had when they were read last
    events_whole: int = 0  # and when all of them were read last
    lines: int = 0  # console lines written
    lines_after: str | None = None  # the server's mark behind the last page of console lines
    open_line: list[Any] = field(default_factory=list[Any])
    """[stream, text] of the newest console line, which may still be written over."""
    ended: bool = False  # the server has said so, and every row has been read


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
    remote: RemoteEntry | None = None
    written: ColumnEntry | None = None  # by step: when the row there now was logged; where rows have two sources


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
            "remote": RemoteEntry(**raw["remote"]) if raw.get("remote") else None,
            "written": ColumnEntry(**raw["written"]) if raw.get("written") else None,
        }
        return Index(**{**raw, **tables})
    except (TypeError, KeyError, AttributeError):
        return None


def save(directory: Path, index: Index) -> None:
    """Puts the index in place of the one before."""
    temporary = directory / f"{NAME}.{os.getpid()}"
    try:
        temporary.write_text(json.dumps(asdict(index), separators=(",", ":")), encoding="utf-8")
        temporary.replace(directory / NAME)
    finally:
        temporary.unlink(missing_ok=True)  # there only where the disk was full
