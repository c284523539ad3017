"""What a plan says of the queue that its run goes through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from arrcoc_core.formatting import plural


@dataclass(frozen=True, slots=True)
class QueuePlan:
    name: str
    entity: str
    """Whose queue it is; "": the key's own user or team."""
    url: str
    """The W&B server of `.training`; endpoints that serve W&B themselves are used instead of it."""
    project: str
    """W&B project of the run."""
    values: Mapping[str, Any]
    """Template variables: what the web page shows of the machine."""
    agents: int | None = None
    """Agents that live and poll it, as far as a preflight has looked."""
    waiting: int | None = None
    """Items that wait in it, as far as a preflight has looked."""

    @property
    def title(self) -> str:
        return f"{self.entity}/{self.name}" if self.entity else self.name

    @property
    def standing(self) -> str:
        """What the launch will meet there, for people; "" while nobody has looked."""
        if self.agents is None:
            return ""
        if not self.agents:
            return "no agent polls it: the launch starts one on this machine"
        verb = "waits" if self.waiting == 1 else "wait"
        ahead = f"; {plural(self.waiting, 'item')} {verb}" if self.waiting else ""
        return f"{plural(self.agents, 'agent')} poll{'s' if self.agents == 1 else ''} it{ahead}"

    def to_json(self) -> dict[str, Any]:
        return {**{one.name: getattr(self, one.name) for one in fields(QueuePlan)}, "values": dict(self.values)}

    @staticmethod
    def from_json(held: Mapping[str, Any]) -> QueuePlan:
        return QueuePlan(**{one.name: held[one.name] for one in fields(QueuePlan) if one.name in held})
