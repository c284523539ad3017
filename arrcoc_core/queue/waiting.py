"""Why an item waits: one pure function of what W&B tells of the queue.

Whether an agent lives is told by its heartbeat, measured by the server's own clock. One that polls has a free slot and
takes the first item that waits; one that "runs" has none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from arrcoc_core.formatting import plural
from arrcoc_core.queue.records import Item, LaunchAgent

SILENT_S = 90.0
"""An agent that has not been heard of for so long counts as gone: ours and wandb's say something every 20 s."""
_LEAST_SILENT_S = 15.0
"""However fast time passes there: a busy machine keeps an agent from speaking for a while."""
NAMED_S = 60.0
"""A run that waits longer than this is told why."""
START_ONE = "arrcoc agent --detach   starts one on this machine"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an item stands. `position` counts from 1 among those that wait."""

    position: int
    reason: str
    remedy: str = ""


def alive(agent: LaunchAgent, server_now: float, silent: float = SILENT_S) -> bool:
    """Whether it has been heard of lately, and has not said that it ends."""
    if agent.status == "KILLED" or agent.heartbeat_at is None:
        return False
    return server_now - agent.heartbeat_at < silent


def silent_s(pace: float) -> float:
    """SILENT_S where time passes `pace` times as fast."""
    return max(_LEAST_SILENT_S, SILENT_S / pace)


def polls(agent: LaunchAgent, queue_id: str) -> bool:
    return not agent.queues or not queue_id or queue_id in agent.queues


def standing(
    item: Item,
    items: Sequence[Item],
    agents: Sequence[LaunchAgent],
    *,
    queue_id: str = "",
    server_now: float,
    over: Collection[str] = (),
    silent: float = SILENT_S,
) -> Standing:
    """Where an item that waits stands, and what keeps it. `over`: ids of runs that are known to have ended."""
    waiting = [one for one in items if one.waits]
    ahead = next((n for n, one in enumerate(waiting) if one.id == item.id), len(waiting))
    position = ahead + 1
    by_id = {agent.id: agent for agent in agents}
    if item.state == "LEASED":
        taker = by_id.get(item.agent_id)
        return Standing(position, f"{title(taker) if taker else 'an agent'} is taking it")
    ours = [agent for agent in agents if polls(agent, queue_id)]
    living = [agent for agent in ours if alive(agent, server_now, silent)]
    stopped = [agent for agent in living if agent.stop_polling]
    open_ones = [agent for agent in living if not agent.stop_polling]
    if not open_ones:
        if stopped:
            names = ", ".join(title(agent) for agent in stopped)
            return Standing(position, f"the queue is paused: {names} was told at W&B to stop polling", START_ONE)
        return Standing(position, f"no agent polls the queue{_last_one(ours)}", START_ONE)
    behind = f"{plural(ahead, 'item')} {'is' if ahead == 1 else 'are'} ahead" if ahead else ""
    if all(agent.status == "RUNNING" for agent in open_ones):
        busy = "; ".join(busy_words(agent, items, over) for agent in open_ones)
        return Standing(position, f"{busy}; {behind}" if behind else busy, "arrcoc agent --slots N   gives more slots")
    if behind:
        return Standing(position, behind)
    free = next(agent for agent in open_ones if agent.status != "RUNNING")
    return Standing(position, f"{title(free)} takes it next")


def busy_with(agent: LaunchAgent, items: Sequence[Item], over: Collection[str] = ()) -> list[str]:
    """Runs that an agent has taken and that are not known to have ended, newest first; at most its slots."""
    taken = [one.run_id for one in items if one.state == "CLAIMED" and one.agent_id == agent.id and one.run_id]
    running = [run_id for run_id in reversed(taken) if run_id not in over]
    return running[: agent.slots] if agent.slots is not None else running


def busy_words(agent: LaunchAgent, items: Sequence[Item], over: Collection[str] = ()) -> str:
    """ "all 2 slots of agent X on HOST are busy with run A and B"."""
    runs = busy_with(agent, items, over)
    slots = "the slot" if agent.slots == 1 else f"all {agent.slots} slots" if agent.slots else "all slots"
    verb = "is" if agent.slots == 1 else "are"
    with_what = f" with {', '.join(runs[:3])}{' and more' if len(runs) > 3 else ''}" if runs else ""
    return f"{slots} of {title(agent)} {verb} busy{with_what}"


def title(agent: LaunchAgent) -> str:
    """ "agent NAME on HOST"."""
    return f"agent {agent.name or agent.id}{f' on {agent.host}' if agent.host else ''}"


def ordinal(position: int) -> str:
    """1 -> "first", 4 -> "4th"."""
    words = {1: "first", 2: "second", 3: "third"}
    if position in words:
        return words[position]
    tail = {1: "st", 2: "nd", 3: "rd"}.get(position % 10, "th") if position % 100 not in (11, 12, 13) else "th"
    return f"{position}{tail}"


def _last_one(agents: Sequence[LaunchAgent]) -> str:
    """Without a time: what is said of a waiting run is written down whenever it changes."""
    heard = [agent for agent in agents if agent.heartbeat_at is not None]
    if not heard:
        return ""
    last = max(heard, key=lambda agent: agent.heartbeat_at or 0.0)
    return f" ({title(last)} {'has ended' if last.status == 'KILLED' else 'is not heard of any more'})"
