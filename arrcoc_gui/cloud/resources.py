"""The rows that setup, infra and teardown print while they work, as plain values: no Qt.

    rows = ResourceRows()
    rows.apply({"type": "resource", "resource": "runs-bucket", "state": "creating", …}, now)

The first line about a resource makes its row, later ones replace it. What is going on has a duration that grows with
`now` (any monotonic clock, s); what has ended keeps the one the command measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from arrcoc_gui.cloud.trouble import Trouble
from arrcoc_gui.widgets.shapes import StateLook

LOOKS: Mapping[str, StateLook] = {
    "waiting": StateLook("waiting", "circle", "faint"),
    "checking": StateLook("checking", "loop", "accent", live=True),
    "ok": StateLook("ready", "tick", "good"),
    "passed": StateLook("ok", "tick", "good"),
    "missing": StateLook("missing", "circle", "warn"),
    "different": StateLook("differs", "square-hollow", "warn"),
    "foreign": StateLook("not ours", "square", "muted"),
    "creating": StateLook("creating", "triangle", "accent", live=True),
    "created": StateLook("created", "tick", "good"),
    "requested": StateLook("requested", "triangle-hollow", "accent"),
    "removing": StateLook("removing", "square-hollow", "warn", live=True),
    "removed": StateLook("removed", "tick", "muted"),
    "kept": StateLook("kept", "square", "muted"),
    "failed": StateLook("failed", "cross", "bad"),
    "skipped": StateLook("skipped", "bars", "muted"),
    "unknown": StateLook("not known", "circle", "warn"),
}
"""Every state of a resource by word, shape and colour."""

_WORST_FIRST = ("failed", "unknown", "missing", "different", "requested", "skipped", "foreign", "kept")


def look_of(state: str) -> StateLook:
    """The look of a state; one this version does not know is shown by its own word."""
    return LOOKS.get(state) or StateLook(state, "circle", "muted")


@dataclass(frozen=True)
class ResourceRow:
    """One resource. `since`: when what goes on began; `seconds`: how long the last step took."""

    key: str
    title: str
    state: str = "waiting"
    detail: str = ""
    seconds: float | None = None
    since: float | None = None
    console: str = ""
    trouble: Trouble | None = None

    @property
    def look(self) -> StateLook:
        return look_of(self.state)

    def took(self, now: float) -> float | None:
        """Seconds to show beside it; None while there is nothing to tell."""
        return now - self.since if self.since is not None else self.seconds

    def in_words(self) -> str:
        """For screen readers and the clipboard."""
        parts = [f"{self.title}: {self.look.word}", self.detail, self.trouble.message if self.trouble else ""]
        return ", ".join(part for part in parts if part)


class ResourceRows:
    """Rows in the order in which they were first told of."""

    def __init__(self) -> None:
        self._rows: dict[str, ResourceRow] = {}

    def __iter__(self) -> Iterator[ResourceRow]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: str) -> ResourceRow:
        return self._rows[key]

    @property
    def live(self) -> bool:
        """Whether one of them is at work."""
        return any(row.look.live for row in self)

    def clear(self) -> None:
        self._rows.clear()

    def apply(self, line: Mapping[str, Any], now: float) -> ResourceRow | None:
        """Take one line; the row it is about, or None where it is about none."""
        key = str(line.get("resource") or "")
        if not key or line.get("type", "resource") != "resource":
            return None
        before = self._rows.get(key)
        state = str(line.get("state") or "waiting")
        live = look_of(state).live
        going_on = before is not None and before.state == state and before.since is not None
        seconds = line.get("seconds")
        row = ResourceRow(
            key=key,
            title=str(line.get("title") or (before.title if before else key)),
            state=state,
            detail=str(line.get("detail") or ""),
            seconds=float(seconds) if isinstance(seconds, int | float) and not live else None,
            since=(before.since if going_on and before else now) if live else None,
            console=str(line.get("console") or (before.console if before else "")),
            trouble=Trouble.of(line.get("error")),
        )
        self._rows[key] = row
        return row

    def stop(self, why: str) -> None:
        """The command ended with some still at work: nobody knows how they stand."""
        for key, row in self._rows.items():
            if row.look.live or row.state == "waiting":
                state = "unknown" if row.look.live else "skipped"
                self._rows[key] = replace(row, state=state, since=None, detail=why)

    def sentence(self) -> str:
        """ "12 of 15 ready · 1 failed · 2 creating"; "" without rows."""
        if not self._rows:
            return ""
        counts = Counter(row.state for row in self)
        good = counts["ok"] + counts["created"] + counts["passed"]
        word = "ok" if counts["passed"] else "ready"
        parts = [f"{good} of {len(self)} {word}"] if good or not counts["removed"] else []
        parts += [f"{counts['removed']} removed"] if counts["removed"] else []
        parts += [f"{counts[state]} {look_of(state).word}" for state in _WORST_FIRST if counts[state]]
        parts += [f"{count} {look_of(state).word}" for state, count in counts.items() if look_of(state).live]
        return " · ".join(parts)

    def troubles(self) -> list[ResourceRow]:
        """Those that need a person."""
        return [row for row in self if row.trouble is not None]
