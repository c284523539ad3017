"""The `.wandb` files of a run, in the order in which its attempts began.

Each attempt of a run has its own `wandb.init` and with it its own file (`offline-run-<time>-<id>/run-<id>.wandb`,
or `run-<time>-<id>/` online). They belong together by the run id at the head of each file; a folder that holds
files of several ids is read for the id of the newest.
"""

from __future__ import annotations

from pathlib import Path

from arrcoc_core.errors import MetricsError
from arrcoc_core.metrics import records
from arrcoc_core.metrics.framing import read_batch
from arrcoc_core.metrics.index import SegmentEntry

_PATTERNS = ("wandb/wandb/*run-*/run-*.wandb", "wandb/*run-*/run-*.wandb", "*run-*/run-*.wandb", "run-*.wandb")
_HEAD_BYTES = 64 * 1024


def find_segments(run_dir: Path, known: list[SegmentEntry]) -> list[SegmentEntry]:
    """The entries of `known` and one for each file that is new and whose head can be read, oldest first."""
    entries = {entry.path: entry for entry in known}
    for pattern in _PATTERNS:
        paths = sorted(run_dir.glob(pattern))
        for path in paths:
            relative = path.relative_to(run_dir).as_posix()
            if relative not in entries and not path.parent.is_symlink():
                entry = _read_head(path, relative)
                if entry is not None:
                    entries[relative] = entry
        if paths:
            break
    ordered = sorted(entries.values(), key=lambda entry: (entry.start, entry.path))
    return [entry for entry in ordered if entry.run_id == ordered[-1].run_id]


def _read_head(path: Path, relative: str) -> SegmentEntry | None:
    """None while the run record is not there yet."""
    with path.open("rb") as file:
        batch = read_batch(file, 0, _HEAD_BYTES)
        for i in range(len(batch)):
            record = batch.record(i)
            kind, start, end = records.kind_of(record)
            if kind == records.RUN:
                info = records.run_info(record, start, end)
                if not info.run_id:
                    raise MetricsError(f"{path} holds a run without an id", remedy="Remove this file.")
                return SegmentEntry(relative, info.run_id, info.start)
    return None
