"""What a W&B server says of a run besides its rows, and the file in which that is kept: `online.json`.

A card comes from a look, from a list of runs, or from the file. It is what there is to show of a run while the server
cannot be reached.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from arrcoc_core.online.decoding import parse_object, plain_config

FILE = "online.json"
LIVE = frozenset({"running", "pending", "preempting"})
"""States in which rows may come. The others: finished, failed, crashed, killed, preempted."""


@dataclass(frozen=True)
class Card:
    path: str
    """"entity/project/run id"."""
    name: str = ""
    """What it is called on its page."""
    state: str = ""
    user: str = ""
    created_at: str = ""
    """As the server writes it: ISO 8601, in UTC also where it does not say so."""
    heartbeat_at: str = ""
    rows: int = 0
    """Rows that the server counts."""
    config: dict[str, Any] | None = None
    """None: not asked for yet."""
    summary: dict[str, Any] = field(default_factory=dict[str, Any])
    tags: tuple[str, ...] = ()
    notes: str = ""
    looked_at: float = 0.0
    """Unix seconds of the newest look that the server answered."""


def card_of(path: str, node: Mapping[str, Any], looked_at: float, before: Card | None = None) -> Card:
    """From a run as GraphQL gives it; parts that were not asked for are taken from the card before."""
    old = before or Card(path)
    whole = "displayName" in node
    user: Mapping[str, Any] = node.get("user") or {}
    return Card(
        path=path,
        name=str(node.get("displayName") or "") if whole else old.name,
        state=str(node.get("state") or ""),
        user=str(user.get("username") or user.get("name") or "") if whole else old.user,
        created_at=str(node.get("createdAt") or ""),
        heartbeat_at=str(node.get("heartbeatAt") or ""),
        rows=int(node.get("historyLineCount") or 0),
        config=plain_config(node["config"]) if "config" in node else old.config,
        summary=parse_object(node.get("summaryMetrics")) if whole else old.summary,
        tags=tuple(str(tag) for tag in node.get("tags") or ()) if whole else old.tags,
        notes=str(node.get("notes") or "") if whole else old.notes,
        looked_at=looked_at,
    )


def load_card(directory: Path) -> Card | None:
    """The card that is kept in a run's folder; None where there is none that can be read."""
    try:
        held: dict[str, Any] = json.loads((directory / FILE).read_bytes())
        held["tags"] = tuple(held["tags"])
        return Card(**held)
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
        return None


def save_card(directory: Path, card: Card) -> None:
    """Puts the card in place of the one before."""
    temporary = directory / f".{FILE}.{os.getpid()}"
    try:
        temporary.write_text(json.dumps(asdict(card), separators=(",", ":")), encoding="utf-8")
        temporary.replace(directory / FILE)
    finally:
        temporary.unlink(missing_ok=True)  # there only where the disk was full
