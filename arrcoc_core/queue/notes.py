"""What an agent has taken, on disk before anything else is done with it.

    agent.json        the agent's id at W&B, kept over restarts
    items/<…>.json    one note for each item that it has popped and not finished with

A note is written whole or not at all, and flushed to the disk: an agent that is killed at any line finds, when it is
started again, every item that it may have acknowledged.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Stage = Literal["popped", "known", "claimed", "held", "refused"]


@dataclass(frozen=True, slots=True)
class Note:
    """popped: nothing is known of it yet. known: which run it is. claimed: the claim is ours. held: acknowledged, the
    run goes on. refused: it is to be failed with `message`."""

    item: str
    agent: str
    """The agent's id at W&B by which it was popped."""
    popped_at: float = 0.0
    """By this machine's clock."""
    stage: Stage = "popped"
    run: str = ""
    message: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def takes_slot(self) -> bool:
        return self.stage != "refused"


class Notebook:
    """The notes of one agent. It belongs to one process: see `hiring.py`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._items = self.folder / "items"
        self._items.mkdir(parents=True, exist_ok=True)

    def all(self) -> list[Note]:
        """Oldest first. What cannot be read is no note: it was never whole."""
        held = [_read(path) for path in self._items.glob("*.json")]
        return sorted((Note(**one) for one in held if one is not None), key=lambda note: (note.popped_at, note.item))

    @property
    def goes_on(self) -> str:
        """What an agent leaves behind that ends now: "1 run goes on, driven from this machine"; "": nothing."""
        count = len({note.run for note in self.all() if note.stage in ("claimed", "held")})
        runs = "1 run goes" if count == 1 else f"{count} runs go"
        return f"{runs} on, driven from this machine" if count else ""

    def put(self, note: Note) -> None:
        _write(self._path(note.item), asdict(note))

    def drop(self, item: str) -> None:
        self._path(item).unlink(missing_ok=True)

    @property
    def agent_id(self) -> str:
        """The agent's id at W&B when it ran last; "": it never has."""
        return str((_read(self.folder / "agent.json") or {}).get("id", ""))

    @agent_id.setter
    def agent_id(self, value: str) -> None:
        _write(self.folder / "agent.json", {"id": value})

    def _path(self, item: str) -> Path:
        return self._items / f"{hashlib.sha256(item.encode()).hexdigest()[:24]}.json"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _write(path: Path, held: Mapping[str, Any]) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(held, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
