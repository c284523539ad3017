"""Columns on disk: the points of one metric, sorted by step, each step once; three flat files that readers map.

`<number>.<generation>.step` (int64), `.value`, `.time` (float64, unix seconds). The files are longer than what
they hold (capacity doubles, as a hole), so a mapping made once stays good while the column grows.

Merging new points, last write wins:
- all behind the end (the rule): appended, O(new);
- steps that are there already (a resumed run logs them again): written in place where the value differs, O(new);
- steps in between: a new generation of files, O(all). `tidy` unlinks the old ones once the index names the new; who
  has them mapped keeps them.

An 8-byte aligned write is seen whole or not at all by a reader of the same page, so readers need no lock.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arrcoc_core.errors import MetricsError
from arrcoc_core.metrics.index import REWRITES_KEPT, ColumnEntry

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Points = tuple[Ints, Floats, Floats]  # step, value, time

_PARTS = ("step", "value", "time")
_CAPACITY = 1024


def merge(
    directory: Path, entry: ColumnEntry, step: Ints, value: Floats, time: Floats, *, overwrite: bool = True
) -> bool:
    """Merges points, in the order in which they were logged, into the column; True when anything changed.

    `overwrite=False`: a step that is there stays as it is (late bytes of an earlier attempt).
    """
    if len(step) == 0:
        return False
    if len(step) > 1 and not (np.diff(step) > 0).all():
        step, value, time = _sorted_last(step, value, time)
    if entry.count == 0:
        _write(directory, entry, 0, (step, value, time))
        entry.count = len(step)
        return True
    old_step, old_value, old_time = read(directory, entry)
    if step[0] > old_step[-1]:
        _write(directory, entry, entry.count, (step, value, time))
        entry.count += len(step)
        return True
    at = np.searchsorted(old_step, step)
    there = at < entry.count
    there[there] = old_step[at[there]] == step[there]
    new = ~there
    # Bit for bit: NaN logged again as NaN is no change.
    differs = there.copy()
    differs[there] = old_value[at[there]].view(np.int64) != value[there].view(np.int64)
    if not overwrite:
        differs[:] = False
    if not (new.any() or differs.any()):
        return False
    if (at[new] == entry.count).all():
        for where in np.flatnonzero(differs).tolist():
            point = step[where : where + 1], value[where : where + 1], time[where : where + 1]
            _write(directory, entry, int(at[where]), point)
        if differs.any():
            _note_rewrite(entry, int(at[differs].min()))
        if new.any():
            _write(directory, entry, entry.count, (step[new], value[new], time[new]))
            entry.count += int(new.sum())
        return True
    take = new | differs
    first = int(at[take].min())
    tail = (
        np.concatenate([old_step[first:], step[take]]),
        np.concatenate([old_value[first:], value[take]]),
        np.concatenate([old_time[first:], time[take]]),
    )
    merged = _sorted_last(*tail)
    before = (old_step[:first], old_value[:first], old_time[:first])
    whole = _joined(before, merged)
    entry.generation += 1
    _write(directory, entry, 0, whole)
    entry.count = len(whole[0])
    _note_rewrite(entry, first)
    return True


def tidy(directory: Path, entry: ColumnEntry) -> None:
    """Unlinks what the column had before its present generation. Only after the index that names it is saved."""
    for path in directory.glob(f"{entry.number:04d}.*"):
        if not path.name.startswith(f"{entry.number:04d}.{entry.generation}."):
            path.unlink(missing_ok=True)


def read(directory: Path, entry: ColumnEntry) -> Points:
    """The points of a column, mapped.

    Raises FileNotFoundError when a newer generation has replaced the files (read the index again), MetricsError
    when a file is shorter than the index says.
    """
    return tuple(  # pyright: ignore[reportReturnType]
        array[: entry.count] for array in map_files(directory, entry)
    )


def map_files(directory: Path, entry: ColumnEntry) -> Points:
    """The whole files mapped, up to their capacity; what lies behind `entry.count` is not yet anything."""
    if entry.count == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0)
    return (
        _map(directory, entry, "step").view(np.int64),
        _map(directory, entry, "value"),
        _map(directory, entry, "time"),
    )


def _map(directory: Path, entry: ColumnEntry, part: str) -> Floats:
    path = _path(directory, entry, part)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < entry.count * 8:
            raise MetricsError(f"{path} is shorter than its index says", remedy=f"Delete {directory}: it is a cache.")
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.float64)


def _write(directory: Path, entry: ColumnEntry, at: int, points: Points) -> None:
    for part, raw in zip(_PARTS, (points[0].tobytes(), points[1].tobytes(), points[2].tobytes()), strict=True):
        path = _path(directory, entry, part)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        try:
            capacity = max(_CAPACITY, 1 << (at + len(points[0]) - 1).bit_length())
            if os.fstat(descriptor).st_size < capacity * 8:
                os.ftruncate(descriptor, capacity * 8)
            view = memoryview(raw)
            offset = at * 8
            while view:
                written = os.pwrite(descriptor, view, offset)
                view, offset = view[written:], offset + written
        finally:
            os.close(descriptor)


def _path(directory: Path, entry: ColumnEntry, part: str) -> Path:
    return directory / f"{entry.number:04d}.{entry.generation}.{part}"


def _joined(before: Points, after: Points) -> Points:
    return (
        np.concatenate([before[0], after[0]]),
        np.concatenate([before[1], after[1]]),
        np.concatenate([before[2], after[2]]),
    )


def _note_rewrite(entry: ColumnEntry, first: int) -> None:
    entry.rewritten += 1
    entry.rewrites = [*entry.rewrites, first][-REWRITES_KEPT:]


def _sorted_last(step: Ints, value: Floats, time: Floats) -> Points:
    """Sorted by step; of points with one step the last."""
    order = np.argsort(step, kind="stable")
    step = step[order]
    keep = np.append(step[1:] != step[:-1], True)
    order = order[keep]
    return step[keep], value[order], time[order]
