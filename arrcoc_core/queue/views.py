"""The queue as people see it: its items with what they wait for, its agents with what they do.

`queue_view(client, name, …)` asks W&B three times at most, and this machine's store; the doors render what it gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from arrcoc_core.queue.waiting import alive, busy_with, polls, silent_s, standing

if TYPE_CHECKING:
    from arrcoc_core.queue.client import QueueClient
    from arrcoc_core.queue.records import Item, LaunchAgent

MOST_ASKED = 100
"""Runs whose states are asked for at once: the newest."""
_OF_WANDB = {"finished": "done", "failed": "failed", "crashed": "failed", "killed": "failed"}
_OF_STORE = {"succeeded": "done", "failed": "failed", "cancelled": "cancelled"}


@dataclass(frozen=True, slots=True)
class ItemRow:
    id: str
    state: str
    """"waiting", "leased", "taken" (its run is not known here), "running", "done", "failed" or "cancelled"."""
    run: str
    """Its run's id; "": not yet."""
    name: str
    waits_s: float | None
    """Since it was pushed, of one that waits, by W&B's clock; None: not told."""
    position: int
    """Among those that wait, from 1; 0: it does not."""
    reason: str
    """What it waits for, or why it failed."""
    remedy: str
    agent: str
    """The name of the agent that has it."""
    project: str
    """W&B project that its run logs to."""

    @property
    def waits(self) -> bool:
        return self.state in ("waiting", "leased")


@dataclass(frozen=True, slots=True)
class AgentRow:
    id: str
    name: str
    host: str
    state: str
    """"polling" (it has a free slot), "busy" (it has none), "stopped" (told at W&B to stop polling), "gone"."""
    heard_s: float | None
    """Seconds since it was heard of, by W&B's clock; None: never."""
    slots: int | None
    busy: tuple[str, ...]
    """Runs that it has taken and that are not known to have ended."""
    version: str

    @property
    def lives(self) -> bool:
        return self.state != "gone"


@dataclass(frozen=True, slots=True)
class QueueView:
    name: str
    entity: str
    url: str
    """Its page."""
    items: tuple[ItemRow, ...]
    """Oldest first."""
    agents: tuple[AgentRow, ...]
    """Those that poll it, the living ones first."""

    @property
    def waiting(self) -> tuple[ItemRow, ...]:
        return tuple(item for item in self.items if item.waits)

    @property
    def living(self) -> tuple[AgentRow, ...]:
        return tuple(agent for agent in self.agents if agent.lives)

    @property
    def headline(self) -> str:
        """ "2 wait, 1 running, 5 done; 1 agent polls it"."""
        counts = {state: sum(item.state == state for item in self.items) for state in _SHOWN}
        words = {"waiting": "waits" if counts["waiting"] == 1 else "wait", "leased": "being taken"}
        said = [f"{count} {words.get(state, state)}" for state, count in counts.items() if count]
        count = len([agent for agent in self.living if agent.state != "stopped"])
        polled = "no agent polls it" if not count else f"{count} agent{'s poll' if count > 1 else ' polls'} it"
        return f"{', '.join(said) or 'empty'}; {polled}"

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "entity": self.entity,
            "url": self.url,
            "headline": self.headline,
            "items": [asdict(item) for item in self.items],
            "agents": [{**asdict(agent), "busy": list(agent.busy)} for agent in self.agents],
        }


_SHOWN = ("waiting", "leased", "taken", "running", "done", "failed", "cancelled")


def queue_view(
    client: QueueClient, queue: str, *, project: str, states: Mapping[str, str], pace: float = 1.0
) -> QueueView:
    """What is in the queue. `project`: the W&B project of our runs; `states`: run id -> state, of this machine's store.

    CloudError: "not-found" where there is no such queue.
    """
    items, agents = client.items(queue), client.agents()
    taken = [item.run_id for item in items if item.state == "CLAIMED" and item.run_id and item.run_id not in states]
    told = client.run_states(project, taken[-MOST_ASKED:])
    queue_id, now, silent = client.queue_id(queue), client.server_now, silent_s(pace)
    known = {**{run: _OF_WANDB.get(state, "running") for run, state in told.items()}, **_ours(states)}
    over = frozenset(run for run, state in known.items() if state != "running")
    names = {agent.id: agent.name or agent.id for agent in agents}
    rows: list[ItemRow] = []
    for item in items:
        place = (
            standing(item, items, agents, queue_id=queue_id, server_now=now, over=over, silent=silent)
            if item.waits
            else None
        )
        rows.append(
            ItemRow(
                id=item.id,
                state=_state(item, known),
                run=item.run_id,
                name=str(item.spec.get("name") or ""),
                waits_s=max(0.0, now - item.created_at) if item.waits and item.created_at is not None else None,
                position=place.position if place else 0,
                reason=place.reason if place else item.error,
                remedy=place.remedy if place else "",
                agent=names.get(item.agent_id, ""),
                project=str(item.spec.get("project") or ""),
            )
        )
    polling = [_agent_row(agent, items, over, now, silent) for agent in agents if polls(agent, queue_id)]
    polling.sort(key=lambda row: (not row.lives, row.heard_s if row.heard_s is not None else 1e12))
    return QueueView(queue, client.entity, client.page, tuple(rows), tuple(polling))


def _agent_row(agent: LaunchAgent, items: Sequence[Item], over: frozenset[str], now: float, silent: float) -> AgentRow:
    state = "polling" if agent.status != "RUNNING" else "busy"
    if not alive(agent, now, silent):
        state = "gone"
    elif agent.stop_polling:
        state = "stopped"
    return AgentRow(
        id=agent.id,
        name=agent.name or agent.id,
        host=agent.host,
        state=state,
        heard_s=None if agent.heartbeat_at is None else max(0.0, now - agent.heartbeat_at),
        slots=agent.slots,
        busy=tuple(busy_with(agent, items, over)) if state != "gone" else (),
        version=agent.version,
    )


def _state(item: Item, known: Mapping[str, str]) -> str:
    if item.state == "CLAIMED":
        return known.get(item.run_id, "taken")
    return {"PENDING": "waiting", "LEASED": "leased"}.get(item.state, "failed")


def _ours(states: Mapping[str, str]) -> dict[str, str]:
    return {run: _OF_STORE.get(state, "running") for run, state in states.items()}
