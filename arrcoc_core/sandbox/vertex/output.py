"""From what a job's machines print to entries of Cloud Logging, as Vertex AI's agent writes them.

A line of standard output is INFO, one of standard error is ERROR. How far each file was read stands in the job's
record, so that a restart neither loses nor repeats a line.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.logbook import Entry, LogBook

if TYPE_CHECKING:
    from arrcoc_core.sandbox.vertex.replicas import Replica

_LONGEST_LINE = 64 * 1024
_AT_ONCE = 1 << 20


def read_output(
    book: LogBook, job_id: str, project: str, replica: Replica, read: dict[str, int], now: float, *, whole: bool
) -> bool:
    """Put new lines of a machine into the book; `read` is moved on. `whole`: a last line without its end, too.

    Whether there was anything.
    """
    entries = list[Entry]()
    machine = job_id[-8:] + "".join(Path(replica.folder).parts[-2:])  # which start of the job, which machine
    for name, severity in (("stdout", "INFO"), ("stderr", "ERROR")):
        path, key = Path(replica.folder) / name, f"{replica.task} {name}"
        at = read.get(key, 0)
        if not path.exists() or path.stat().st_size <= at:
            continue
        with path.open("rb") as file:
            file.seek(at)
            data = file.read(_AT_ONCE)
        end = data.rfind(b"\n") + 1
        if end == 0 and (whole or len(data) >= _LONGEST_LINE):
            end = len(data)
        for line in data[:end].splitlines(keepends=True):
            text = line.decode("utf-8", errors="replace").rstrip("\r\n")
            if text:
                insert_id = f"{machine}{name[3:]}{at:09d}"
                entries.append(ml_entry(insert_id, job_id, project, replica.task, text, severity, now))
            at += len(line)
        read[key] = at
    # Lines read together were printed together; their order is kept in the microseconds.
    book.write([entry._replace(at=entry.at + number * 1e-6) for number, entry in enumerate(entries)])
    return bool(entries)


def ml_entry(insert_id: str, job_id: str, project: str, task: str, text: str, severity: str, at: float) -> Entry:
    body: dict[str, Any] = {
        "logName": f"projects/{project}/logs/{task if task != 'service' else 'ml.googleapis.com%2F' + job_id}",
        "resource": {"type": "ml_job", "labels": {"job_id": job_id, "task_name": task, "project_id": project}},
        "labels": {
            "ml.googleapis.com/job_id": job_id,
            "ml.googleapis.com/job_id/log_area": "root",
            "ml.googleapis.com/task_name": task,
        },
        "severity": severity,
    }
    if task == "service":
        body["textPayload"] = text
    else:
        body["jsonPayload"] = {"message": text, "levelname": severity, "attrs": {"tag": task}}
    return Entry(insert_id, at, body)
