"""`ingest(run_dir)`: reads what is new in a run's `.wandb` files into its column cache, `RUN/metrics/`.

One writer at a time, by a lock on `RUN/metrics/lock`; whoever waited finds the work done and reads on from
there. The lock is given back after each batch (some 12,000 records), so a long first read keeps nobody waiting.
The cache can be deleted at any time: it is made again from the files.

    index.json     what is read and counted (arrcoc_core/metrics/index.py)
    0000.0.step …  columns (arrcoc_core/metrics/columns.py)
    media.jsonl    {"step", "time", "key", "path", "caption"}; the path is relative to the run directory
    other.jsonl    {"step", "key", "value"}: values that are no float64; with "of", a part of that object
    console.jsonl  {"time", "stream", "text"}

A row's key is `trainer/step`, or wandb's own `_step` where a row has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arrcoc_core.metrics import index, records
from arrcoc_core.metrics.cache import DIRECTORY, CacheWriter, begin_anew, disk_errors, locked, steps_of
from arrcoc_core.metrics.framing import Batch, read_batch
from arrcoc_core.metrics.index import Index, SegmentEntry
from arrcoc_core.metrics.rows import Keys, decode
from arrcoc_core.metrics.segments import find_segments

_OWN_KEYS = ("_step", "_timestamp", "_runtime")  # wandb adds them to each row


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
    with disk_errors(directory), locked(directory, wait_s) as held:
        if not held:
            state = index.load(directory) or Index()
            return IngestResult(steps=steps_of(state), busy=True), False
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
            writer = _SegmentWriter(directory, state, segment, overwrite=not later)
            result = writer.write(batch)
            writer.commit()
            return result, not batch.at_end or position + 1 < len(state.segments)
        return IngestResult(steps=steps_of(state), done=_done(state)), False


class _SegmentWriter(CacheWriter):
    """Writes the content of one batch of one segment into the cache and the counts into the index."""

    def __init__(self, directory: Path, state: Index, segment: SegmentEntry, *, overwrite: bool) -> None:
        super().__init__(directory, state)
        self.segment = segment
        self.overwrite = overwrite

    def write(self, batch: Batch) -> IngestResult:
        state, segment = self.state, self.segment
        rows, others = decode(batch, Keys([*state.metrics, *_OWN_KEYS]))
        changed, media = self.write_rows(
            rows,
            files=Path(segment.path).parent / "files",
            start=segment.start,
            counted=segment.rows,
            overwrite=self.overwrite,
        )
        console = self._write_others(batch, others)
        segment.offset = batch.next_offset
        segment.rows += rows.count
        state.damaged += batch.damaged
        return IngestResult(rows.count, steps_of(state), changed, media, console, done=_done(state))

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
        self.write_system(system)
        self.append("console.jsonl", console)
        return len(console)


def _open_index(run_dir: Path, directory: Path) -> Index:
    """The index, or a new one where there is none or the files it speaks of have changed under it."""
    state = index.load(directory)
    if state is not None:
        paths = [(run_dir / segment.path, segment.offset) for segment in state.segments]
        if all(path.exists() and path.stat().st_size >= offset for path, offset in paths):
            return state
    return begin_anew(directory)


def _done(state: Index) -> bool:
    return bool(state.segments) and state.segments[-1].exited
