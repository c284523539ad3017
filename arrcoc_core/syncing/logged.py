"""What a run has logged into its `.wandb` files, to be sent as it is: rows by step, console, system metrics, media.

Rows are stitched as the column cache does it: keyed on `trainer/step` (wandb's `_step` where a row has none), and of
what several attempts logged at one step the last counts, key by key. One pass finds where the rows of each step are;
their values are decoded when they are wanted, so that what is there already costs next to nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from arrcoc_core.metrics import records
from arrcoc_core.metrics.cache import STEP
from arrcoc_core.metrics.framing import Batch, read_batch
from arrcoc_core.metrics.rows import Keys, decode, history_of
from arrcoc_core.metrics.segments import find_segments

_OWN = frozenset({"_step", "_runtime"})
"""Keys that the client sets itself."""
_BATCHES_KEPT = 4
_SUMMARY = 3
Ints = NDArray[np.int64]


@dataclass
class Head:
    """The run record of the newest attempt."""

    run_id: str = ""
    entity: str = ""
    project: str = ""
    name: str = ""
    notes: str = ""
    group: str = ""
    job_type: str = ""
    tags: list[str] = field(default_factory=list[str])
    config: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class System:
    """One sample of the system metrics."""

    time: float
    values: dict[str, Any]


class Logged:
    """All of a run's segments, read once."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.head = Head()
        self.offline = False
        """Whether some attempt was logged to files only."""
        self.start = 0.0
        """When its first attempt began, unix seconds."""
        self.keyed = False
        """Whether some row has a `trainer/step`."""
        self.console: list[tuple[str, str]] = []
        """(stream, text), as they were written."""
        self.system: list[System] = []
        self.media: dict[str, Path] = {}
        """Path on the server -> file here, of all that rows refer to and is there."""
        self.summary: dict[str, Any] = {}
        """What was put into the summary after the last row."""
        self.steps: Ints = np.zeros(0, dtype=np.int64)
        """Every step once, ascending."""
        self._paths: list[Path] = []
        self._places: list[tuple[int, int]] = []  # segment and offset of each batch
        self._kept: OrderedDict[int, Batch] = OrderedDict()
        steps: list[Ints] = [np.zeros(0, dtype=np.int64)]
        where: list[Ints] = [np.zeros((0, 2), dtype=np.int64)]
        for segment in find_segments(run_dir, []):
            path = run_dir / segment.path
            self.start = self.start or segment.start
            self.offline |= path.parent.name.startswith("offline-run-")
            self._paths.append(path)
            self._read_segment(path, steps, where)
        every: Ints = np.concatenate(steps)
        places: Ints = np.concatenate(where)
        order = np.argsort(every, kind="stable")
        self._steps = every[order]
        self._where = places[order]
        self.steps = np.unique(every)

    def rows(self, steps: Ints) -> Iterator[tuple[int, dict[str, Any]]]:
        """(step, values as they were logged) of each of these steps, in their order."""
        for step in cast("list[int]", steps.tolist()):
            first = int(np.searchsorted(self._steps, step, "left"))
            last = int(np.searchsorted(self._steps, step, "right"))
            merged: dict[tuple[str, ...], Any] = {}
            for batch, index in self._where[first:last].tolist():
                record = self._batch(batch).record(index)
                _, start, end = records.kind_of(record)
                merged.update(records.history_items(record, start, end))
            yield step, _nested(merged)

    def _read_segment(self, path: Path, steps: list[Ints], where: list[Ints]) -> None:
        files, offset, counted = path.parent / "files", 0, 0
        with path.open("rb") as file:
            while True:
                batch = read_batch(file, offset)
                if len(batch):
                    self._places.append((len(self._paths) - 1, offset))
                    counted += self._read_batch(batch, files, counted, steps, where)
                if batch.at_end or batch.next_offset <= offset:
                    return
                offset = batch.next_offset

    def _read_batch(self, batch: Batch, files: Path, counted: int, steps: list[Ints], where: list[Ints]) -> int:
        history = history_of(batch)
        rows, others = decode(batch, Keys())
        step = np.arange(counted, counted + rows.count, dtype=np.int64)
        for name in ("_step", STEP):
            if name in rows.numbers:
                row, value = rows.numbers[name]
                finite = np.isfinite(value)
                step[row[finite]] = value[finite].astype(np.int64)
        self.keyed |= STEP in rows.numbers
        steps.append(step)
        number = len(self._places) - 1
        where.append(np.stack([np.full(rows.count, number, dtype=np.int64), history], axis=1))
        for _, path, value in rows.other:
            self._find_media(path, value, files)
        self._read_others(batch, others)
        self._read_summary(batch, history)
        return rows.count

    def _find_media(self, path: tuple[str, ...], value: Any, files: Path) -> None:
        names: list[Any] = [value]
        if isinstance(value, list):
            names = cast("list[Any]", value)
        if len(path) < 2 or path[-1] not in ("path", "filenames"):
            return
        for name in names:
            if isinstance(name, str) and name.startswith("media/") and ".." not in name and (files / name).is_file():
                self.media[name] = files / name

    def _read_others(self, batch: Batch, which: list[int]) -> None:
        for i in which:
            record = batch.record(i)
            kind, start, end = records.kind_of(record)
            if kind == records.OUTPUT_RAW:
                written = records.output(record, start, end)
                self.console.append((written.stream, written.text))
            elif kind == records.STATS:
                time, values = records.stats(record, start, end)
                self.system.append(System(time, values))
            elif kind == records.RUN:
                self.head = _head(record, start, end)

    def _read_summary(self, batch: Batch, history: Ints) -> None:
        if len(history):
            self.summary = {}
        for i in range(int(history[-1]) + 1 if len(history) else 0, len(batch)):
            record = batch.record(i)
            for number, start, end, _ in records.fields(record):
                if number == _SUMMARY:
                    self.summary |= _nested(dict(records.history_items(record, start, end)))

    def _batch(self, number: int) -> Batch:
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        segment, offset = self._places[number]
        with self._paths[segment].open("rb") as file:
            batch = read_batch(file, offset)
        self._kept[number] = batch
        if len(self._kept) > _BATCHES_KEPT:
            self._kept.popitem(last=False)
        return batch

    @property
    def folder(self) -> Path | None:
        """The folder of files of the newest attempt."""
        return self._paths[-1].parent / "files" if self._paths else None


def _nested(items: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """Items by their paths as one value, as it was given to `run.log`; without the keys that the client sets."""
    found: dict[str, Any] = {}
    for path, value in items.items():
        if path and path[0] not in _OWN:
            at = found
            for part in path[:-1]:
                inside = at.get(part)
                if not isinstance(inside, dict):
                    inside = at[part] = {}
                at = cast("dict[str, Any]", inside)
            at[path[-1]] = value
    return found


def _head(record: bytes, start: int, end: int) -> Head:
    """Field numbers from `wandb/proto/wandb_internal.proto` of 0.31, RunRecord."""
    head = Head(config=records.run_info(record, start, end).config)
    head.config.pop("_wandb", None)
    names = {1: "run_id", 2: "entity", 3: "project", 6: "group", 7: "job_type", 8: "name", 9: "notes"}
    for number, a, b, _ in records.fields(record, start, end):
        text = record[a:b].decode("utf-8", "replace")
        if number in names:
            setattr(head, names[number], text)
        elif number == 10:
            head.tags.append(text)
    return head
