"""Filters of list methods, as Vertex, Cloud Build and Logging read them.

    matches = parse_filter('tags="a" AND status="WORKING"')
    matches(lambda path: ["a", "b"] if path == ("tags",) else [])

Two expressions side by side are joined by AND, as in Logging. A comparison holds when it holds for one of the field's
values; `field:*` asks whether there is any; `field:text` looks for the text inside, whatever its case. Times and
severities compare in their own order. Not served: functions, global text search.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from arrcoc_core.sandbox.errors import ApiError

FieldPath = tuple[str, ...]
Lookup = Callable[[FieldPath], Sequence[str]]
"""The values of a field, as text; none where it is not set."""
Matches = Callable[[Lookup], bool]

SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")

_TOKEN = re.compile(r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<sign><=|>=|!=|=~|!~|[()=<>:.])|(?P<word>[^\s"()=<>!:.]+))')
_SIGNS = {"=", "!=", "<", ">", "<=", ">=", ":", "=~", "!~"}


def parse_filter(text: str) -> Matches:
    """INVALID_ARGUMENT for what is no filter."""
    if not text.strip():
        return lambda _: True
    reader = _Reader(text)
    found = reader.either()
    if reader.left:
        raise _wrong(text, f"unexpected '{reader.left[0]}'")
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self.left: list[str] = []
        at, text = 0, text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise _wrong(self._text, f"unexpected '{text[at]}'")
            self.left.append(match[0].strip())
            at = match.end()

    def either(self) -> Matches:
        parts = [self._both()]
        while self._next("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda lookup: any(part(lookup) for part in parts)

    def _both(self) -> Matches:
        parts = [self._one()]
        while self._next("AND") or (self.left and self.left[0] not in ("OR", ")")):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda lookup: all(part(lookup) for part in parts)

    def _one(self) -> Matches:
        if self._next("NOT"):
            inner = self._one()
            return lambda lookup: not inner(lookup)
        if self._next("("):
            inner = self.either()
            if not self._next(")"):
                raise _wrong(self._text, "a bracket is not closed")
            return inner
        return self._comparison()

    def _comparison(self) -> Matches:
        path = [self._value("a field")]
        while self._next("."):
            path.append(self._value("a field"))
        if not self.left or self.left[0] not in _SIGNS:
            raise _wrong(self._text, f"an operator is missing after '{'.'.join(path)}'")
        sign = self.left.pop(0)
        value = self._value("a value")
        while self._next("."):  # a bare value such as 1.5 or a host's name
            value += f".{self._value('a value')}"
        field = tuple(path)
        return lambda lookup: _holds(lookup(field), sign, value)

    def _value(self, what: str) -> str:
        if not self.left or self.left[0] in _SIGNS | {"(", ")", "."}:
            raise _wrong(self._text, f"{what} is missing")
        token = self.left.pop(0)
        return re.sub(r"\\(.)", r"\1", token[1:-1]) if token.startswith('"') else token

    def _next(self, token: str) -> bool:
        if self.left and self.left[0] == token:
            self.left.pop(0)
            return True
        return False


def _holds(values: Sequence[str], sign: str, wanted: str) -> bool:
    if sign == "=":
        return wanted in values
    if sign == "!=":
        return wanted not in values
    if sign == ":":
        return bool(values) if wanted == "*" else any(wanted.lower() in value.lower() for value in values)
    if sign in ("=~", "!~"):
        found = any(re.search(wanted, value) for value in values)
        return found if sign == "=~" else not found
    for value in values:
        left, right = _ordered(value), _ordered(wanted)
        if type(left) is not type(right):
            continue
        if (
            (left < right and sign in ("<", "<="))
            or (left > right and sign in (">", ">="))
            or (left == right and sign in ("<=", ">="))
        ):
            return True
    return False


def _ordered(value: str) -> Any:
    if value in SEVERITIES:
        return SEVERITIES.index(value)
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        return value


def _wrong(text: str, why: str) -> ApiError:
    message = f"Invalid filter '{text}': {why}"
    return ApiError("INVALID_ARGUMENT", message, violations=[("filter", message)])
