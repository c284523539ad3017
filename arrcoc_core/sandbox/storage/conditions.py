"""Preconditions of requests on objects and buckets, as the JSON API defines them.

`ifGenerationMatch=0` holds when there is no live object. A `…NotMatch` that does not hold answers a read with 304 and
a write with 412.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arrcoc_core.sandbox.storage.messages import Request, StorageError, invalid, precondition_failed


@dataclass(frozen=True)
class Conditions:
    generation: int | None = None
    generation_not: int | None = None
    metageneration: int | None = None
    metageneration_not: int | None = None

    def check(self, resource: Mapping[str, Any] | None, *, reading: bool = False) -> None:
        """StorageError when one of them does not hold for this object (None: there is none)."""
        generation = int(resource["generation"]) if resource and "generation" in resource else 0
        metageneration = int(resource["metageneration"]) if resource else None
        if self.generation is not None and self.generation != generation:
            raise precondition_failed()
        if self.metageneration is not None and self.metageneration != metageneration:
            raise precondition_failed()
        unwanted = self.generation_not is not None and self.generation_not == generation
        if unwanted or (self.metageneration_not is not None and self.metageneration_not == metageneration):
            raise StorageError(304, "notModified", "Not Modified") if reading else precondition_failed()

    def to_json(self) -> list[int | None]:
        return [self.generation, self.generation_not, self.metageneration, self.metageneration_not]


def conditions_of(request: Request, prefix: str = "if") -> Conditions:
    """Those in the query; `prefix` "ifSource" for the source of a copy."""
    return Conditions(
        number(request, f"{prefix}GenerationMatch"),
        number(request, f"{prefix}GenerationNotMatch"),
        number(request, f"{prefix}MetagenerationMatch"),
        number(request, f"{prefix}MetagenerationNotMatch"),
    )


def number(request: Request, name: str) -> int | None:
    value = request.one(name)
    if value is None:
        return None
    try:
        return int(value)
    except ValueError:
        raise invalid(f"Invalid value for {name}: {value}") from None
