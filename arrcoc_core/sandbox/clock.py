"""Time in the sandbox: dates are real, waits are divided by `speed`.

A quota approval that takes two minutes is there after two seconds at speed 60. Dates stay real, so that a client that
subtracts them from its own clock is never ahead or behind.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    def __init__(self, speed: float = 1.0) -> None:
        self.speed = max(speed, 1e-6)

    def now(self) -> float:
        """Seconds since 1970, real."""
        return time.time()

    def date(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)

    def scaled(self, seconds: float) -> float:
        """How many real seconds a wait of that many seconds of the sandbox's time is."""
        return seconds / self.speed
