"""What setup, infra and teardown tell while they work: one `Event` a change of a row, the same for every door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal[
    "waiting",
    "checking",
    "ok",
    "missing",
    "different",
    "foreign",
    "creating",
    "created",
    "requested",
    "removing",
    "removed",
    "kept",
    "failed",
    "skipped",
    "unknown",
]
TONES: dict[State, str] = {
    "ok": "good",
    "created": "good",
    "removed": "good",
    "requested": "accent",
    "creating": "accent",
    "removing": "accent",
    "checking": "muted",
    "waiting": "muted",
    "kept": "muted",
    "skipped": "muted",
    "missing": "warn",
    "different": "warn",
    "unknown": "warn",
    "foreign": "bad",
    "failed": "bad",
}
BUSY: frozenset[State] = frozenset({"waiting", "checking", "creating", "removing"})
"""States that another event of the same row follows."""


@dataclass(frozen=True, slots=True)
class Fix:
    """One step of a repair. A `command` can be copied and run; "" where the step is not a command."""

    text: str
    command: str = ""
    safe: bool = False
    """Whether the command is free and can be taken back: `--yes` runs these, and no others."""

    @property
    def runnable(self) -> bool:
        """Whether the command stands as it is, with nothing left to fill in."""
        return bool(self.command) and not any(mark in self.command for mark in "<>…")


@dataclass(frozen=True, slots=True)
class Problem:
    """An error for a person: what happened, why, and what to do, in order."""

    message: str
    cause: str = ""
    fixes: tuple[Fix, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"message": self.message, "cause": self.cause, "fixes": [asdict(fix) for fix in self.fixes]}

    def to_text(self) -> str:
        lines = [self.message]
        if self.cause:
            lines.append(f"  Cause: {self.cause}")
        for number, fix in enumerate(self.fixes, start=1):
            lines.append(f"  {number}. {fix.text}")
            if fix.command:
                lines.append(f"       {fix.command}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Event:
    """The present state of one row; `seconds` is how long it has been worked on."""

    resource: str
    title: str
    state: State
    detail: str = ""
    seconds: float = 0.0
    console: str = ""
    error: Problem | None = None

    @property
    def final(self) -> bool:
        return self.state not in BUSY

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "resource",
            "resource": self.resource,
            "title": self.title,
            "state": self.state,
            "detail": self.detail,
            "seconds": round(self.seconds, 3),
            "console": self.console,
            "error": self.error.to_json() if self.error is not None else None,
        }


OnEvent = Callable[[Event], None]
