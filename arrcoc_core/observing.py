"""What a target says when it is asked: `Observation` of an attempt, `Preparation` of a run, and both in words."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

EXIT_CONFIG = 2
EXIT_STOPPED = 75
EXIT_TAKEN = 76
"""Another job trains this attempt, or a later one: this one has done nothing."""

EXIT_CANCELLED = 77
"""Stopped for good, after a checkpoint, by somebody on the run's page at W&B."""

EXIT_UNSOUND = 78
"""The loss or the gradient was not a number at the same step as in an attempt before: it would be so again."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a target knows about the live attempt; of a run without one, whether anything of it is left ("absent")."""

    kind: Literal["absent", "refused", "alive", "ended", "unknown"]
    """absent: never started, or nothing is known of it. refused: the target could not take it (`reason`).
    unknown: it cannot be observed just now (`reason`), whatever it does."""
    busy: bool = False
    """alive: it has got past starting up; in the cloud, it has its machine."""
    committed_step: int = -1
    """Step of the newest committed checkpoint; -1: none."""
    exit_code: int | None = None
    """ended: the exit code, negative for a signal; None: killed while nobody watched."""
    done: bool = False
    """The result is complete."""
    reason: str = ""
    """Why it was refused, or the last line it printed."""
    scope: str = ""
    """What it was refused for or ended by: a CloudScope, "preempted", "timeout", "waited" (too long for a machine), or
    "stopped" (somebody else stopped the run: `verdict`). "": its exit code says it."""
    remedy: str = ""
    verdict: str = ""
    running_at: float | None = None
    """Since when it has had its machine."""
    ended_at: float | None = None
    """When its machine was given back."""
    news: bool = False
    """Something of it was read that was not there at the last look: worth looking again soon."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """How far the preparation of a run is."""

    state: Literal["working", "ready", "failed", "again", "stopped", "unknown"]
    """failed: for good. again: it may work next time. stopped: somebody else stopped the run (`verdict`). unknown: it
    cannot be observed just now."""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the target wants to find again next time."""
    detail: str = ""
    """What it is doing, or why it failed or was stopped."""
    remedy: str = ""
    verdict: str = ""


def describe(seen: Observation) -> str:
    """How an attempt ended, as the cause of its end."""
    said = f": {seen.reason}" if seen.reason else ""
    if seen.scope == "stopped":
        return seen.reason or "stopped"
    if seen.scope == "preempted":
        return f"its machine was taken away{said}"
    if seen.kind == "absent":
        return f"it was never started{said}"
    if seen.scope:
        return seen.reason or seen.scope
    if seen.kind == "refused":
        return f"the machine could not start it{said}"
    if seen.exit_code is None:
        return "it was gone, without having said why"
    if seen.exit_code == EXIT_STOPPED:
        return "stopped after a checkpoint"
    if seen.exit_code == EXIT_CANCELLED:
        return "stopped on its page at W&B, after a checkpoint"
    if seen.exit_code == EXIT_UNSOUND:
        return seen.reason or "the loss was not a number, at the same step as before"
    if seen.exit_code < 0:
        return f"killed by {_signal_name(-seen.exit_code)}"
    if seen.exit_code == 0:
        return f"it ended without a complete result{said}"
    if seen.exit_code == EXIT_CONFIG:
        return f"wrong configuration{said}"
    return f"exit code {seen.exit_code}{said}"


def _signal_name(number: int) -> str:
    names: Sequence[signal.Signals] = [one for one in signal.Signals if one == number]
    return names[0].name if names else f"signal {number}"
