"""`open_metrics(run_dir) -> RunMetrics`: what a run has logged so far, from its column cache.

Any number of readers may be open while another process writes: each takes the index (replaced whole) and maps
what it counts. `refresh` costs one `stat` when nothing is new and O(new) otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from arrcoc_core.metrics import columns, index
from arrcoc_core.metrics.cache import DIRECTORY, STEP
from arrcoc_core.metrics.index import ColumnEntry, Index
from arrcoc_core.metrics.ingesting import ingest
from arrcoc_core.metrics.series import Series

Scalar = int | float | str | bool | None
_TRIES = 5


@dataclass(frozen=True)
class Media:
    """A picture that was logged."""

    step: int
    key: str  # e.g. "pictures/0"
    path: Path  # absolute; the file may be on its way still
    caption: str
    time: float  # unix seconds


@dataclass(frozen=True)
class Histogram:
    """A `wandb.Histogram` that was logged."""

    step: int
    key: str
    counts: tuple[float, ...]
    edges: tuple[float, ...]  # one more than counts


@dataclass(frozen=True)
class ConsoleLine:
    """A line that the run printed."""

    time: float  # unix seconds, of its first piece
    stream: str  # "stdout" or "stderr"
    text: str  # without the line break


def open_metrics(run_dir: Path | str, *, refresh: bool = True) -> RunMetrics:
    """The metrics of a run. `refresh=True` first reads what is new in its files, in this process; without it
    only what some process has put into the cache is seen. A run without rows gives empty metrics, no error."""
    metrics = RunMetrics(run_dir)
    metrics.refresh(ingest_first=refresh)
    return metrics


class RunMetrics:
    """The metrics of one run; every `Series` it has given grows in place at `refresh`."""

    def __init__(self, run_dir: Path | str) -> None:
        self.run_dir = Path(run_dir).resolve()
        self._directory = self.run_dir / DIRECTORY
        self._index = Index(epoch="")
        self._stamp: tuple[int, int, int] | None = None
        self._metrics: dict[str, _Live] = {}
        self._system: dict[str, _Live] = {}
        self._media: list[Media] = []
        self._media_read = 0

    def refresh(self, *, ingest_first: bool = False) -> bool:
        """Extends all that was given out; True when anything changed."""
        if ingest_first:
            ingest(self.run_dir)
        for _ in range(_TRIES):
            try:
                stat = (self._directory / index.NAME).stat()
            except (FileNotFoundError, NotADirectoryError):
                return False
            stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if stamp == self._stamp:
                return False
            loaded = index.load(self._directory)
            if loaded is None:
                return False
            try:
                self._take(loaded)
            except FileNotFoundError:
                continue  # replaced while we looked: take the newer index
            self._stamp = stamp
            return True
        return False

    @property
    def names(self) -> list[str]:
        """The metrics, sorted; without wandb's own (`_step` …) and without the key."""
        return sorted(name for name in self._index.metrics if name != STEP)

    @property
    def system_names(self) -> list[str]:
        """The system metrics, e.g. "cpu"."""
        return sorted(self._index.system)

    def series(self, name: str) -> Series:
        """The series of a metric: the same object each time. An unknown name gives an empty one, which fills
        when the metric appears."""
        return self._live(self._metrics, self._index.metrics, name)

    def system(self, name: str) -> Series:
        """The series of a system metric; its steps are wall times in milliseconds."""
        return self._live(self._system, self._index.system, name)

    def last(self, name: str) -> float | None:
        """The newest value of a metric."""
        return self.series(name).last

    @property
    def steps(self) -> int:
        """How many rows there are: distinct steps."""
        return self._index.metrics[STEP].count if STEP in self._index.metrics else 0

    @property
    def first_time(self) -> float | None:
        """When the first row was logged, unix seconds."""
        return self._index.first_time

    @property
    def last_time(self) -> float | None:
        """When the newest row was logged, unix seconds."""
        return self._index.last_time

    @property
    def attempts(self) -> list[tuple[float, int]]:
        """(start in unix seconds, rows logged) of each `.wandb` file, oldest first."""
        return [(segment.start, segment.rows) for segment in self._index.segments]

    @property
    def config(self) -> dict[str, Any]:
        """What was given to `wandb.init(config=)`."""
        return self._index.config

    @property
    def damaged(self) -> int:
        """Places in the files that could not be read and were skipped."""
        return self._index.damaged

    def columns(self) -> list[str]:
        """The header of `rows`: `trainer/step`, then all names sorted."""
        others = {key for _, key, _ in self._other_values()}
        return [STEP, *sorted({*self.names, *others})]

    def rows(self) -> Iterator[dict[str, Scalar]]:
        """One dict a step, sorted by step, `trainer/step` first, then the names sorted; a name that was not logged
        at a step is not in its row. Whole numbers are ints, as in the file. NaN and infinities are floats."""
        other: dict[int, dict[str, Scalar]] = {}
        for step, key, value in self._other_values():
            other.setdefault(step, {})[key] = value
        steps = self.series(STEP).step.tolist()
        cursors = [(name, self.series(name)) for name in self.names]
        tables = [(name, series.step.tolist(), series.value.tolist()) for name, series in cursors]
        at = [0] * len(tables)
        for step in steps:
            row: dict[str, Scalar] = {}
            for i, (name, its_steps, values) in enumerate(tables):
                if at[i] < len(its_steps) and its_steps[at[i]] == step:
                    value = values[at[i]]
                    row[name] = int(value) if value.is_integer() else value
                    at[i] += 1
            row.update(other.get(step, {}))
            yield {STEP: step, **{name: row[name] for name in sorted(row)}}

    def media(self) -> list[Media]:
        """The pictures, sorted by step and key; of those logged again the last."""
        size = self._index.bytes_of.get("media.jsonl", 0)
        if size > self._media_read:
            for line in self._lines("media.jsonl", self._media_read):
                path = (self.run_dir / line["path"]).resolve()
                self._media.append(Media(line["step"], line["key"], path, line["caption"], line["time"]))
            self._media_read = size
            self._media = sorted({(media.step, media.key): media for media in self._media}.values(), key=_by_step)
        return list(self._media)

    def histograms(self) -> list[Histogram]:
        """The histograms, sorted by step and key; of those logged again the last."""
        parts: dict[tuple[int, str], dict[str, Any]] = {}
        for line in self._lines("other.jsonl", 0):
            if "of" in line:
                key = str(line["of"])
                part = str(line["key"]).removeprefix(f"{key}.")
                parts.setdefault((int(line["step"]), key), {})[part] = line["value"]
        return [
            Histogram(step, key, tuple(held["values"]), tuple(held["bins"]))
            for (step, key), held in sorted(parts.items())
            if held.get("_type") == "histogram" and "values" in held and "bins" in held
        ]

    def console(self) -> list[ConsoleLine]:
        """What the run printed, by lines; what a carriage return wrote over is left out."""
        lines: list[ConsoleLine] = []
        open_lines: dict[str, tuple[float, str]] = {}
        for piece in self._lines("console.jsonl", 0):
            stream, text = str(piece["stream"]), str(piece["text"])
            time, before = open_lines.pop(stream, (float(piece["time"]), ""))
            *whole, rest = (before + text).split("\n")
            for line in whole:
                lines.append(ConsoleLine(time, stream, line.rstrip("\r").rpartition("\r")[2]))
                time = float(piece["time"])
            if rest:
                open_lines[stream] = time, rest
        for stream, (time, text) in open_lines.items():
            lines.append(ConsoleLine(time, stream, text.rstrip("\r").rpartition("\r")[2]))
        return lines

    def _take(self, loaded: Index) -> None:
        if loaded.epoch != self._index.epoch:
            self._media, self._media_read = [], 0
            for live in [*self._metrics.values(), *self._system.values()]:
                live.forget()
        for lives, entries in ((self._metrics, loaded.metrics), (self._system, loaded.system)):
            for name, live in lives.items():
                if name in entries:
                    live.take(self._directory, entries[name])
        self._index = loaded

    def _live(self, lives: dict[str, _Live], entries: dict[str, ColumnEntry], name: str) -> Series:
        live = lives.get(name)
        if live is None:
            live = lives[name] = _Live(Series(name))
            if name in entries:
                for _ in range(_TRIES):
                    try:
                        live.take(self._directory, entries[name])
                        break
                    except FileNotFoundError:  # replaced since our index: take the newer one
                        self._stamp = None
                        self.refresh()
                        entries = self._index.metrics if lives is self._metrics else self._index.system
        return live.series

    def _other_values(self) -> Iterator[tuple[int, str, Scalar]]:
        """Values that are no float64 but a table can hold."""
        for line in self._lines("other.jsonl", 0):
            value, key = line["value"], str(line["key"])
            if not isinstance(value, (list, dict)) and "of" not in line and not key.startswith("_"):
                yield int(line["step"]), key, cast(Scalar, value)

    def _lines(self, name: str, start: int) -> Iterator[dict[str, Any]]:
        """The lines of a JSON-lines file from byte `start` up to what the index counts."""
        end = self._index.bytes_of.get(name, 0)
        if end <= start:
            return
        with (self._directory / name).open("rb") as file:
            file.seek(start)
            for line in file.read(end - start).splitlines():
                yield cast(dict[str, Any], json.loads(line))


class _Live:
    """A series that was given out, and what of its column it has seen."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self._seen: ColumnEntry | None = None
        self._mapped: columns.Points | None = None

    def take(self, directory: Path, entry: ColumnEntry) -> None:
        """Extends the series to what the entry counts. Raises FileNotFoundError when its files are gone."""
        seen, mapped = self._seen, self._mapped
        if seen is not None and (seen.count, seen.rewritten) == (entry.count, entry.rewritten):
            return
        same_files = seen is not None and (seen.number, seen.generation) == (entry.number, entry.generation)
        if mapped is None or not same_files or entry.count > len(mapped[0]):
            mapped = columns.map_files(directory, entry)
        changed_from: int | None = None
        missed = entry.rewritten - (seen.rewritten if seen is not None else entry.rewritten)
        if missed:
            changed_from = min(entry.rewrites[-missed:]) if missed <= len(entry.rewrites) else 0
        self._seen, self._mapped = entry, mapped
        self.series.attach(*mapped, entry.count, changed_from)

    def forget(self) -> None:
        """Empties the series: the cache was begun anew."""
        self._seen = self._mapped = None
        empty = np.zeros(0)
        self.series.attach(np.zeros(0, dtype=np.int64), empty, empty, 0, 0)


def _by_step(media: Media) -> tuple[int, str]:
    return media.step, media.key
