"""Requests against Google's own annotations: what is required, immutable, or set by the service alone.

The Python libraries drop `google.api.field_behavior`; field_behavior.json holds it, taken from the .proto files by
scripts/field_behavior.py, which also writes where they came from and when.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from arrcoc_core.sandbox.errors import ApiError

TABLE = Path(__file__).with_name("field_behavior.json")


@lru_cache(maxsize=1)
def behaviors() -> dict[str, dict[str, str]]:
    """Full message name -> field -> letters: R required, O output only, I immutable, N input only."""
    held: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return held["messages"]


def check_request(request: Any, method: str) -> None:
    """Clear what only the service sets, in place; INVALID_ARGUMENT naming each required field that is not set.

    An update names its resource by a field that is the service's own otherwise, and with a mask it need not repeat
    what it does not change.
    """
    found: list[str] = []
    update = method.startswith(("Update", "Patch"))
    masked = update and "update_mask" in request.DESCRIPTOR.fields_by_name and request.HasField("update_mask")
    _check(request, "", found, keep_name=update)
    if masked:
        found = [path for path in found if "." not in path]
    if found:
        violations = [(path, "Required field is not set.") for path in found]
        rows = "\t".join(f"{n}.Field: {path}; Message: Required field is not set." for n, path in enumerate(found, 1))
        raise ApiError("INVALID_ARGUMENT", f"List of found errors:\t{rows}\t", violations=violations)
    if masked:
        _check_immutable(request)


def _check(message: Any, path: str, found: list[str], *, keep_name: bool = False) -> None:
    rules = behaviors().get(message.DESCRIPTOR.full_name, {})
    for name, letters in rules.items():
        if name not in message.DESCRIPTOR.fields_by_name:
            continue  # the annotations may be of another version of the library
        if "O" in letters:
            if not (keep_name and name == "name"):
                message.ClearField(name)
        elif "R" in letters and not _is_set(message, name):
            found.append(f"{path}{name}")
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.full_name.startswith("google.protobuf."):
            continue
        if field.message_type.GetOptions().map_entry:
            continue
        if field.is_repeated:
            for index, item in enumerate(value):
                _check(item, f"{path}{field.name}[{index}].", found)
        else:
            _check(value, f"{path}{field.name}.", found, keep_name=keep_name and not path)


def _is_set(message: Any, name: str) -> bool:
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.is_repeated:
        return len(getattr(message, name)) > 0
    if field.has_presence:
        return message.HasField(name)
    if field.cpp_type in (field.CPPTYPE_STRING, field.CPPTYPE_MESSAGE, field.CPPTYPE_ENUM):
        return bool(getattr(message, name))
    return True  # a number or a switch without presence: 0 and absent look alike on the wire


def _check_immutable(request: Any) -> None:
    """INVALID_ARGUMENT where the update mask names a field that cannot be changed."""
    for field, value in request.ListFields():
        if field.message_type is None or field.is_repeated or field.name == "update_mask":
            continue
        rules = behaviors().get(field.message_type.full_name, {})
        for path in request.update_mask.paths:
            if "I" in rules.get(path, "") and value.DESCRIPTOR.fields_by_name.get(path) is not None:
                text = f"Field {path} is immutable and cannot be updated."
                raise ApiError("INVALID_ARGUMENT", text, violations=[(f"{field.name}.{path}", text)])
