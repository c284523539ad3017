"""What discovery remembers between two calls: one JSON file of reports, each valid for the contents it was made from.

Kept are reports without an error, and errors that only the contents decide (a wrong value, a syntax error). A missing
module may be installed a minute later, so such a file is loaded again each time; one that ran out of time is spared
for ten minutes, because asking again costs the whole limit.

The file is written only where there is a state directory already. Before the first launch, and where it cannot be
written, this process alone remembers: looking at experiments leaves nothing behind.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from arrcoc_core.encoding import Plain

TIMED_OUT_FOR_S = 600.0


class Cache:
    """Reports by file, read once and written whole. A damaged cache file is an empty one."""

    def __init__(self, file: Path, root: Path, version: str) -> None:
        self._file = file
        self._root = root
        self._version = version
        self._records = self._load()

    def get(self, file: Path, timeout_s: float) -> Plain | None:
        """The report on a file as it is now, or None where it has to be loaded."""
        record = self._records.get(str(file))
        if record is None or record["key"] != self._key(file, record["report"]["depends"]):
            return None
        if record["report"].get("timed_out") and (
            record["timeout_s"] < timeout_s or time.time() - record["at"] > TIMED_OUT_FOR_S
        ):
            return None
        return record["report"]

    def put(self, file: Path, report: Plain, timeout_s: float, started: float) -> None:
        """Remember a report, if only the contents of files decided it, and those have not changed since `started`."""
        error = report["error"]
        lasting = not error or error["lasting"] or report.get("timed_out")
        if not lasting or any(_modified(path) >= started for path in self._inputs(file, report["depends"])):
            self._records.pop(str(file), None)
            return
        key = self._key(file, report["depends"])
        self._records[str(file)] = {"key": key, "report": report, "timeout_s": timeout_s, "at": time.time()}

    def save(self, files: Iterable[Path]) -> None:
        """Write the records of `files`; others have been deleted."""
        kept = {str(file): self._records[str(file)] for file in files if str(file) in self._records}
        _remembered[self._file] = {"version": self._version, "records": kept}
        if not self._file.parent.parent.is_dir():
            return
        partial = self._file.with_name(f"{self._file.name}.{os.getpid()}.{time.monotonic_ns()}.partial")
        try:
            self._file.parent.mkdir(exist_ok=True)
            partial.write_text(json.dumps(_remembered[self._file]), encoding="utf-8")
            os.replace(partial, self._file)
        except OSError:
            partial.unlink(missing_ok=True)

    def _load(self) -> dict[str, dict[str, Any]]:
        try:
            stored = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            stored = _remembered.get(self._file, {})
        return dict(stored["records"]) if stored.get("version") == self._version else {}

    def _inputs(self, file: Path, depends: Iterable[str]) -> list[Path]:
        return sorted({file, *(self._root / name for name in depends)})

    def _key(self, file: Path, depends: Iterable[str]) -> str:
        whole = hashlib.sha256()
        for path in self._inputs(file, depends):
            try:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                content = f"unreadable {error.errno}"
            whole.update(f"{path}\0{content}\n".encode())
        return whole.hexdigest()


_remembered: dict[Path, dict[str, Any]] = {}
"""Cache file -> what it would hold."""


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
