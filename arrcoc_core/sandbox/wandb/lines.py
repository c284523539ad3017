"""The streams of lines that a run grows by: history, system metrics, console. Each line has its place.

A client says at which line what it sends begins, so that the same request a second time changes nothing. Rows of the
history carry a step by which they are found: a page of a long run costs what a page of a short one does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from arrcoc_core.sandbox.state import State

PIECE = 10_000
"""Rows that are read at once."""
LOOKED_AT = 4
"""Rows that are looked at for each that is wanted, before all of them are."""

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS lines (
        run INTEGER, stream TEXT, line INTEGER, step INTEGER, body TEXT, PRIMARY KEY (run, stream, line)
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS by_step ON lines (run, stream, step)",
    """CREATE TABLE IF NOT EXISTS metrics (
        run INTEGER, name TEXT, kind TEXT, count INTEGER, last TEXT, PRIMARY KEY (run, name, kind)
    ) WITHOUT ROWID""",
)


class Lines:
    def __init__(self, state: State) -> None:
        self._state = state
        for statement in _SCHEMA:
            state.run(statement)

    def write(self, run: int, stream: str, offset: int, content: Sequence[str]) -> None:
        """Lines `offset`, `offset + 1`, …; one that is there already is replaced."""
        rows, known = list[tuple[object, ...]](), self._known(run, stream, offset, offset + len(content))
        counts = dict[tuple[str, str], tuple[int, str]]()
        for line, body in enumerate(content, start=offset):
            step: Any = line
            if stream == "history":
                row = _row(body)
                step = row.get("_step")
                if line not in known:
                    _tally(row, counts)
            rows.append((run, stream, line, int(step) if isinstance(step, int | float) else line, body))
        self._state.many("INSERT OR REPLACE INTO lines VALUES (?, ?, ?, ?, ?)", rows)
        self._state.many(
            "INSERT INTO metrics VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (run, name, kind) DO UPDATE SET count = count + excluded.count, last = excluded.last",
            [(run, name, kind, count, last) for (name, kind), (count, last) in counts.items()],
        )

    def count(self, run: int, stream: str) -> int:
        """One more than the last line's place."""
        found = self._state.run("SELECT max(line) FROM lines WHERE run = ? AND stream = ?", run, stream)
        return 0 if found[0][0] is None else int(found[0][0]) + 1

    def last(self, run: int, stream: str) -> str | None:
        rows = self._state.run(
            "SELECT body FROM lines WHERE run = ? AND stream = ? ORDER BY line DESC LIMIT 1", run, stream
        )
        return str(rows[0][0]) if rows else None

    def last_step(self, run: int) -> int:
        """-1 without a row."""
        rows = self._state.run("SELECT max(step) FROM lines WHERE run = ? AND stream = 'history'", run)
        return -1 if rows[0][0] is None else int(rows[0][0])

    def between(self, run: int, stream: str, first: int, end: int) -> list[tuple[int, str]]:
        """(place, line) of the lines from `first` on and before `end`."""
        rows = self._state.run(
            "SELECT line, body FROM lines WHERE run = ? AND stream = ? AND line >= ? AND line < ? ORDER BY line",
            run,
            stream,
            first,
            end,
        )
        return [(int(line), str(body)) for line, body in rows]

    def sampled(self, run: int, stream: str, samples: int, low: int | None, high: int | None) -> list[str]:
        """What `low` <= step < `high` has, of more than `samples` lines only so many, evenly spread.

        That is what W&B answers: who wants every row asks for no more steps at once than samples.
        """
        first, end = self._places(run, stream, low, high)
        if end - first <= samples:
            return [body for _, body in self._of(run, stream, first, end, low, high)]
        return [body for place in _spread(first, end, samples) for body in self._at(run, stream, place)]

    def with_keys(
        self, run: int, keys: Sequence[str], samples: int, low: int | None, high: int | None
    ) -> list[dict[str, Any]]:
        """Of the rows of the history that have every key, those keys; spread like `sampled`.

        Of a long history some rows are looked at first; all of them only where too few of those have the keys.
        """
        first, end = self._places(run, "history", low, high)
        if end - first > LOOKED_AT * samples:
            places = _spread(first, end, LOOKED_AT * samples)
            bodies = (body for place in places for body in self._at(run, "history", place))
            found = _with(bodies, keys)
            if len(found) >= samples:
                return [found[place] for place in _spread(0, len(found), samples)]
        found = list[dict[str, Any]]()
        for start in range(first, end, PIECE):
            piece = self._of(run, "history", start, min(start + PIECE, end), low, high)
            found += _with((body for _, body in piece), keys)
        return found if len(found) <= samples else [found[place] for place in _spread(0, len(found), samples)]

    def metrics(self, run: int) -> dict[str, dict[str, Any]]:
        """Name -> what `historyKeys` says of it."""
        found: dict[str, dict[str, Any]] = {}
        for name, kind, count, last in self._state.run(
            "SELECT name, kind, count, last FROM metrics WHERE run = ? ORDER BY name, kind", run
        ):
            held = found.setdefault(
                name, {"typeCounts": [], "monotonic": True, "previousValue": _plain(json.loads(last))}
            )
            held["typeCounts"].append({"type": kind, "count": count})
        return found

    def cut(self, run: int, step: int) -> None:
        """Forget the history after that step."""
        self._state.run("DELETE FROM lines WHERE run = ? AND stream = 'history' AND step > ?", run, step)

    def delete(self, run: int) -> None:
        self._state.run("DELETE FROM lines WHERE run = ?", run)
        self._state.run("DELETE FROM metrics WHERE run = ?", run)

    def _places(self, run: int, stream: str, low: int | None, high: int | None) -> tuple[int, int]:
        """The places of the first line with a step in that range, and one after the last: two looks at the index."""
        select = "SELECT line FROM lines WHERE run = ? AND stream = ? AND step"
        first, end = 0, self.count(run, stream)
        if low is not None:
            rows = self._state.run(f"{select} >= ? ORDER BY step, line LIMIT 1", run, stream, low)
            first = int(rows[0][0]) if rows else end
        if high is not None:
            rows = self._state.run(f"{select} < ? ORDER BY step DESC, line DESC LIMIT 1", run, stream, high)
            end = int(rows[0][0]) + 1 if rows else 0
        return first, max(first, end)

    def _of(
        self, run: int, stream: str, first: int, end: int, low: int | None, high: int | None
    ) -> list[tuple[int, str]]:
        """Lines by place; the steps are looked at once more where a run has logged them out of order."""
        rows = self._state.run(
            "SELECT line, body FROM lines WHERE run = ? AND stream = ? AND line >= ? AND line < ? "
            "AND (? IS NULL OR step >= ?) AND (? IS NULL OR step < ?) ORDER BY line",
            *(run, stream, first, end, low, low, high, high),
        )
        return [(int(line), str(body)) for line, body in rows]

    def _at(self, run: int, stream: str, place: int) -> list[str]:
        rows = self._state.run("SELECT body FROM lines WHERE run = ? AND stream = ? AND line = ?", run, stream, place)
        return [str(row[0]) for row in rows]

    def _known(self, run: int, stream: str, first: int, end: int) -> set[int]:
        """The places in that range which have a line."""
        sql = "SELECT line FROM lines WHERE run = ? AND stream = ? AND line >= ? AND line < ?"
        return {int(row[0]) for row in self._state.run(sql, run, stream, first, end)}


def _row(body: str) -> dict[str, Any]:
    """A line of the history; NaN and infinities are W&B's own extension of JSON, which Python reads too."""
    try:
        held: Any = json.loads(body)
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _tally(row: dict[str, Any], counts: dict[tuple[str, str], tuple[int, str]]) -> None:
    for name, value in _flat(row):
        key = (name, _kind(value))
        last = json.dumps(value) if isinstance(value, int | float | str) else "null"
        counts[key] = (counts.get(key, (0, ""))[0] + 1, last)


def _with(bodies: Iterable[str], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Those keys of the rows that have all of them."""
    rows = (_row(body) for body in bodies)
    return [{key: _plain(row[key]) for key in keys} for row in rows if all(row.get(key) is not None for key in keys)]


def _flat(row: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested values by dotted names; what W&B stores as a media or histogram object is one value."""
    found: list[tuple[str, Any]] = []
    for name, value in row.items():
        if isinstance(value, dict) and "_type" not in value:
            found += _flat(value, f"{prefix}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            found.append((f"{prefix}{name}", value))  # pyright: ignore[reportUnknownArgumentType]
    return found


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinities: here they are words."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("_type", "map"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    if isinstance(value, bool | str):
        return "boolean" if isinstance(value, bool) else "string"
    return "number" if isinstance(value, int | float) else "nil" if value is None else "list"


def _spread(first: int, end: int, samples: int) -> list[int]:
    """`samples` places from `first` up to `end`, the first and the last among them."""
    if samples <= 1:
        return [first] if samples == 1 else []
    return [first + round(number * (end - 1 - first) / (samples - 1)) for number in range(samples)]
