"""What a running trainer tells the outside: log lines on standard output, and two small files it replaces whole.

- `Story.say` prints one line, led by the UTC time with milliseconds, so that logs of all attempts can be merged.
- `progress.json` holds the phase, the step and the time left; it is replaced at most once a second, except when the
  phase changes, which is written at once.
- `summary.json` holds the last value of every metric; it is replaced at each evaluation and at the end.

Only rank 0 tells; the other ranks hold a Story that is silent.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

Phase = Literal["starting", "loading model", "preparing data", "evaluating", "training", "saving", "uploading", "done"]

_SECONDS_BETWEEN_WRITES = 1.0


def replace_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write `value` to `path` so that a reader sees either the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(value), encoding="utf-8")
    temporary.replace(path)


def utc_now() -> str:
    """The time as `2026-11-22T15:20:01.123Z`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(seconds: float) -> str:
    """Seconds as a person says them: `8 s`, `2 min 05 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Story:
    """Log lines, progress and summary of one attempt, in the run's directory."""

    def __init__(self, directory: Path, *, silent: bool = False) -> None:
        self._progress = directory / "progress.json"
        self._summary = directory / "summary.json"
        self._silent = silent
        self._phase: Phase | None = None
        self._written = float("-inf")
        self.total_steps = 0

    def say(self, line: str) -> None:
        if not self._silent:
            print(f"{utc_now()} {line}", flush=True)

    def progress(
        self, phase: Phase, step: int = 0, *, samples_per_s: float | None = None, eta_s: float | None = None
    ) -> None:
        """Tell the phase and the step; `eta_s` counts the whole rest of the run, None while it is not known."""
        now = time.monotonic()
        if self._silent or (phase == self._phase and now - self._written < _SECONDS_BETWEEN_WRITES):
            return
        self._phase, self._written = phase, now
        replace_json(
            self._progress,
            {
                "phase": phase,
                "step": step,
                "total_steps": self.total_steps,
                "samples_per_s": samples_per_s,
                "eta_s": eta_s,
                "updated_at": utc_now(),
            },
        )

    def summary(self, values: Mapping[str, float]) -> None:
        if not self._silent:
            replace_json(self._summary, dict(values))


class Clock:
    """How long steps and evaluations take, and so how long is left."""

    _SECONDS_BETWEEN_LINES = 5.0
    _WEIGHT_OF_NEWEST = 0.1

    def __init__(self, total_steps: int, evaluate_every: int) -> None:
        self._total, self._every = total_steps, evaluate_every
        self._step_s: float | None = None
        self._evaluation_s = 0.0
        self._said = time.monotonic()

    def stepped(self, seconds: float) -> float:
        """Note how long an optimizer step took; gives it back."""
        old = self._step_s
        self._step_s = seconds if old is None else old + self._WEIGHT_OF_NEWEST * (seconds - old)
        return seconds

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Note how long an evaluation takes. The first is at few questions but from a cold start, with the reference
        lines: about what a later one takes at all of them with what is kept."""
        began = time.monotonic()
        yield
        self._evaluation_s = time.monotonic() - began

    def left(self, step: int) -> float | None:
        """Seconds until the end, after `step` steps; None before the first was measured."""
        if self._step_s is None:
            return None
        evaluations = -(-self._total // self._every) - step // self._every
        return (self._total - step) * self._step_s + evaluations * self._evaluation_s

    def worth_a_line(self, step: int) -> bool:
        """True for the first step, and then every few seconds."""
        now = time.monotonic()
        if step > 1 and now - self._said < self._SECONDS_BETWEEN_LINES:
            return False
        self._said = now
        return True
