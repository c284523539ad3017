"""A colour per run that stays: the same run has the same colour in every chart, list and session.

A colour is an index into the theme's colour-blind-safe series palette (so it follows light and dark). A run
seen for the first time gets the colour that the fewest of the most recent runs have; after that it never
changes, whatever is hidden, filtered or added. The table lives in the state directory as JSON, holds the
last `REMEMBERED` runs, and is replaced atomically; a damaged or missing table only means new colours.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

PALETTE_SIZE = 10
REMEMBERED = 5000
RECENT = 30

_log = logging.getLogger(__name__)


class RunColours:
    """Palette indices by run id, kept in `file`."""

    def __init__(self, file: Path, size: int = PALETTE_SIZE) -> None:
        self._file = file
        self._size = size
        self._index: dict[str, int] = _read(file, size)

    def assign(self, run_ids: Iterable[str]) -> bool:
        """Give each run that has no colour yet one (pass oldest first). Returns whether anything was new."""
        new = [run_id for run_id in run_ids if run_id not in self._index]
        for run_id in new:
            self._index[run_id] = self._least_used()
        return bool(new)

    def index(self, run_id: str) -> int:
        """The palette index of a run, assigned on first sight."""
        self.assign([run_id])
        return self._index[run_id]

    def save(self) -> None:
        """Replace the table on disk. Raises OSError when the state directory cannot be written."""
        kept = dict(list(self._index.items())[-REMEMBERED:])
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        temporary.write_text(json.dumps(kept), encoding="utf-8")
        temporary.replace(self._file)

    def _least_used(self) -> int:
        used = Counter(list(self._index.values())[-RECENT:])
        return min(range(self._size), key=lambda index: (used[index], index))


def _read(file: Path, size: int) -> dict[str, int]:
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _log.warning("Run colours in %s could not be read (%s); new ones are given.", file, error)
        return {}
    if not isinstance(table, dict):
        return {}
    return {key: value % size for key, value in table.items() if isinstance(value, int)}
