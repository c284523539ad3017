"""What `arrcoc queue --json` and `arrcoc agent --status --json` print, as the rows of two tables: plain values, no Qt.

Ages (how long an item waits, when an agent was heard of) were true when the command told them; they go on growing by
`age_s`, the seconds since then, so that a table that is not asked for anew does not look younger than it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from arrcoc_core.formatting import UNKNOWN, duration, plural
from arrcoc_gui.cloud.trouble import Trouble, fixes_of, redact
from arrcoc_gui.widgets.plain_table import Cell, TableRow
from arrcoc_gui.widgets.shapes import StateLook

ITEM_HEADERS = ("#", "State", "Run", "Waits", "Agent", "Why")
AGENT_HEADERS = ("Agent", "State", "Host", "Heard of", "Slots", "Has taken")
ENDED_SHOWN = 8
"""Items that have ended, the newest; older ones are counted."""

ITEM_LOOKS: Mapping[str, StateLook] = {
    "waiting": StateLook("waiting", "circle", "warn", live=True),
    "leased": StateLook("being taken", "triangle-hollow", "accent", live=True),
    "taken": StateLook("taken", "triangle", "accent", live=True),
    "running": StateLook("running", "triangle", "accent", live=True),
    "done": StateLook("done", "tick", "good"),
    "failed": StateLook("failed", "cross", "bad"),
    "cancelled": StateLook("cancelled", "square", "muted"),
}
AGENT_LOOKS: Mapping[str, StateLook] = {
    "polling": StateLook("polls", "triangle", "good", live=True),
    "busy": StateLook("busy", "bars", "accent", live=True),
    "stopped": StateLook("told to stop", "square-hollow", "warn"),
    "gone": StateLook("gone", "cross", "muted"),
}
_ENDED = ("done", "failed", "cancelled")
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z?\s+")


@dataclass(frozen=True)
class QueueRows:
    """One look at a queue."""

    held: Mapping[str, Any]

    @property
    def title(self) -> str:
        entity, name = str(self.held.get("entity") or ""), str(self.held.get("name") or "")
        return f"{entity}/{name}" if entity else name

    @property
    def url(self) -> str:
        return str(self.held.get("url") or "")

    @property
    def headline(self) -> str:
        """ "2 wait, 1 running; no agent polls it"."""
        return str(self.held.get("headline") or "")

    @property
    def items(self) -> list[Mapping[str, Any]]:
        return list(self.held.get("items") or ())

    @property
    def agents(self) -> list[Mapping[str, Any]]:
        return list(self.held.get("agents") or ())

    @property
    def lively(self) -> bool:
        """Whether anything is expected to change by itself: then it is worth another look soon."""
        return any(item.get("state") not in _ENDED for item in self.items) or any(
            agent.get("state") != "gone" for agent in self.agents
        )

    @property
    def trouble(self) -> Trouble | None:
        """What a person can do for the first that waits for more than its turn; None where nothing is to be done."""
        stuck = next((item for item in self.items if item.get("state") == "waiting" and item.get("remedy")), None)
        if stuck is None:
            return None
        name = stuck.get("run") or stuck.get("name") or "An item"
        fixes = tuple(
            replace(fix, text=f"{fix.text[:1].upper()}{fix.text[1:]}:") if fix.command and fix.text else fix
            for fix in fixes_of(str(stuck["remedy"]))
        )
        return Trouble(f"{name} waits: {stuck.get('reason')}.", "", fixes)

    def item(self, item_id: str) -> Mapping[str, Any] | None:
        return next((item for item in self.items if item.get("id") == item_id), None)

    def item_rows(self, age_s: float = 0.0) -> list[TableRow]:
        """Those that wait or run, and the newest of those that have ended."""
        ended = [item for item in self.items if item.get("state") in _ENDED]
        hidden = {str(item.get("id")) for item in ended[: max(len(ended) - ENDED_SHOWN, 0)]}
        return [_item_row(item, age_s) for item in self.items if str(item.get("id")) not in hidden]

    @property
    def older(self) -> int:
        """How many that have ended are not shown."""
        return len(self.items) - len(self.item_rows())

    def agent_rows(self, age_s: float = 0.0) -> list[TableRow]:
        return [_agent_row(agent, age_s) for agent in self.agents]


def ended_at_once(log: str) -> Trouble:
    """What an agent wrote that has ended as soon as it was started: its last message, and the steps below that."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    steps: list[str] = []
    while lines and lines[-1].startswith("→"):
        steps.insert(0, lines.pop().removeprefix("→").strip())
    said = _STAMP.sub("", lines[-1]) if lines else "it wrote nothing"
    return Trouble(f"The agent has ended as soon as it was started: {redact(said)}", "", fixes_of("\n".join(steps)))


def removal_question(item: Mapping[str, Any], queue: str) -> tuple[str, str]:
    """Title and text of the question before an item is removed."""
    name = str(item.get("run") or item.get("name") or item.get("id"))
    waits = item.get("state") in ("waiting", "leased")
    text = (
        "No agent takes it any more, and nothing of it runs."
        if waits
        else "Only the item goes: its run goes on. Cancelling the run is done in the Monitor."
    )
    return f"Take {name} out of the queue {queue}?", text


def _item_row(item: Mapping[str, Any], age_s: float) -> TableRow:
    state, waits = str(item.get("state") or ""), item.get("waits_s")
    look = ITEM_LOOKS.get(state) or StateLook(state, "circle", "muted")
    name = str(item.get("run") or item.get("name") or "")
    position = int(item.get("position") or 0)
    return TableRow(
        str(item.get("id")),
        (
            Cell(f"{position}." if position else "", "muted"),
            Cell.of(look),
            Cell(name or "not named yet", "text" if name else "muted", bold=bool(name)),
            Cell(duration(waits + age_s, short=True) if waits is not None else ""),
            Cell(str(item.get("agent") or ""), "muted"),
            Cell(str(item.get("reason") or ""), "bad" if state == "failed" else "muted"),
        ),
    )


def _agent_row(agent: Mapping[str, Any], age_s: float) -> TableRow:
    state, heard, slots = str(agent.get("state") or ""), agent.get("heard_s"), agent.get("slots")
    look = AGENT_LOOKS.get(state) or StateLook(state, "circle", "muted")
    busy = [str(run) for run in agent.get("busy") or ()]
    of = UNKNOWN if slots is None else f"{slots}"
    return TableRow(
        str(agent.get("id")),
        (
            Cell(str(agent.get("name") or agent.get("id")), bold=state != "gone"),
            Cell.of(look),
            Cell(str(agent.get("host") or ""), "muted"),
            Cell("never" if heard is None else f"{duration(heard + age_s, short=True)} ago", "muted"),
            Cell("" if state == "gone" else f"{len(busy)} of {of}"),
            Cell(", ".join(busy), "muted", tip=f"{plural(len(busy), 'run')}: {', '.join(busy)}" if busy else ""),
        ),
    )
