"""Which runs a filter lets through, and in which order: W&B's own dialect of MongoDB's query language."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from arrcoc_core.sandbox.wandb.graphql import WandbError

Look = Callable[[str], Any]
"""The value of a run's field, by the names that filters and orders use; None where it has none."""

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, wanted: value == wanted,
    "$ne": lambda value, wanted: value != wanted,
    "$gt": lambda value, wanted: value > wanted,
    "$gte": lambda value, wanted: value >= wanted,
    "$lt": lambda value, wanted: value < wanted,
    "$lte": lambda value, wanted: value <= wanted,
    "$in": lambda value, wanted: _among(value, wanted),
    "$nin": lambda value, wanted: not _among(value, wanted),
    "$regex": lambda value, wanted: re.search(wanted, value) is not None,
}


def passes(look: Look, filters: Mapping[str, Any]) -> bool:
    """WandbError (400) for an operator that is not known."""
    for name, wanted in filters.items():
        if name == "$and":
            fits = all(passes(look, part) for part in wanted)
        elif name == "$or":
            fits = any(passes(look, part) for part in wanted) or not wanted
        elif name == "$nor":
            fits = not any(passes(look, part) for part in wanted)
        elif name == "$not":
            fits = not passes(look, wanted)
        else:
            fits = _field(look(name), wanted)
        if not fits:
            return False
    return True


def sort_key(look: Look, field: str) -> tuple[bool, float, str]:
    """Numbers and dates before words, and what a run does not have last."""
    value = look(field)
    if isinstance(value, datetime):
        value = value.timestamp()
    if isinstance(value, int | float):
        return False, float(value), ""
    return value is None, 0.0, str(value)


def _field(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return _among(value, [wanted])
    for operator, operand in wanted.items():  # pyright: ignore[reportUnknownVariableType]
        if operator == "$exists":
            fits = (value is not None) == bool(operand)  # pyright: ignore[reportUnknownArgumentType]
        elif operator == "$not":
            fits = not _field(value, operand)
        elif operator in _COMPARE:
            fits = _compare(_COMPARE[operator], value, operand)
        else:
            raise WandbError(400, f"invalid filter: unknown operator {operator}")
        if not fits:
            return False
    return True


def _compare(test: Callable[[Any, Any], bool], value: Any, wanted: Any) -> bool:
    if isinstance(value, datetime) and isinstance(wanted, str):
        wanted = datetime.fromisoformat(wanted.replace("Z", "+00:00"))
        wanted = wanted if wanted.tzinfo else wanted.replace(tzinfo=UTC)
    try:
        return test(value, wanted)
    except TypeError:  # values of different kinds do not compare
        return False


def _among(value: Any, wanted: Any) -> bool:
    """A list (tags) is among what is wanted where any of its elements is."""
    return any(one in wanted for one in value) if isinstance(value, list) else value in wanted  # pyright: ignore[reportUnknownVariableType]
