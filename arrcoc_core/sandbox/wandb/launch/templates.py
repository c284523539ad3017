"""Template variables of a queue: `{{name}}` in its configuration, filled in when an item is pushed.

A value that is a whole string ("{{count}}") takes the variable's own type; inside a longer one it becomes text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from arrcoc_core.sandbox.wandb.graphql import WandbError

_PLACE = re.compile(r"\{\{\s*([\w-]+)\s*\}\}")
_TYPES: Mapping[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float)}


def schemas_of(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Variable -> its JSON schema, from what a client sends: {"gpu": {"schema": {…}}}."""
    return {
        name: dict(held.get("schema", held)) if isinstance(held, dict) else {"type": None}  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        for name, held in given.items()
    }


def problems(schemas: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is wrong with the schemas themselves."""
    found: list[str] = []
    for name, schema in schemas.items():
        if schema.get("type") not in _TYPES:
            found.append(f"template variable {name}: type must be one of string, integer, number")
        elif "default" in schema and (wrong := _wrong(schema, schema["default"])):
            found.append(f"template variable {name}: its default {wrong}")
    return found


def filled(config: Any, schemas: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]) -> Any:
    """The configuration with values in place of its variables. WandbError (400) for a value that does not fit."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in schemas:
            raise WandbError(400, f"template variable {name} is not one of the queue's: {', '.join(schemas)}")
        wrong = _wrong(schemas[name], value)
        if wrong:
            raise WandbError(400, f"template variable {name}: {wrong}")
        values[name] = value
    for name, schema in schemas.items():
        if name not in values:
            if "default" not in schema:
                raise WandbError(400, f"template variable {name} has no default and was given no value")
            values[name] = schema["default"]
    return _fill(config, values)


def _fill(held: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(held, dict):
        return {_fill(name, values): _fill(value, values) for name, value in held.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(held, list):
        return [_fill(value, values) for value in held]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(held, str):
        return held
    whole = _PLACE.fullmatch(held)
    if whole and whole[1] in values:
        return values[whole[1]]
    return _PLACE.sub(lambda place: str(values.get(place[1], place[0])), held)


def _wrong(schema: Mapping[str, Any], value: Any) -> str:
    """Why a value does not fit its schema; "" where it does."""
    kinds = _TYPES.get(str(schema.get("type")), ())
    if isinstance(value, bool) or not isinstance(value, kinds):
        return f"{value!r} is not of type {schema.get('type')}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{value!r} is not one of {schema['enum']}"
    if "minimum" in schema and value < schema["minimum"]:
        return f"{value!r} is less than {schema['minimum']}"
    if "maximum" in schema and value > schema["maximum"]:
        return f"{value!r} is more than {schema['maximum']}"
    return ""
