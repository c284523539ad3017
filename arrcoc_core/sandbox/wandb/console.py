"""A line of a run's console, as it is sent and as it is read.

wandb-core sends each as "[ERROR ]<time> <text>" (core/internal/runconsolelogs).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(r"(?:(ERROR) )?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?) (.*)", re.DOTALL)


@dataclass
class ConsoleLine:
    number: int
    timestamp: str | None
    level: str | None
    label: str | None
    line: str

    @staticmethod
    def of(number: int, text: str) -> ConsoleLine:
        found = _LINE.fullmatch(text)
        if found is None:
            return ConsoleLine(number, None, None, None, text)
        return ConsoleLine(number, found[2], "error" if found[1] else None, None, found[3])
