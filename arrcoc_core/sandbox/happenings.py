"""The scenario of a running sandbox: which of its faults come now, and how often each has come.

Counts and the beginnings of what lasts are kept in a file of their own: a restart repeats nothing, and an error that a
fault raises undoes what its handler wrote, never the count.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from arrcoc_core.sandbox.clock import Clock
from arrcoc_core.sandbox.faults import Fault, Flaky, Outage, RateLimited, RequestQuota, fault_from_json

F = TypeVar("F", bound=Fault)


@dataclass
class Held:
    fault: Fault
    taken: int = 0
    """How often it has come."""
    calls: int = 0
    """How many calls it might have met, where that is something else."""
    since: float = 0.0
    """Seconds since 1970 at which what lasts began; 0: it has not."""


@dataclass(frozen=True)
class Left:
    """What a quota of requests still allows."""

    limit: int
    remaining: int
    """-1: this one is too many."""
    reset_s: float


def _any(fault: Fault) -> bool:
    return True


class Faults:
    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._held: list[Held] = []
        self._windows: dict[int, tuple[float, int]] = {}
        """Place of a RequestQuota -> (when its window began, requests in it); monotonic, and forgotten at a restart."""
        if path.exists():
            rows: list[Any] = json.loads(path.read_text(encoding="utf-8"))
            self._held = [Held(fault_from_json(row["fault"]), row["taken"], row["calls"], row["since"]) for row in rows]

    def replace(self, faults: Sequence[Fault]) -> None:
        """Another scenario, counted from zero."""
        with self._lock:
            self._held = [Held(fault) for fault in faults]
            self._windows.clear()
            self._save()

    def all(self) -> list[tuple[Fault, int]]:
        """Every fault with how often it has come."""
        with self._lock:
            return [(held.fault, held.taken) for held in self._held]

    def take(self, kind: type[F], where: Callable[[F], bool] = _any, **facts: object) -> F | None:
        """The first fault of that kind that fits the facts and is not used up; one of its times is used."""
        found = self.count(kind, where, **facts)
        return found[0] if found else None

    def count(self, kind: type[F], where: Callable[[F], bool] = _any, **facts: object) -> tuple[F, int] | None:
        """The same, with how often it had come before."""
        if not self._held:
            return None
        with self._lock:
            for held in self._held:
                fault = held.fault
                if isinstance(fault, kind) and _fits(held, facts) and where(fault):
                    held.taken += 1
                    self._save()
                    return fault, held.taken - 1
        return None

    def peek(self, kind: type[F], where: Callable[[F], bool] = _any, **facts: object) -> F | None:
        """The same, and none of its times is used."""
        for held in self._held:
            fault = held.fault
            if isinstance(fault, kind) and _fits(held, facts) and where(fault):
                return fault
        return None

    def outage(self, service: str) -> bool:
        """Whether that service is down now; each call counts."""
        for held, fault in self._of(Outage, service=service):
            with self._lock:
                held.calls += 1
                if held.since and not self._lasts(held, fault.seconds):
                    held.since = 0.0  # over
                elif not held.since and held.calls > fault.after_calls and not _used_up(held):
                    held.since, held.taken = self._clock.now(), held.taken + 1
                self._save()
                if held.since:
                    return True
        return False

    def limited(self, service: str, method: str) -> RateLimited | None:
        for held, fault in self._of(RateLimited, service=service, method=method):
            with self._lock:
                if fault.for_s is None:
                    if _used_up(held):
                        continue
                else:
                    held.since = held.since or self._clock.now()
                    if not self._lasts(held, fault.for_s):
                        continue
                held.taken += 1
                self._save()
                return fault
        return None

    def quota(self, service: str) -> Left | None:
        """What is left of the first quota of requests to that service; this request counts."""
        for held, fault in self._of(RequestQuota, service=service):
            with self._lock:
                now, place = time.monotonic(), self._held.index(held)
                began, used = self._windows.get(place, (now, 0))
                if now - began >= fault.per_s:
                    began, used = now, 0
                self._windows[place] = (began, used + 1)
                if used >= fault.limit:
                    held.taken += 1
                    self._save()
                return Left(fault.limit, max(-1, fault.limit - used - 1), max(0.0, began + fault.per_s - now))
        return None

    def flaky(self, service: str, method: str) -> str:
        """How this call goes wrong, a word of `Flaky.kinds`; "" where it does not."""
        for held, fault in self._of(Flaky, service=service, method=method):
            with self._lock:
                if _used_up(held):
                    continue
                held.calls += 1
                chance = random.Random(f"{fault.seed}/{held.calls}")
                kind = chance.choice(fault.kinds) if chance.random() < fault.share else ""
                if kind:
                    held.taken += 1
                    self._save()
                    return kind
        return ""

    def _of(self, kind: type[F], **facts: object) -> list[tuple[Held, F]]:
        return [
            (held, held.fault) for held in self._held if isinstance(held.fault, kind) and _matches(held.fault, facts)
        ]

    def _lasts(self, held: Held, seconds: float) -> bool:
        return self._clock.now() - held.since < self._clock.scaled(seconds)

    def _save(self) -> None:
        rows = [
            {"fault": held.fault.to_json(), "taken": held.taken, "calls": held.calls, "since": held.since}
            for held in self._held
        ]
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(rows), encoding="utf-8")
        os.replace(partial, self._path)


def _used_up(held: Held) -> bool:
    return held.fault.times is not None and held.taken >= held.fault.times


def _matches(fault: Fault, facts: dict[str, object]) -> bool:
    return all(getattr(fault, name) in (None, value) for name, value in facts.items())


def _fits(held: Held, facts: dict[str, object]) -> bool:
    return not _used_up(held) and _matches(held.fault, facts)
