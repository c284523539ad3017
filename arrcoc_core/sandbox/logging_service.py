"""Cloud Logging v2: reading entries with a filter, in order, by pages. Nobody writes over the API here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.filters import FieldPath, parse_filter
from arrcoc_core.sandbox.logbook import Entry, LogBook
from arrcoc_core.sandbox.service import Call, Service, plain

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

_JOB = re.compile(r'resource\.labels\.job_id\s*=\s*"?(\d+)"?')
_REPEATED = 97
"""Every so many entries, one comes twice: readers know entries by their insert id."""


class Logs(Service):
    name = "logging"
    api = "logging.googleapis.com"
    clients = ("google.cloud.logging_v2.services.logging_service_v2:LoggingServiceV2Client",)
    grpc = ("google.logging.v2.LoggingServiceV2",)

    def __init__(self, box: Box) -> None:
        super().__init__(box)
        self.book = LogBook(box.data("logging"), box.clock)

    def stop(self) -> None:
        self.book.close()

    def kill(self) -> None:
        self.book.close()

    def list_log_entries(self, request: Any, call: Call) -> Any:
        from google.cloud.logging_v2.types import ListLogEntriesResponse

        if not request.resource_names:
            raise ApiError(
                "INVALID_ARGUMENT", "resource_names is required", violations=[("resource_names", "required")]
            )
        if request.order_by not in ("", "timestamp asc", "timestamp desc"):
            raise ApiError("INVALID_ARGUMENT", f"Invalid order_by: {request.order_by}")
        matches = parse_filter(request.filter)
        first, moment = self._position(request.page_token)
        job = _JOB.search(request.filter)
        alone = job is not None and " OR " not in request.filter and "NOT " not in request.filter
        held = self.book.read(seen_by=moment, job=job[1] if job and alone else None)
        projects = {name.removeprefix("projects/") for name in request.resource_names}
        found = [
            row for row in held if _project(row[0]) in projects and matches(lambda path, row=row: _field(path, *row))
        ]
        if request.order_by == "timestamp desc":
            found.reverse()
        size = min(request.page_size or 50, 1000)
        rows = found[first : first + size]
        token = f"{moment!r}/{first + size}" if first + size < len(found) else ""
        twice = [row for number, row in enumerate(rows) for _ in range(2 if number % _REPEATED == _REPEATED - 1 else 1)]
        return ListLogEntriesResponse(entries=[_message(*row) for row in twice], next_page_token=token)

    def _position(self, token: str) -> tuple[int, float]:
        """Which entry comes first, and when the first page was read: later pages show that moment."""
        if not token:
            return 0, self.box.clock.now()
        moment, _, first = token.partition("/")
        try:
            return int(first), float(moment)
        except ValueError:
            raise ApiError("INVALID_ARGUMENT", "page_token is invalid") from None


def _project(entry: Entry) -> str:
    return str(entry.body["logName"]).split("/")[1]


def _field(path: FieldPath, entry: Entry, seen: float) -> Sequence[str]:
    if path == ("timestamp",):
        return [_written(entry.at)]
    if path == ("receiveTimestamp",):
        return [_written(seen)]
    if path == ("insertId",):
        return [entry.insert_id]
    value: Any = entry.body
    names = list(path)
    while names:
        if not isinstance(value, dict):
            return []
        value = value.get(names.pop(0))  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return [] if value is None else [str(value)]  # pyright: ignore[reportUnknownArgumentType]


def _message(entry: Entry, seen: float) -> Any:
    from google.cloud.logging_v2.types import LogEntry
    from google.protobuf import json_format

    body = {
        **entry.body,
        "insertId": entry.insert_id,
        "timestamp": _written(entry.at),
        "receiveTimestamp": _written(seen),
    }
    made: Any = LogEntry()
    json_format.ParseDict(body, plain(made))
    return made


def _written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
