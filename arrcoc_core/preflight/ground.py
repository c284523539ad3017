"""What the checks of one preflight share: the plan, the clients, and answers that more than one of them needs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from arrcoc_core.cloud.clients import Cloud
from arrcoc_core.cloud.names import Names
from arrcoc_core.infra.world import World
from arrcoc_core.planning import Plan

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings
    from arrcoc_core.vertex_planning import CloudPlan

T = TypeVar("T")


@dataclass
class Ground:
    plan: Plan
    cloud: CloudPlan
    world: World
    settings: Settings
    found: dict[str, Any] = field(default_factory=dict[str, Any])
    """What checks learnt that the plan is refined by: rungs with quota, secrets that are there, the image."""
    _answers: dict[str, Any] = field(default_factory=dict[str, Any])
    _locks: dict[str, threading.Lock] = field(default_factory=dict[str, threading.Lock])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @staticmethod
    def of(plan: Plan, settings: Settings) -> Ground:
        assert plan.cloud is not None
        return Ground(plan, plan.cloud, World(Cloud.of(settings), Names.of(settings), root=settings.root), settings)

    @property
    def pace(self) -> float:
        """How fast time passes there: 60 in a sandbox in which a minute takes a second."""
        return self.world.cloud.endpoints.speed

    def once(self, key: str, ask: Callable[[], T]) -> T:
        """The answer of `ask`, asked by one of the threads and waited for by the others; errors are asked again."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._answers:
                self._answers[key] = ask()
            return self._answers[key]
