"""Places where an attempt can run. Adding one adds a module here, a member of the `compute` union and a row below.

A target submits an attempt under a key, and afterwards knows it by a handle, which is plain JSON and is kept in the
store: whoever reads it there can go on observing, reading logs and cancelling, also after the process that had
submitted it is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from arrcoc_core.errors import TargetUnavailableError
from arrcoc_core.lifecycle import Observation

Handle = dict[str, Any]


class AttemptKey(NamedTuple):
    run_id: str
    n: int
    """1, 2, …"""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What to run: the command with its RUN_URI filled in, where, and the variables to set."""

    directory: Path
    command: tuple[str, ...]
    environment: Mapping[str, str]


class NoRoomError(TargetUnavailableError):
    """The target cannot take an attempt now; later it may."""


class Target(Protocol):
    def submit(self, request: JobRequest, key: AttemptKey) -> Handle:
        """Start the attempt. NoRoomError when the target is full."""
        ...

    def find(self, request: JobRequest, key: AttemptKey) -> Handle | None:
        """The attempt that was submitted under `key`, when the answer of `submit` was lost."""
        ...

    def observe(self, handle: Handle) -> Observation:
        """What is known of it now."""
        ...

    def logs(self, handle: Handle, cursor: int) -> tuple[list[str], int]:
        """Whole lines after `cursor` (0: from the start), and the cursor after them."""
        ...

    def cancel(self, handle: Handle, *, force: bool = False) -> None:
        """Ask it to checkpoint and stop; with `force`, end it now. Nothing happens to one that has ended."""
        ...


def make_target(kind: str) -> Target:
    """The target of this name; each process makes its own, once."""
    if kind == "local":
        from arrcoc_core.targets.local import LocalTarget

        return LocalTarget()
    raise TargetUnavailableError(
        f"this version of arrcoc knows no target called {kind!r}", remedy="update this copy of the project"
    )
