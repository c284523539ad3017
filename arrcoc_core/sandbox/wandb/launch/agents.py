"""Launch agents: what they say of themselves, and whether they are still there.

One that has neither said anything nor asked for an item for five minutes of the sandbox's time counts as killed; the
next word from it brings it back.
"""

from __future__ import annotations

import base64
import dataclasses
from dataclasses import dataclass

from arrcoc_core.sandbox.clock import Clock
from arrcoc_core.sandbox.state import State

SILENCE_S = 300.0
LEAST_SILENCE_S = 15.0
"""Real seconds: an agent's own waits pass no faster in a sandbox that is sped up."""
KILLED = "KILLED"


@dataclass
class Agent:
    id: str
    entity: str
    project: str
    name: str
    hostname: str
    queues: list[str]
    created: float
    heartbeat: float
    status: str = "POLLING"
    config: str | None = None
    version: str | None = None
    stop: bool = False


class Agents:
    def __init__(self, state: State, clock: Clock) -> None:
        self._table = state.table("agent")
        self._state = state
        self._clock = clock
        self.least_silence_s = LEAST_SILENCE_S

    def add(
        self, entity: str, project: str, hostname: str, queues: list[str], config: str | None, version: str | None
    ) -> Agent:
        number, now = self._state.next("agent"), self._clock.now()
        agent_id = base64.b64encode(f"LaunchAgent:{number}".encode()).decode()
        agent = Agent(agent_id, entity, project, f"{hostname}-{number}", hostname, queues, now, now)
        agent.config, agent.version = config, version
        self.put(agent)
        return agent

    def get(self, agent_id: str) -> Agent | None:
        held = self._table.get(agent_id)
        return None if held is None else Agent(**held)

    def of(self, entity: str, project: str) -> list[Agent]:
        found = [Agent(**held) for held in self._table.values()]
        return sorted((a for a in found if (a.entity, a.project) == (entity, project)), key=lambda a: a.created)

    def put(self, agent: Agent) -> None:
        self._table.put(agent.id, dataclasses.asdict(agent))

    def beat(self, agent: Agent) -> None:
        agent.heartbeat = self._clock.now()
        self.put(agent)

    def status(self, agent: Agent) -> str:
        silent = self._clock.now() - agent.heartbeat
        return KILLED if silent > max(self._clock.scaled(SILENCE_S), self.least_silence_s) else agent.status
