"""What W&B tells of a Launch queue: its items, its agents, and what it is set up as.

An item is PENDING until an agent has popped it, then LEASED; within a minute the agent acknowledges it, which makes it
CLAIMED for good, or it is PENDING again (the rule stands in wandb 0.31, sdk/launch/agent/agent.py:LaunchAgent.loop: not
acknowledged, it "will be pushed back onto the queue in 1 min"). FAILED is what an agent could not run. That a run has
ended is not the item's to say: it stays CLAIMED, and names its run.

Times are the server's, in Unix seconds; the only clock they are ever compared with is the server's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

ItemState = Literal["PENDING", "LEASED", "CLAIMED", "FAILED"]


@dataclass(frozen=True, slots=True)
class Item:
    id: str
    state: ItemState
    run_id: str = ""
    """Of its run: what an agent acknowledged it with, else what it was pushed with; "": none yet."""
    agent_id: str = ""
    """The agent that popped it last."""
    created_at: float | None = None
    error: str = ""
    """Why it failed, as far as the server tells."""
    spec: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """What is to be run; {} where the server does not tell."""

    @property
    def waits(self) -> bool:
        return self.state in ("PENDING", "LEASED")


@dataclass(frozen=True, slots=True)
class LaunchAgent:
    id: str
    name: str
    host: str
    status: str
    """"POLLING" while it has a free slot, "RUNNING" while it has none, "KILLED" once it has ended."""
    heartbeat_at: float | None
    queues: tuple[str, ...] = ()
    """Ids of the queues it polls."""
    stop_polling: bool = False
    """Somebody has told it on the web page to stop."""
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What it was started with; {} where the server does not tell."""
    version: str = ""

    @property
    def slots(self) -> int | None:
        """How many runs it takes at once; None: not told."""
        held = self.config.get("max_jobs")
        return held if isinstance(held, int) and held >= 0 else None


@dataclass(frozen=True, slots=True)
class QueueSetup:
    """What a queue is set up as."""

    id: str
    resource: str
    """"gcp-vertex", "kubernetes", …; "" where it has no configuration."""
    config: Mapping[str, Any]
    """Of that resource, without W&B's wrapping."""
    variables: Mapping[str, Any]
    """Template variable -> its JSON schema."""


def item_of(node: Mapping[str, Any]) -> Item:
    spec = mapping(node.get("runSpec"))
    error = mapping(node.get("error"))
    return Item(
        id=str(node["id"]),
        state=node["state"],
        run_id=str(node.get("associatedRunId") or spec.get("run_id") or ""),
        agent_id=str(node.get("launchAgentId") or ""),
        created_at=seconds(node.get("createdAt")),
        error=str(error.get("message") or ""),
        spec=spec,
    )


def agent_of(node: Mapping[str, Any]) -> LaunchAgent:
    return LaunchAgent(
        id=str(node["id"]),
        name=str(node.get("name") or ""),
        host=str(node.get("hostname") or ""),
        status=str(node.get("agentStatus") or ""),
        heartbeat_at=seconds(node.get("heartbeatAt")),
        queues=tuple(str(one) for one in node.get("runQueues") or ()),
        stop_polling=bool(node.get("stopPolling")),
        config=mapping(node.get("agentConfig")),
        version=str(node.get("version") or ""),
    )


def setup_of(queue_id: str, held: Mapping[str, Any] | None) -> QueueSetup:
    """From a default resource config of the server."""
    if held is None:
        return QueueSetup(queue_id, "", {}, {})
    resource = str(held.get("resource") or "")
    wrapped = mapping(mapping(held.get("config")).get("resource_args"))
    variables = {str(one["name"]): mapping(one.get("schema")) for one in held.get("templateVariables") or ()}
    return QueueSetup(queue_id, resource, mapping(wrapped.get(resource)), variables)


def mapping(held: Any) -> dict[str, Any]:
    """A JSON object that W&B gives as such, or as its text; {} for anything else."""
    if isinstance(held, str):
        try:
            held = json.loads(held)
        except ValueError:
            return {}
    return dict(held) if isinstance(held, dict) else {}  # pyright: ignore[reportUnknownArgumentType]


def seconds(text: Any) -> float | None:
    """W&B's times are ISO 8601, in UTC where they do not say otherwise."""
    if not isinstance(text, str) or not text:
        return None
    plain = text if text.endswith("Z") or "+" in text[10:] else f"{text}Z"
    try:
        return datetime.fromisoformat(plain).timestamp()
    except ValueError:
        return None
