"""The writer's side of a column cache, whatever its rows come from: the lock, a beginning, rows into columns, a commit.

Two sources write here: the `.wandb` files of a run (`ingesting.py`) and its W&B server (arrcoc_core/online). Both hand
over `Rows`, so that a row ends as the same points whichever way it came. Where both bring rows of one run, the row that
was logged last counts, by its `_timestamp`: a mirror that is behind does not undo what the server has said already.

One writer at a time, by a lock on `RUN/metrics/lock`. Data is written first, then the index that counts it; what a
writer that died (or a full disk) left behind that is written over by the next one.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time as clock
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from arrcoc_core.errors import MetricsError
from arrcoc_core.metrics import columns, index
from arrcoc_core.metrics.index import ColumnEntry, Index
from arrcoc_core.metrics.rows import Rows

STEP = "trainer/step"
DIRECTORY = "metrics"
_LOCK_PAUSE_S = 0.01
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MEDIA_FIELDS = {"image-file": ("path", "caption"), "images/separated": ("filenames", "captions")}

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@contextmanager
def locked(directory: Path, wait_s: float) -> Generator[bool]:
    """Holds the cache's lock; False when it could not be had in time. The system frees it when its holder dies."""
    deadline = clock.monotonic() + wait_s
    with (directory / "lock").open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if clock.monotonic() >= deadline:
                    yield False
                    return
                clock.sleep(_LOCK_PAUSE_S)
        yield True  # closing the file frees the lock


@contextmanager
def disk_errors(directory: Path) -> Generator[None]:
    """Says what to do where there is no room for what was read; nothing that was counted before is lost by it."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise MetricsError(
            f"The disk is full: what was read of {directory.parent} cannot be kept",
            remedy="Free some space: what is new is then read by itself, and nothing is lost.\n"
            f"{directory} is a cache and may be deleted.",
        ) from error


def begin_anew(directory: Path) -> Index:
    """Empties the cache: a new epoch, at which its readers drop all."""
    for path in directory.iterdir():
        if path.name != "lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return Index()


class CacheWriter:
    """Writes into the cache and counts in `state`; nothing of it is there for readers before `commit`."""

    def __init__(self, directory: Path, state: Index) -> None:
        self.directory = directory
        self.state = state
        self._generations = {entry.number: entry.generation for entry in self._entries()}

    def commit(self) -> None:
        """Saves the index, which makes what was written count."""
        index.save(self.directory, self.state)
        for entry in self._entries():
            if self._generations.get(entry.number, 0) != entry.generation:
                columns.tidy(self.directory, entry)

    def write_rows(
        self, rows: Rows, *, files: Path, start: float, counted: int, overwrite: bool = True
    ) -> tuple[tuple[str, ...], int]:
        """(names of the metrics that changed, media written).

        `files`: the folder that paths of media are relative to, relative to the run directory itself. `start`: time of
        a row that does not say its own. `counted`: rows of this source before these, the step of one that has none.
        `overwrite=False`: steps that are there stay as they are.
        """
        if not rows.count:
            return (), 0
        state = self.state
        time = _dense(rows, "_timestamp", start)
        own = np.arange(rows.count, dtype=np.float64) + counted
        step = _dense(rows, STEP, _dense(rows, "_step", own)).astype(np.int64)
        both = state.remote is not None and bool(state.segments)
        old = self._outdated(step, time) if both else np.full(rows.count, not overwrite)
        changed: list[str] = []
        # What was logged as an object (a picture, a histogram, a table): what describes it is no metric.
        objects = {path[:-1] for _, path, _ in rows.other if len(path) > 1 and path[-1] == "_type"}
        hidden = ("_", *(".".join(path) + "." for path in objects))
        every = np.arange(rows.count)
        for name, (row, value) in {**rows.numbers, STEP: (every, step.astype(np.float64))}.items():
            if name.startswith(hidden):
                continue
            entry = state.metrics.get(name) or self._new_column(state.metrics, name)
            late = old[row]
            if self._merge(entry, step[row], value, time[row], late):
                changed.append(name)
        state.first_time = min(float(time.min()), state.first_time or np.inf)
        state.last_time = max(float(time.max()), state.last_time or 0.0)
        skipped = old if both else np.zeros(rows.count, dtype=np.bool_)
        media = self._write_other_values(rows, step, time, files, skipped, objects)
        return tuple(sorted(set(changed) - {STEP})), media

    def write_system(self, system: dict[str, list[tuple[float, float]]]) -> tuple[str, ...]:
        """Points (unix seconds, value) of system metrics by name; returns the names that changed."""
        changed: list[str] = []
        for name, points in system.items():
            entry = self.state.system.get(name) or self._new_column(self.state.system, name)
            time, value = np.array(points, dtype=np.float64).T.copy()
            if columns.merge(self.directory, entry, (time * 1000).astype(np.int64), value, time):
                changed.append(name)
        return tuple(changed)

    def append(self, name: str, lines: list[dict[str, Any]]) -> None:
        """Lines to the end of one of the JSON-lines files."""
        if not lines:
            return
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
        with (self.directory / name).open("r+b" if (self.directory / name).exists() else "w+b") as file:
            file.truncate(self.state.bytes_of.get(name, 0))  # what a writer that died had not counted
            file.seek(0, os.SEEK_END)
            file.write(text)
            self.state.bytes_of[name] = file.tell()

    def _merge(self, entry: ColumnEntry, step: Ints, value: Floats, time: Floats, late: Bools) -> bool:
        if not late.any():
            return columns.merge(self.directory, entry, step, value, time)
        new = ~late
        changed = columns.merge(self.directory, entry, step[new], value[new], time[new])
        return columns.merge(self.directory, entry, step[late], value[late], time[late], overwrite=False) or changed

    def _outdated(self, step: Ints, time: Floats) -> Bools:
        """Of each row, whether the row at its step was logged at the same time or later; notes the others' times."""
        state = self.state
        if state.written is None:
            # So far there was one source. When a row was logged is then when its step was logged first.
            state.written = self._new_entry()
            if STEP in state.metrics:
                steps, _, times = columns.read(self.directory, state.metrics[STEP])
                columns.merge(self.directory, state.written, steps.copy(), times.copy(), times.copy())
        known, times, _ = columns.read(self.directory, state.written)
        at = np.minimum(np.searchsorted(known, step), max(0, len(known) - 1))
        old = np.zeros(len(step), dtype=np.bool_)
        if len(known):
            old = (known[at] == step) & (times[at] >= time)
        new = ~old
        columns.merge(self.directory, state.written, step[new], time[new], time[new])
        return old

    def _write_other_values(
        self, rows: Rows, step: Ints, time: Floats, files: Path, skipped: Bools, objects: set[tuple[str, ...]]
    ) -> int:
        """Media and values that are no number, but those of `skipped` rows; returns how many media there were.

        Of what wandb logs as an object (a histogram, a table, a page) each part says of which.
        """
        grouped: dict[tuple[int, tuple[str, ...]], dict[str, Any]] = {}
        plain: list[dict[str, Any]] = []
        media_keys = {(row, path[:-1]) for row, path, value in rows.other if _is_media_type(path, value)}
        for row, path, value in rows.other:
            if skipped[row]:
                continue
            if (row, path[:-1]) in media_keys:
                grouped.setdefault((row, path[:-1]), {})[path[-1]] = value
            else:
                line = {"step": int(step[row]), "key": ".".join(path), "value": value}
                of = next((path[:size] for size in range(1, len(path)) if path[:size] in objects), None)
                plain.append(line if of is None else {**line, "of": ".".join(of)})
        media: list[dict[str, Any]] = []
        for (row, path), values in grouped.items():
            paths, captions = (values.get(name) for name in _MEDIA_FIELDS[values["_type"]])
            many = isinstance(paths, list)
            for i, file in enumerate(cast(list[Any], paths) if many else [paths]):
                caption = (captions[i] if captions and i < len(captions) else None) if many else captions
                media.append(
                    {
                        "step": int(step[row]),
                        "time": float(time[row]),
                        "key": ".".join(path) + (f"/{i}" if many else ""),
                        "path": (files / _inside(str(file))).as_posix(),
                        "caption": str(caption or ""),
                    }
                )
        self.append("other.jsonl", plain)
        self.append("media.jsonl", media)
        return len(media)

    def _new_column(self, table: dict[str, ColumnEntry], name: str) -> ColumnEntry:
        entry = table[name] = self._new_entry()
        return entry

    def _new_entry(self) -> ColumnEntry:
        entry = ColumnEntry(self.state.columns)
        self.state.columns += 1
        # A writer that died before it counted this column may have left files of this number.
        for path in self.directory.glob(f"{entry.number:04d}.*"):
            path.unlink()
        return entry

    def _entries(self) -> list[ColumnEntry]:
        written = [self.state.written] if self.state.written is not None else []
        return [*self.state.metrics.values(), *self.state.system.values(), *written]


def steps_of(state: Index) -> int:
    """Distinct steps in all."""
    return state.metrics[STEP].count if STEP in state.metrics else 0


def _dense(rows: Rows, name: str, default: Floats | float) -> Floats:
    """A number for every row: of the key where the row has it, else the default."""
    dense = np.empty(rows.count, dtype=np.float64)
    dense[:] = default
    if name in rows.numbers:
        row, value = rows.numbers[name]
        finite = np.isfinite(value)
        dense[row[finite]] = value[finite]
    return dense


def _is_media_type(path: tuple[str, ...], value: Any) -> bool:
    return len(path) > 1 and path[-1] == "_type" and isinstance(value, str) and value in _MEDIA_FIELDS


def _inside(path: str) -> str:
    """The path of a logged file; of one that leads out of its folder the name alone: anybody may have logged it."""
    parts = PurePosixPath(path)
    return parts.name if parts.is_absolute() or ".." in parts.parts else path
