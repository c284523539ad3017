"""The protobuf records of a `.wandb` file, decoded by hand: importing wandb's own messages loads all of wandb.

Only what the metrics need is known here (field numbers from `wandb/proto/wandb_internal.proto` of 0.31):

    Record      2 history   7 stats   13 output_raw   17 run   18 exit   (others are skipped by their tag)
    History     1 item*     2 step
    HistoryItem 1 key       2 nested_key*   16 value_json (JSON text)
    Stats       2 timestamp 3 item*         StatsItem 1 key  16 value_json
    OutputRaw   1 type (0 stderr, 1 stdout) 2 timestamp  3 line
    Run         1 run_id    4 config        17 start_time     Config 1 update*  ConfigItem 1 key  16 value_json
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from arrcoc_core.errors import MetricsError

HISTORY, STATS, OUTPUT_RAW, RUN, EXIT = 2, 7, 13, 17, 18
_KINDS = frozenset({HISTORY, STATS, OUTPUT_RAW, RUN, EXIT})
_SUMMARY = 3


@dataclass(frozen=True)
class Output:
    """One write to the console, as it came: a piece of a line, a line, or several."""

    time: float
    stream: str  # "stdout" or "stderr"
    text: str


@dataclass(frozen=True)
class RunInfo:
    """The run record at the head of a file."""

    run_id: str
    start: float  # unix seconds
    config: dict[str, Any] = field(default_factory=dict[str, Any])


def fields(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """(field number, start, end, value) of each field: the span of a length-delimited one, the value of a number.

    Raises MetricsError when the bytes are no protobuf message.
    """
    stop = len(data) if end is None else end
    position = start
    try:
        while position < stop:
            tag, position = _varint(data, position)
            wire = tag & 7
            if wire == 2:
                length, position = _varint(data, position)
                if position + length > stop:
                    raise MetricsError(f"a field of {length} bytes overruns its record")
                yield tag >> 3, position, position + length, 0
                position += length
            elif wire == 0:
                value, position = _varint(data, position)
                yield tag >> 3, position, position, value
            elif wire in (1, 5):
                position += 8 if wire == 1 else 4
                yield tag >> 3, position, position, 0
            else:
                raise MetricsError(f"unknown wire type {wire} in a record")
    except IndexError as error:
        raise MetricsError("a record ends inside a number") from error


def kind_of(record: bytes) -> tuple[int, int, int]:
    """(kind, start, end) of the message that a record holds; kind 0 for those that nobody here reads."""
    for number, start, end, _ in fields(record):
        if number in _KINDS:
            return number, start, end
        if number == _SUMMARY:
            break
    return 0, 0, 0


def history_items(record: bytes, start: int, end: int) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(key path, value) of each item of a history message; the value as JSON: NaN and infinities are floats."""
    for number, item_start, item_end, _ in fields(record, start, end):
        if number == 1:
            yield _item(record, item_start, item_end)


def stats(record: bytes, start: int, end: int) -> tuple[float, dict[str, Any]]:
    """(unix seconds, value by name) of one sample of the system metrics."""
    time, values = 0.0, dict[str, Any]()
    for number, a, b, _ in fields(record, start, end):
        if number == 2:
            time = _timestamp(record, a, b)
        elif number == 3:
            path, value = _item(record, a, b)
            values[".".join(path)] = value
    return time, values


def output(record: bytes, start: int, end: int) -> Output:
    """One console write."""
    time, stream, text = 0.0, "stderr", ""
    for number, a, b, value in fields(record, start, end):
        if number == 1:
            stream = "stdout" if value == 1 else "stderr"
        elif number == 2:
            time = _timestamp(record, a, b)
        elif number == 3:
            text = record[a:b].decode("utf-8", "replace")
    return Output(time, stream, text)


def run_info(record: bytes, start: int, end: int) -> RunInfo:
    """Id, start time and configuration of the run."""
    run_id, begun, config = "", 0.0, dict[str, Any]()
    for number, a, b, _ in fields(record, start, end):
        if number == 1:
            run_id = record[a:b].decode("utf-8", "replace")
        elif number == 17:
            begun = _timestamp(record, a, b)
        elif number == 4:
            for update, c, d, _ in fields(record, a, b):
                if update == 1:
                    path, value = _item(record, c, d)
                    config[".".join(path)] = value
    return RunInfo(run_id, begun, config)


def _item(record: bytes, start: int, end: int) -> tuple[tuple[str, ...], Any]:
    """Key path and JSON value of a HistoryItem, StatsItem or ConfigItem; text that is no JSON stays text."""
    path: list[str] = []
    value: Any = None
    for number, a, b, _ in fields(record, start, end):
        if number in (1, 2):
            path.append(record[a:b].decode("utf-8", "replace"))
        elif number == 16:
            text = record[a:b].decode("utf-8", "replace")
            try:
                value = json.loads(text)
            except ValueError:
                value = text
    return tuple(path), value


def _timestamp(record: bytes, start: int, end: int) -> float:
    seconds = nanoseconds = 0
    for number, _, _, value in fields(record, start, end):
        if number == 1:
            seconds = value
        elif number == 2:
            nanoseconds = value
    return seconds + nanoseconds * 1e-9


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
