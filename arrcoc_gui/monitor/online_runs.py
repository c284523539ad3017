"""Runs of W&B projects, as the listing child tells them (arrcoc_core/online/listed.py), as plain values: no Qt.

A place is "entity/project"; OWN is the project of `.training`, whose real name the child says. What is known of a place
stays while its server is away, with how long it is so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from arrcoc_core.formatting import duration, plural
from arrcoc_gui.cloud.trouble import Trouble
from arrcoc_gui.monitor.run_view import AttemptView, OnlineView, RunView

OWN = "own"
_FINISHED = frozenset({"finished", "failed", "crashed", "killed", "preempted"})
_NAME = re.compile(r"[^/\\#?%:\x00-\x1f]{1,128}")


@dataclass(frozen=True)
class Place:
    """How the list of one project stands. `asked`: as it was chosen, which for OWN is not its name."""

    asked: str
    name: str = ""
    state: str = "loading"  # loading, loaded or failed
    total: int = 0
    shown: int = 0
    behind_s: float = 0.0
    offline: str = ""
    trouble: Trouble | None = None

    @property
    def title(self) -> str:
        if self.name:
            return self.name
        return "the project of .training" if self.asked == OWN else self.asked

    def words(self) -> str:
        """What there is to say below the list; "" where the list says it all."""
        if self.state == "failed":
            return f"{self.title} cannot be read: {self.trouble.message if self.trouble else 'no reason given'}"
        if self.offline:
            since = f", behind by {duration(self.behind_s)}" if self.behind_s >= 1 else ""
            return f"{self.title}: offline{since} ({self.offline})"
        if self.state == "loading":
            return f"{self.title}: loading …"
        if not self.total:
            return f"{self.title} has no run yet."
        if self.total > self.shown:
            return f"{self.title}: the newest {self.shown} of {plural(self.total, 'run')}"
        return ""


@dataclass
class OnlineRuns:
    """Takes the child's lines; `take` says whether anything that is shown has changed."""

    places: dict[str, Place] = field(default_factory=dict)
    runs: dict[str, dict[str, RunView]] = field(default_factory=dict)

    def expect(self, asked: Sequence[str]) -> None:
        """Exactly these places from now on; what is known of those that stay is kept."""
        self.places = {one: self.places.get(one) or Place(one) for one in asked}
        self.runs = {one: self.runs.get(one, {}) for one in asked}

    def take(self, line: Mapping[str, Any]) -> bool:
        asked = str(line.get("asked") or "")
        if line.get("type") != "place" or asked not in self.places:
            return False
        place = self.places[asked]
        name = str(line.get("place") or place.name)
        trouble = Trouble.of(line.get("trouble"))
        if trouble is not None:
            self.places[asked] = replace(place, name=name, state="failed", trouble=trouble)
            return self.places[asked] != place
        runs = self.runs[asked]
        if line.get("whole"):
            runs.clear()
        fresh = [online_view(held) for held in line.get("runs") or ()]
        runs.update({view.id: view for view in fresh})
        self.places[asked] = replace(
            place,
            name=name,
            state="loaded" if "total" in line or place.state == "loaded" else place.state,
            total=int(line.get("total", place.total)),
            shown=len(runs),
            behind_s=float(line.get("behind_s") or 0.0),
            offline=str(line.get("offline") or ""),
            trouble=None,
        )
        return bool(fresh) or bool(line.get("whole")) or self.places[asked] != place

    def ended(self, trouble: Trouble | None) -> None:
        """The child has ended by itself: nothing is known any more of what it was about to read."""
        for asked, place in self.places.items():
            if place.state == "loading":
                self.places[asked] = replace(place, state="failed", trouble=trouble)

    def views(self) -> list[RunView]:
        """All runs, each once, however many of the chosen places it is in."""
        return list({view.id: view for runs in self.runs.values() for view in runs.values()}.values())


def side_by_side(local: Sequence[RunView], online: Iterable[RunView]) -> list[RunView]:
    """One list, newest first. A run of this project's store that logs online is there once, as the store's."""
    own = {view.id for view in local}
    rows = [*local, *(view for view in online if view.online is None or _run_id(view) not in own)]
    return sorted(rows, key=lambda view: view.created_at, reverse=True)


def online_view(held: Mapping[str, Any]) -> RunView:
    """A run as the child tells it (`OnlineRun.to_json`, and how it is followed)."""
    state = str(held.get("state") or "")
    ended = state in _FINISHED
    created = _moment(held.get("created_at")) or datetime.fromtimestamp(0, UTC)
    ended_at = (_moment(held.get("ended_at")) or _moment(held.get("heartbeat_at"))) if ended else None
    watch: Mapping[str, Any] = held.get("watch") or {}
    path = str(held.get("path") or "")
    return RunView(
        id=path,
        experiment=str(held.get("experiment") or held.get("name") or held.get("id") or path),
        state=state,
        cause="",
        created_at=created,
        started_at=created,
        ended_at=ended_at,
        directory=Path(str(held.get("directory") or "")),
        summary={name: value for name, value in (held.get("summary") or {}).items() if isinstance(value, int | float)},
        attempts=(AttemptView(1, state, None, created, ended_at),),
        finished=ended,
        target="wandb",
        sandbox=bool(held.get("sandbox")),
        wandb_url=str(held.get("url") or ""),
        logs_online=True,
        online=OnlineView(
            path=path,
            place=f"{held.get('entity')}/{held.get('project')}",
            user=str(held.get("user") or ""),
            tags=tuple(str(tag) for tag in held.get("tags") or ()),
            rows=int(held.get("rows") or 0),
        ),
        remote=dict(watch.get("online") or {}),
    )


def parse_place(text: str) -> str:
    """ "entity/project" of what a person typed or pasted: that itself, or the address of a page of the project or of
    one of its runs. ValueError with what is allowed.
    """
    text = text.strip()
    if "://" in text:
        text = unquote(urlsplit(text).path)
    parts = [part for part in text.strip("/").split("/") if part]
    if len(parts) < 2 or not all(_NAME.fullmatch(part) and part.strip(". ") for part in parts[:2]):
        raise ValueError("Write entity/project, or paste the address of a page at W&B.")
    return "/".join(parts[:2])


def _run_id(view: RunView) -> str:
    return view.id.rsplit("/", 1)[-1]


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
