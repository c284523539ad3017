"""Rows as a W&B server gives them (a line of JSON each) as the arrays that the column cache takes.

A row ends as the same points as in the `.wandb` file it came from: nested objects become dotted names, numbers float64,
everything else keeps its JSON value. JSON has no NaN: servers send the bare words NaN, Infinity, -Infinity, or put them
in quotes, so those three words are numbers here whichever way they come.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np

from arrcoc_core.errors import MetricsError
from arrcoc_core.metrics.rows import EXACT, Rows, is_exact, is_number

_WORDS: Mapping[str, float] = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_SYSTEM_PREFIX = "system."


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One row, with what tells it from others."""

    step: int
    """`_step`, which the server sorts by."""
    time: float
    """`_timestamp`, unix seconds; 0 where the row has none."""
    values: dict[str, Any]


def parse_rows(lines: Sequence[Any]) -> list[HistoryRow]:
    """Rows in the server's order. MetricsError where a line is no row."""
    rows: list[HistoryRow] = []
    for line in lines:
        values = _object(line)
        step, time = values.get("_step"), values.get("_timestamp")
        if not isinstance(step, int):
            if not isinstance(step, float) or not step.is_integer():
                raise MetricsError(f"W&B sent a row without a step: {str(line)[:100]}")
            step = int(step)
        rows.append(HistoryRow(step, float(time) if isinstance(time, (int, float)) else 0.0, values))
    return rows


def as_columns(rows: Sequence[HistoryRow]) -> Rows:
    """The rows in the form in which the column cache takes them."""
    columns: dict[str, tuple[list[int], list[float]]] = {}
    decoded = Rows(count=len(rows))
    for i, row in enumerate(rows):
        for key, value in row.values.items():
            # Nearly everything is a plain number under a plain key. (A dotted one may be spelled in two ways.)
            if (type(value) is float or (type(value) is int and -EXACT <= value <= EXACT)) and "." not in key:
                column = columns.get(key)
                if column is None:
                    column = columns[key] = [], []
                column[0].append(i)
                column[1].append(value)
            else:
                _take_any(i, key, value, columns, decoded)
    for name, (where, numbers) in columns.items():
        decoded.numbers[name] = np.array(where, dtype=np.int64), np.array(numbers, dtype=np.float64)
    return decoded


def _take_any(i: int, key: str, value: Any, columns: dict[str, tuple[list[int], list[float]]], decoded: Rows) -> None:
    """One value of row i, whatever it is."""
    for path, inner in _flat({key: value}, ()):
        if is_number(inner):
            where, numbers = columns.setdefault(".".join(path), ([], []))
            if where and where[-1] == i:  # another spelling of the name: the last counts
                numbers[-1] = float(inner)
            else:
                where.append(i)
                numbers.append(float(inner))
        if not is_exact(inner):
            decoded.other.append((i, path, inner))


def parse_events(lines: Sequence[Any]) -> dict[str, list[tuple[float, float]]]:
    """Points (unix seconds, value) of system metrics, by the names in the `.wandb` file: "cpu" for "system.cpu"."""
    system: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        values = _object(line)
        time = values.get("_timestamp")
        if not isinstance(time, (int, float)):
            continue
        for path, value in _flat(values, ()):
            name = ".".join(path)
            if not name.startswith("_") and is_number(value):
                system.setdefault(name.removeprefix(_SYSTEM_PREFIX), []).append((float(time), float(value)))
    return system


def tail_lines(text: Any) -> list[Any]:
    """The newest lines of a stream (`historyTail`, `eventsTail`): a JSON list of lines, each JSON itself."""
    held: Any = json.loads(text) if isinstance(text, str) and text else text
    return cast(list[Any], held) if isinstance(held, list) else []


def seconds_of(text: str) -> float:
    """Unix seconds of a time as W&B writes it: ISO 8601, in UTC where no zone is named. 0 for what is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def parse_object(text: Any) -> dict[str, Any]:
    """A JSON object that came as text, or as itself, or not at all."""
    return _object(text) if text else {}


def nodes_of(connection: Any) -> list[dict[str, Any]]:
    """The nodes of a page of GraphQL's."""
    held: dict[str, Any] = connection or {}
    edges: list[dict[str, Any]] = held.get("edges") or []
    return [edge["node"] for edge in edges]


def plain_config(text: Any) -> dict[str, Any]:
    """The configuration as it was given to `wandb.init`: without W&B's own entries and its {"value": …} around each."""
    held = parse_object(text)
    return {key: _unwrapped(value) for key, value in held.items() if key not in ("_wandb", "wandb_version")}


def numbers_of(summary: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a summary by dotted name; without W&B's own, and without what describes pictures and tables."""
    found: dict[str, float] = {}
    described = {path[:-1] for path, _ in _flat(dict(summary), ()) if path[-1] == "_type"}
    for path, value in _flat(dict(summary), ()):
        if not path[0].startswith("_") and path[:-1] not in described and is_number(value):
            found[".".join(path)] = float(value)
    return found


def flat_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted path, lists as tuples: as `ResolvedExperiment.values` gives those of an experiment."""
    return {
        ".".join(path): tuple(cast(list[Any], value)) if isinstance(value, list) else value
        for path, value in _flat(dict(config), ())
    }


def _unwrapped(value: Any) -> Any:
    return cast(dict[str, Any], value).get("value", cast(Any, value)) if isinstance(value, dict) else value


def _object(line: Any) -> dict[str, Any]:
    try:
        held: Any = json.loads(line) if isinstance(line, (str, bytes)) else line
    except ValueError as error:
        raise MetricsError(f"W&B sent something that is no JSON: {str(line)[:100]}") from error
    if not isinstance(held, dict):
        raise MetricsError(f"W&B sent something that is no row: {str(line)[:100]}")
    return cast(dict[str, Any], held)


def _flat(values: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        path = (*above, key)
        if isinstance(value, dict):
            yield from _flat(cast(dict[str, Any], value), path)
        elif isinstance(value, str):
            yield path, _WORDS.get(value, value)
        else:
            yield path, value
