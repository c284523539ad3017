"""`arrcoc queue`: what is in a W&B Launch queue and who takes it from there; `--remove` takes an item out."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from arrcoc_core.cli.terminal import STATE_STYLES, confirm, dash, paint, printable, say, say_json, table
from arrcoc_core.errors import ConfigError
from arrcoc_core.formatting import UNKNOWN, duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arrcoc_core.queue import AgentRow, ItemRow, QueueClient, QueueView

SHOWN = 20
"""Items that have ended; older ones are counted only."""
_STYLES = {
    "waiting": "muted",
    "leased": "accent",
    "taken": "accent",
    "done": "good",
    "polling": "good",
    "busy": "accent",
}


def queue(arguments: argparse.Namespace) -> int:
    from arrcoc_core.queue import QueueClient, look, queue_name
    from arrcoc_core.settings import find_root, load_settings

    root = find_root()
    settings = load_settings(root)
    client = QueueClient.of(settings)
    view = look(root, settings, arguments.queue or queue_name(settings), client=client)
    if arguments.remove:
        return _remove(client, view, arguments.remove, yes=arguments.yes)
    if arguments.json:
        say_json(view.to_json())
        return 0
    for line in lines(view):
        say(line)
    return 0


def lines(view: QueueView) -> list[str]:
    """The queue for a terminal."""
    found = [f"{paint(f'{view.entity}/{view.name}', 'bold')}: {view.headline}", paint(view.url, "muted")]
    if view.items:
        found += ["", item_table(view.items)]
    if view.agents:
        found += ["", agent_table(view.agents)]
    found += ["", *_next(view)]
    return found if found[-1] else found[:-1]


def item_table(items: Sequence[ItemRow]) -> str:
    """Those that wait or run, and the newest of those that have ended."""
    ended = [item for item in items if item.state in ("done", "failed", "cancelled")]
    hidden = {item.id for item in ended[:-SHOWN]}
    shown = [item for item in items if item.id not in hidden]
    rows = [
        (
            str(item.position or ""),
            _painted(item.state),
            dash(item.run or item.name),
            duration(item.waits_s, short=True) if item.waits else "",
            dash(item.agent),
            printable(item.reason),
        )
        for item in shown
    ]
    text = table(("#", "state", "run", "waits", "agent", "why"), rows, right=(0,))
    return f"{text}\n{paint(f'and {len(hidden)} older ones that have ended', 'muted')}" if hidden else text


def agent_table(agents: Sequence[AgentRow]) -> str:
    rows = [
        (
            printable(agent.name),
            _painted(agent.state),
            printable(agent.host),
            UNKNOWN if agent.heard_s is None else f"{duration(agent.heard_s, short=True)} ago",
            dash(agent.slots),
            ", ".join(agent.busy) or UNKNOWN,
        )
        for agent in agents
    ]
    return table(("agent", "state", "host", "heard of", "slots", "has taken"), rows)


def _next(view: QueueView) -> list[str]:
    remedies = list(dict.fromkeys(item.remedy for item in view.waiting if item.remedy))
    return [f"→ {remedy}" for remedy in remedies]


def _remove(client: QueueClient, view: QueueView, which: str, *, yes: bool) -> int:
    found = [item for item in view.items if which in (item.id, item.run)]
    if not found:
        raise ConfigError(f"{view.entity}/{view.name} has no item {which!r}.", remedy="arrcoc queue   lists them")
    for item in found:
        what = f"{item.run or item.name or item.id} ({item.state})"
        goes_on = "" if item.waits else " Its run goes on; arrcoc cancel stops it."
        if not yes and not confirm(f"Take {what} out of {view.entity}/{view.name}?{goes_on}"):
            say("Nothing was removed.")
            return 0
        client.remove(view.name, item.id)
        say(f"Removed {what}.")
    return 0


def _painted(state: str) -> str:
    return paint(state, _STYLES.get(state) or STATE_STYLES.get(state))
