"""Places where an attempt can run. Adding one adds a module here, a member of the `compute` union and a row below.

A target submits an attempt under a key, and afterwards knows it by a handle, which is plain JSON and is kept in the
store: whoever reads it there can go on observing, reading logs and cancelling, also after the process that had
submitted it is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from arrcoc_core.errors import ArrcocError, TargetUnavailableError
from arrcoc_core.observing import Observation, Preparation

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
    plan: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """plan.json of the run."""
    rung: int = 0
    """Which rung of the plan's ladder, where it has one."""
    image: str = ""
    """The image by its digest, where the run was prepared."""
    spent_usd: float = 0.0
    """What the run has cost so far."""


class UnseenError(ArrcocError):
    """What was asked for cannot be known just now; nothing is wrong with the run."""


class StoppedError(ArrcocError):
    """The run was ended by somebody else, who says what it counts as."""

    def __init__(self, verdict: str, cause: str) -> None:
        super().__init__(cause or "stopped by another machine")
        self.verdict = verdict


class NoRoomError(TargetUnavailableError):
    """The target cannot take an attempt now; later it may."""


class Verdict(NamedTuple):
    """What a stopped run counts as, for whoever else drives it."""

    state: str
    cause: str
    remedy: str = ""


class Target(Protocol):
    """Every method may raise CloudError or UnseenError where the place cannot be reached."""

    def prepare(self, request: JobRequest, run_id: str, held: Mapping[str, Any]) -> Preparation:
        """Take the preparation of a run one step further; `held` is what it had kept. May be repeated at any point.

        StoppedError: nothing is prepared any more, as the run is over.
        """
        ...

    def submit(self, request: JobRequest, key: AttemptKey) -> Handle:
        """Start the attempt, or find it started. NoRoomError when the target is full; StoppedError.

        A CloudError says by its scope whether something may have been started all the same: then `find` knows.
        """
        ...

    def find(self, request: JobRequest, key: AttemptKey) -> Handle | None:
        """The attempt that was submitted under `key`, when the answer of `submit` was lost.

        None: there is none, and there never will be one. StoppedError: nor will there be, as the run is over.
        """
        ...

    def observe(self, handle: Handle) -> Observation:
        """What is known of it now. What it has left to read is in the run's folder by the time it has ended."""
        ...

    def clear(self, request: JobRequest, run_id: str, held: Mapping[str, Any], verdict: Verdict) -> Observation:
        """See that nothing of a run that is over goes on anywhere: "absent" once that is so, "alive" while it stops.

        `held` is what its preparation had kept; its build is stopped, too, if it is still going.
        """
        ...

    def logs(self, handle: Handle, cursor: int) -> tuple[list[str], int]:
        """Whole lines after `cursor` (0: from the start), and the cursor after them."""
        ...

    def cancel(self, handle: Handle, *, force: bool = False, stop: str = "", verdict: Verdict | None = None) -> None:
        """Ask it to checkpoint and stop; with `force`, end it now. Nothing happens to one that has ended.

        `stop` is why an attempt is stopped although its run goes on: "wait" or "hours" (see `records.Stop`);
        `verdict` what the run counts as when it is over with it.
        """
        ...


def make_target(kind: str) -> Target:
    """The target of this name; each process makes its own, once."""
    if kind == "local":
        from arrcoc_core.targets.local import LocalTarget

        return LocalTarget()
    if kind == "vertex":
        from arrcoc_core.targets.vertex import VertexTarget

        return VertexTarget()
    if kind == "wandb-launch":
        from arrcoc_core.targets.wandb_launch import WandbLaunchTarget

        return WandbLaunchTarget()
    raise TargetUnavailableError(
        f"this version of arrcoc knows no target called {kind!r}", remedy="update this copy of the project"
    )
