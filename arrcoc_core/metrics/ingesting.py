"""`ingest(run_dir)`: reads what is new in a run's `.wandb` files into its column cache, `RUN/metrics/`.

One writer at a time, by a lock on `RUN/metrics/lock`; whoever waited finds the work done and reads on from
there. The lock is given back after each batch (some 12,000 records), so a long first read keeps nobody waiting.
The cache can be deleted at any time: it is made again from the files.

    index.json     what is read and counted (arrcoc_core/metrics/index.py)
    0000.0.step …  columns (arrcoc_core/metrics/columns.py)
    media.jsonl    {"step", "time", "key", "path", "caption"}; the path is relative to the run directory
    other.jsonl    {"step", "key", "value"}: values that are no float64
    console.jsonl  {"time", "stream", "text"}

A row's key is `trainer/step`, or wandb's own `_step` where a row has none.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time as clock
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from arrcoc_core.metrics import columns, index, records
from arrcoc_core.metrics.framing import Batch, read_batch
from arrcoc_core.metrics.index import ColumnEntry, Index, SegmentEntry
from arrcoc_core.metrics.rows import Keys, Rows, decode
from arrcoc_core.metrics.segments import find_segments

STEP = "trainer/step"
_OWN_KEYS = ("_step", "_timestamp", "_runtime")  # wandb adds them to each row
DIRECTORY = "metrics"
_LOCK_PAUSE_S = 0.01
_MEDIA_FIELDS = {"image-file": ("path", "caption"), "images/separated": ("filenames", "captions")}


@dataclass(frozen=True)
class IngestResult:
    """What one call read."""

    rows: int = 0  # new history rows
    steps: int = 0  # distinct steps in all
    changed: tuple[str, ...] = ()  # names of the metrics that have new or other points
    media: int = 0
    console: int = 0
    busy: bool = False  # another process was reading all the time: what it has read is there
    done: bool = False  # the newest attempt has finished its file in order

    @property
    def anything(self) -> bool:
        """True when a reader has something new to look at."""
        return bool(self.rows or self.changed or self.media or self.console)


def ingest(run_dir: Path | str, *, wait_s: float = 60.0) -> IngestResult:
    """Reads all that is new. Safe to call from any number of processes; waits at most `wait_s` for the lock.

    A run that has logged nothing yet gives an empty result. Raises MetricsError when a file is no W&B log.
    """
    total = IngestResult()
    while True:
        result, more = ingest_batch(run_dir, wait_s=wait_s)
        total = IngestResult(
            total.rows + result.rows,
            result.steps,
            tuple(sorted({*total.changed, *result.changed})),
            total.media + result.media,
            total.console + result.console,
            result.busy,
            result.done,
        )
        if not more:
            return total


def ingest_batch(run_dir: Path | str, *, wait_s: float = 60.0) -> tuple[IngestResult, bool]:
    """Reads one batch; the second value says whether there is more."""
    run_dir = Path(run_dir).resolve()
    directory = run_dir / DIRECTORY
    if not run_dir.is_dir():
        return IngestResult(), False
    directory.mkdir(exist_ok=True)
    with _locked(directory / "lock", wait_s) as locked:
        if not locked:
            state = index.load(directory) or Index()
            return IngestResult(steps=_steps(state), busy=True), False
        state = _open_index(run_dir, directory)
        state.segments = find_segments(run_dir, state.segments)
        for position, segment in enumerate(state.segments):
            path = run_dir / segment.path
            if path.stat().st_size <= segment.offset:
                continue
            with path.open("rb") as file:
                batch = read_batch(file, segment.offset)
            if batch.next_offset <= segment.offset:
                continue
            later = any(other.rows for other in state.segments[position + 1 :])
            result = _Writer(run_dir, directory, state, segment, overwrite=not later).write(batch)
            index.save(directory, state)
            return result, not batch.at_end or position + 1 < len(state.segments)
        return IngestResult(steps=_steps(state), done=_done(state)), False


class _Writer:
    """Writes the content of one batch of one segment into the cache and the counts into the index."""

    def __init__(self, run_dir: Path, directory: Path, state: Index, segment: SegmentEntry, *, overwrite: bool):
        self.run_dir = run_dir
        self.directory = directory
        self.state = state
        self.segment = segment
        self.overwrite = overwrite

    def write(self, batch: Batch) -> IngestResult:
        state, segment = self.state, self.segment
        rows, others = decode(batch, Keys([*state.metrics, *_OWN_KEYS]))
        changed, media = self._write_rows(rows)
        console = self._write_others(batch, others)
        segment.offset = batch.next_offset
        segment.rows += rows.count
        state.damaged += batch.damaged
        return IngestResult(rows.count, _steps(state), changed, media, console, done=_done(state))

    def _write_rows(self, rows: Rows) -> tuple[tuple[str, ...], int]:
        if not rows.count:
            return (), 0
        state = self.state
        time = _dense(rows, "_timestamp", self.segment.start)
        own = np.arange(rows.count, dtype=np.float64) + self.segment.rows
        step = _dense(rows, STEP, _dense(rows, "_step", own)).astype(np.int64)
        changed: list[str] = []
        every = np.arange(rows.count)
        for name, (row, value) in {**rows.numbers, STEP: (every, step.astype(np.float64))}.items():
            if name.startswith("_") or _is_media_size(name, rows):
                continue
            entry = state.metrics.get(name) or self._new_column(state.metrics, name)
            if columns.merge(self.directory, entry, step[row], value, time[row], overwrite=self.overwrite):
                changed.append(name)
        state.first_time = min(float(time.min()), state.first_time or np.inf)
        state.last_time = max(float(time.max()), state.last_time or 0.0)
        media = self._write_other_values(rows, step, time)
        return tuple(sorted(set(changed) - {STEP})), media

    def _write_other_values(self, rows: Rows, step: NDArray[np.int64], time: NDArray[np.float64]) -> int:
        """Media and values that are no number; returns how many media there were."""
        grouped: dict[tuple[int, tuple[str, ...]], dict[str, Any]] = {}
        plain: list[dict[str, Any]] = []
        media_keys = {(row, path[:-1]) for row, path, value in rows.other if _is_media_type(path, value)}
        for row, path, value in rows.other:
            if (row, path[:-1]) in media_keys:
                grouped.setdefault((row, path[:-1]), {})[path[-1]] = value
            else:
                plain.append({"step": int(step[row]), "key": ".".join(path), "value": value})
        media: list[dict[str, Any]] = []
        folder = Path(self.segment.path).parent / "files"
        for (row, path), values in grouped.items():
            files, captions = (values.get(name) for name in _MEDIA_FIELDS[values["_type"]])
            many = isinstance(files, list)
            for i, file in enumerate(cast(list[Any], files) if many else [files]):
                caption = (captions[i] if captions and i < len(captions) else None) if many else captions
                media.append(
                    {
                        "step": int(step[row]),
                        "time": float(time[row]),
                        "key": ".".join(path) + (f"/{i}" if many else ""),
                        "path": (folder / str(file)).as_posix(),
                        "caption": str(caption or ""),
                    }
                )
        self._append("other.jsonl", plain)
        self._append("media.jsonl", media)
        return len(media)

    def _write_others(self, batch: Batch, which: list[int]) -> int:
        """Console, system metrics, configuration and the exit; returns how many console writes there were."""
        console: list[dict[str, Any]] = []
        system: dict[str, list[tuple[float, float]]] = {}
        for i in which:
            record = batch.record(i)
            kind, start, end = records.kind_of(record)
            if kind == records.OUTPUT_RAW:
                written = records.output(record, start, end)
                console.append({"time": written.time, "stream": written.stream, "text": written.text})
            elif kind == records.STATS:
                time, values = records.stats(record, start, end)
                for name, value in values.items():
                    if isinstance(value, (int, float)):
                        system.setdefault(name, []).append((time, float(value)))
            elif kind == records.RUN:
                self.state.config = records.run_info(record, start, end).config
            elif kind == records.EXIT:
                self.segment.exited = True
        for name, points in system.items():
            entry = self.state.system.get(name) or self._new_column(self.state.system, name)
            time, value = np.array(points, dtype=np.float64).T.copy()
            columns.merge(self.directory, entry, (time * 1000).astype(np.int64), value, time)
        self._append("console.jsonl", console)
        return len(console)

    def _append(self, name: str, lines: list[dict[str, Any]]) -> None:
        if not lines:
            return
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
        with (self.directory / name).open("r+b" if (self.directory / name).exists() else "w+b") as file:
            file.truncate(self.state.bytes_of.get(name, 0))  # what a writer that died had not counted
            file.seek(0, os.SEEK_END)
            file.write(text)
            self.state.bytes_of[name] = file.tell()

    def _new_column(self, table: dict[str, ColumnEntry], name: str) -> ColumnEntry:
        entry = table[name] = ColumnEntry(self.state.columns)
        self.state.columns += 1
        # A writer that died before it counted this column may have left files of this number.
        for path in self.directory.glob(f"{entry.number:04d}.*"):
            path.unlink()
        return entry


def _open_index(run_dir: Path, directory: Path) -> Index:
    """The index, or a new one where there is none or the files it speaks of have changed under it."""
    state = index.load(directory)
    if state is not None:
        paths = [(run_dir / segment.path, segment.offset) for segment in state.segments]
        if all(path.exists() and path.stat().st_size >= offset for path, offset in paths):
            return state
    for path in directory.iterdir():
        if path.name != "lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return Index()


@contextmanager
def _locked(path: Path, wait_s: float) -> Generator[bool]:
    """Holds the lock; False when it could not be had in time. The system frees it when its holder dies."""
    deadline = clock.monotonic() + wait_s
    with path.open("a") as file:
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


def _dense(rows: Rows, name: str, default: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """A number for every row: of the key where the row has it, else the default."""
    dense = np.empty(rows.count, dtype=np.float64)
    dense[:] = default
    if name in rows.numbers:
        row, value = rows.numbers[name]
        finite = np.isfinite(value)
        dense[row[finite]] = value[finite]
    return dense


def _is_media_type(path: tuple[str, ...], value: Any) -> bool:
    return len(path) > 1 and path[-1] == "_type" and value in _MEDIA_FIELDS


def _is_media_size(name: str, rows: Rows) -> bool:
    """True for `pictures/0.width` and the like, which describe a picture and are no metric."""
    key, dot, last = name.rpartition(".")
    if not dot or last not in ("width", "height", "size", "count"):
        return False
    return any(_is_media_type(path, value) and ".".join(path[:-1]) == key for _, path, value in rows.other)


def _steps(state: Index) -> int:
    return state.metrics[STEP].count if STEP in state.metrics else 0


def _done(state: Index) -> bool:
    return bool(state.segments) and state.segments[-1].exited
