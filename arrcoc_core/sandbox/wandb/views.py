"""What the schema's types are made of: one small object for each, answering by field (graphql.py)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from arrcoc_core.sandbox.wandb.graphql import WandbError

T = TypeVar("T")

LARGEST_PAGE = 1000


def timestamp(seconds: float) -> str:
    """As W&B writes it: UTC, without fractions."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact_timestamp(seconds: float) -> str:
    """The same with microseconds: in a sandbox that is sped up, a minute is less than a second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def offset_of(cursor: str | None) -> int:
    """How many items are before what comes after a cursor."""
    if not cursor:
        return 0
    try:
        return int(base64.b64decode(cursor).decode().removeprefix("offset:"))
    except ValueError:
        raise WandbError(400, f"invalid cursor: {cursor}") from None


def cursor_at(offset: int) -> str:
    return base64.b64encode(f"offset:{offset}".encode()).decode()


def connection(items: Sequence[T], view: Callable[[T], Any], first: int | None, after: str | None) -> dict[str, Any]:
    """A page of a list that is all here."""
    start, size = offset_of(after), page_size(first)
    return page(items[start : start + size], view, start, len(items))


def page(items: Sequence[T], view: Callable[[T], Any], start: int, total: int) -> dict[str, Any]:
    """Edges for items `start`, … of `total`."""
    edges = [{"node": view(item), "cursor": cursor_at(start + place + 1)} for place, item in enumerate(items)]
    return {
        "edges": edges,
        "pageInfo": {
            "startCursor": cursor_at(start),
            "endCursor": edges[-1]["cursor"] if edges else None,
            "hasNextPage": start + len(items) < total,
            "hasPreviousPage": start > 0,
        },
        "totalCount": total,
    }


def page_size(first: int | None) -> int:
    return min(50 if first is None else max(0, first), LARGEST_PAGE)
