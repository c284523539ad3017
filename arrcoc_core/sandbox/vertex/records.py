"""What the sandbox remembers of a job beside the CustomJob that clients see."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Phase = Literal["queued", "waiting", "pending", "booting", "running", "ending"]
"""waiting: a flex-start job for which there is no machine; ending: its machines were asked to end."""


@dataclass
class Record:
    """A job that has not ended. Times are seconds since 1970."""

    name: str
    id: str
    region: str
    provisioning: str
    usage: dict[str, int]
    """Quota metric -> how much it draws."""
    due: float
    """When the phase is over."""
    phase: Phase = "queued"
    restarts: int = 0
    retries: bool = False
    labels: dict[str, str] = field(default_factory=dict[str, str])
    output: str = ""
    """base_output_directory, with a slash at its end."""
    timeout_s: float = 0.0
    max_wait_s: float = 0.0
    created: float = 0.0
    deadline: float = 0.0
    replicas: list[list[Any]] = field(default_factory=list[list[Any]])
    read: dict[str, int] = field(default_factory=dict[str, int])
    """How far each machine's output was read."""
    verdict: str = ""
    """Why it will end: "cancelled", "preempted", "stockout", "internal"; "" while nothing is decided."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(held: dict[str, Any]) -> Record:
        return Record(**held)
