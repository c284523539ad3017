"""An attempt's log in the run's folder, from two sources that each may lag or break off.

Cloud Logging has every line, up to some minutes late and not always in order: it is polled from `OVERLAP_S` before the
newest line, and what was there already is known by its insert_id. The job itself streams its log too (mirrored as
`logs/attempt-<n>.job.log`), within seconds, and loses the last lines when its machine is taken away. As long as the
streamed log goes on from what `logs/attempt-<n>.log` holds, that grows by it; at the end the last lines come from
Cloud Logging.

How far the file has got is kept beside it; what a killed process wrote beyond that is cut off and read again.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from arrcoc_core.cloud.calling import call, translated
from arrcoc_core.targets.local import log_path

if TYPE_CHECKING:
    from arrcoc_core.cloud.clients import Cloud
    from arrcoc_core.targets.vertex_services import JobView, Services

OVERLAP_S = 300.0
EVERY_S = 5.0
"""Cloud Logging answers sixty such questions a minute for a whole project."""
PATIENCE_S = 5.0
STREAMED_LOG = ".job.log"
CHIEF = "workerpool0-0"
SERVICE = "service"


class LogLine(NamedTuple):
    insert_id: str
    at: float
    text: str
    task: str = CHIEF
    """"workerpool1-0", …; "service": Vertex itself."""


class AttemptLog:
    """Brings one attempt's log up to date; made anew after a restart."""

    def __init__(self, directory: Path, n: int) -> None:
        self._path = log_path(directory, n)
        self._streamed = self._path.with_suffix(STREAMED_LOG)
        self._kept = self._path.with_name(f".attempt-{n}.json")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        held: dict[str, Any] = json.loads(self._kept.read_text(encoding="utf-8")) if self._kept.exists() else {}
        self._size = int(held.get("bytes", 0))
        self._ids: dict[str, float] = dict(held.get("ids", {}))
        self._asked = float("-inf")
        if self._path.exists() and self._path.stat().st_size > self._size:
            os.truncate(self._path, self._size)

    def update(self, services: Services, job: JobView, *, ended: bool = False) -> bool:
        """Append what is new; whether there was anything. CloudError when Cloud Logging cannot be read."""
        grown = self._append(self._from_stream())
        if not ended and time.monotonic() - self._asked < EVERY_S:
            return grown
        self._asked = time.monotonic()
        newest = max(self._ids.values(), default=job.created_at)
        lines = services.log(job.id, newest - OVERLAP_S)
        spoken = [line for line in lines if line.task != SERVICE]
        fresh = [line for line in spoken if line.insert_id not in self._ids]
        self._ids |= {line.insert_id: line.at for line in fresh}
        if self._is_streamed():
            fresh = self._after_last(spoken) if ended else []
        elif ended and not self._size and not fresh:
            fresh = lines  # no trainer has said a word: what the service says is all there is
        return self._append("".join(f"{_told(line)}\n" for line in fresh).encode()) or grown

    def _append(self, data: bytes) -> bool:
        if data:
            with self._path.open("ab") as file:
                file.write(data)
            self._size += len(data)
        self._keep()
        return bool(data)

    def _keep(self) -> None:
        oldest = max(self._ids.values(), default=0.0) - 2 * OVERLAP_S
        self._ids = {name: at for name, at in self._ids.items() if at >= oldest}
        text = json.dumps({"bytes": self._size, "ids": self._ids})
        if not self._kept.exists() or self._kept.read_text(encoding="utf-8") != text:
            partial = self._kept.with_name(f"{self._kept.name}.partial")
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, self._kept)

    def _from_stream(self) -> bytes:
        """What the streamed log has beyond the file, in whole lines."""
        if not self._is_streamed():
            return b""
        data = self._streamed.read_bytes()
        return data[self._size : data.rfind(b"\n") + 1]

    def _is_streamed(self) -> bool:
        """Whether the streamed log begins with all that the file holds, or the file with all that it holds."""
        if not self._streamed.exists():
            return False
        here = self._path.read_bytes() if self._path.exists() else b""
        there = self._streamed.read_bytes()
        whole = there[: there.rfind(b"\n") + 1]
        return bool(whole) and (there.startswith(here) or here.startswith(whole))

    def _after_last(self, lines: list[LogLine]) -> list[LogLine]:
        """Those of the lines that come after the file's last one."""
        written = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        if not written:
            return lines
        for position in range(len(lines) - 1, -1, -1):
            if _told(lines[position]) == written[-1]:
                return lines[position + 1 :]
        return []


def read_entries(cloud: Cloud, job: str, since: float) -> list[LogLine]:
    """What the job of this id has logged since then, oldest first."""
    moment = datetime.fromtimestamp(since, UTC).isoformat().replace("+00:00", "Z")
    request = {
        "resource_names": [f"projects/{cloud.project}"],
        "filter": f'resource.type="ml_job" AND resource.labels.job_id="{job}" AND timestamp>="{moment}"',
        "order_by": "timestamp asc",
        "page_size": 1000,
    }
    found: Any = call(cloud.logs().list_log_entries, request=request, patience_s=PATIENCE_S)
    with translated("reading the log"):  # later pages are fetched while it is read
        return [_line(entry) for entry in found]


def _line(entry: Any) -> LogLine:
    payload: Any = entry.json_payload
    text = str(payload["message"]) if payload is not None and "message" in payload else str(entry.text_payload)
    task = str(entry.resource.labels.get("task_name", CHIEF))
    return LogLine(str(entry.insert_id), entry.timestamp.timestamp(), text.rstrip("\n"), task)


def _told(line: LogLine) -> str:
    return line.text if line.task == CHIEF else f"[{line.task}] {line.text}"
