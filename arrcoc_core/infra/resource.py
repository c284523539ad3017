"""What a resource is: something with a name that can be looked at, made, and removed, each any number of times."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from arrcoc_core.cloud.calling import call
from arrcoc_core.cloud.names import OWNER_LABEL
from arrcoc_core.errors import CloudError
from arrcoc_core.infra.events import Problem

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World

Say = Callable[[str], None]
"""Tells a detail of what is going on, for the row of the resource."""

LONGEST_OPERATION_S = 300.0


@dataclass(frozen=True, slots=True)
class Status:
    """What was found. `missing` and `different` can be ensured; `pending` waits for Google; the others are left alone.

    `note` is a `missing` or `different` that is deliberately left so (a key that is not to be copied).
    """

    state: Literal["ok", "missing", "different", "foreign", "unknown", "pending", "note"]
    detail: str = ""
    problem: Problem | None = None
    size_bytes: int | None = None


class Resource(Protocol):
    """`needs` are keys of resources that must be there before this one is made."""

    @property
    def key(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def needs(self) -> tuple[str, ...]: ...
    def where(self, world: World) -> str:
        """Its name for people, such as gs://bucket."""
        ...

    def page(self, world: World) -> str:
        """Its page in the console, below the console's address, or a whole address; "" where it has none."""
        ...

    def check(self, world: World) -> Status:
        """Look; never changes anything."""
        ...

    def ensure(self, world: World, say: Say) -> Status:
        """Make it, or make it right. Called after `check` said missing or different; may be called again any time."""
        ...

    def destroy(self, world: World, say: Say) -> Status:
        """Remove it if it is ours: `missing` afterwards, `foreign` where it is not. May be called again any time."""
        ...


def stranger(labels: Any, world: World) -> str:
    """Why something with these labels is not ours; "" where it is."""
    held: dict[str, str] = dict(labels or {})
    owner = held.get(OWNER_LABEL)
    if owner == world.names.owner:
        return ""
    return f"it is labelled {OWNER_LABEL}={owner}" if owner else f"it has no label {OWNER_LABEL}"


def listed(method: Callable[..., Any], *arguments: Any, **named: Any) -> list[Any]:
    """Every item of a listing, all pages of it."""

    def every(*, retry: Any, timeout: float) -> list[Any]:
        return list(method(*arguments, retry=retry, timeout=timeout, **named))

    every.__name__ = getattr(method, "__name__", "a listing")
    return call(every)


def finished(operation: Any, what: str, *, patience_s: float = LONGEST_OPERATION_S) -> Any:
    """The result of a long-running operation. CloudError when it fails or takes longer than `patience_s`."""
    from arrcoc_core.cloud.calling import translated

    deadline = time.monotonic() + patience_s
    pause = 0.05
    while not _done(operation):
        if time.monotonic() > deadline:
            raise CloudError(
                f"{what} takes longer than {patience_s:.0f} s.",
                scope="unavailable",
                remedy="It may still come: run the same command again in a while.",
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 2.0)
    with translated(what):
        return operation.result(timeout=5)


def _done(operation: Any) -> bool:
    def done(**_: Any) -> bool:
        return bool(operation.done(retry=None))

    return call(done)
