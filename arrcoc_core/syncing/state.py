"""How the upload of a run to W&B stands: told line by line while it goes on, and kept as `sync.json` in its folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from arrcoc_core.targets.local import read_json

FILE = "sync.json"


@dataclass(frozen=True, slots=True)
class Sync:
    state: str = "looking"
    """"looking" (what is there?), "uploading", "checking" (has all arrived?), "done", "failed"."""
    path: str = ""
    """entity/project/run id."""
    url: str = ""
    """Its page."""
    server: str = ""
    rows: int = 0
    """Rows of this run that the server has."""
    total: int = 0
    """Rows that were logged: distinct steps."""
    sent: int = 0
    """Rows that this upload has sent or will send."""
    appended: int = 0
    """Rows among them that W&B could only take at the end: their `trainer/step` is true, their `_step` is not."""
    files: int = 0
    """Pictures and other files sent."""
    rows_per_s: float | None = None
    left_s: float | None = None
    detail: str = ""
    """One message: what is wrong, or worth knowing."""
    remedy: str = ""
    size: int = 0
    """Bytes of the run's `.wandb` files when it was done,"""
    console: int = 0
    """and pieces of console output that were there,"""
    system: int = 0
    """and samples of system metrics."""

    @property
    def fraction(self) -> float | None:
        """0 to 1; None while it is not known how many rows there are."""
        return min(1.0, self.rows / self.total) if self.total else None

    @property
    def complete(self) -> bool:
        return self.state == "done"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def but(self, **changes: Any) -> Sync:
        return replace(self, **changes)


def sync_of(held: dict[str, Any]) -> Sync:
    """From what was told or kept; fields that are not known are left out."""
    return Sync(**{name: value for name, value in held.items() if name in Sync.__dataclass_fields__})


def read_sync(directory: Path) -> Sync | None:
    """What the last complete upload of the run came to; None where there was none."""
    held = read_json(directory / FILE)
    return None if held is None else sync_of(held)


def write_sync(directory: Path, done: Sync) -> None:
    partial = directory / f"{FILE}.{os.getpid()}.partial"
    partial.write_text(json.dumps(done.to_json(), indent=1), encoding="utf-8")
    os.replace(partial, directory / FILE)


def logged_size(directory: Path) -> int:
    """Bytes of the run's `.wandb` files."""
    return sum(path.stat().st_size for path in _files(directory))


def is_offline(directory: Path) -> bool:
    """Whether some attempt of the run was logged to files only."""
    return any(path.parent.name.startswith("offline-run-") for path in _files(directory))


def _files(directory: Path) -> list[Path]:
    from arrcoc_core.metrics.segments import find_segments

    return [directory / segment.path for segment in find_segments(directory, [])]
