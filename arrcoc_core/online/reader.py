"""`Reader`: one run of a W&B server, read into a column cache, a look at a time.

    ask = reader.ask()                      what to ask next: rows behind the newest one, and what else is due
    look = reader.take(ask, node, time)     the server's answer, written into the cache and counted

The cursor is the `_step` of the newest row that was read. Each look asks for that row again and for what is behind it,
so it costs what is new, however long the history is. The row itself shows that the history is still the one that was
read: where another row is in its place, or none, somebody has rewound the run, or deleted it and made it anew, and the
cache begins again (a new epoch, at which charts drop all).

Windows. A server samples where a window holds more rows than were asked for, so a window is as many steps wide as rows
may come: nothing can be left out. Where steps have gaps (they are somebody's token counts) it is made wider while it
comes back almost empty, and narrower, without taking anything, as soon as half of what was asked for comes.

State is in the index of the cache: any process may go on where another one stopped, and what two of them bring at once
is counted once.
"""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from arrcoc_core.metrics import index
from arrcoc_core.metrics.cache import DIRECTORY, CacheWriter, begin_anew, disk_errors, locked, steps_of
from arrcoc_core.metrics.index import RemoteEntry
from arrcoc_core.online.addresses import RunPath
from arrcoc_core.online.cards import LIVE, Card, card_of, load_card, save_card
from arrcoc_core.online.console import Console
from arrcoc_core.online.decoding import (
    HistoryRow,
    as_columns,
    parse_events,
    parse_object,
    parse_rows,
    seconds_of,
    tail_lines,
)
from arrcoc_core.online.queries import Ask, Window

PAGE, CATCH_UP_PAGE = 1_000, 10_000
_WIDER = 8
"""How much wider a window gets that came back almost empty."""
_LOST_AFTER = 3
"""So often the newest row may be missing from an answer: a server's copies may lag behind each other."""
_CARD_S = 15.0
_HEARTBEAT_KEPT_S = 15.0
_SYSTEM_S = 2.0
_WHOLE_EVENTS = 5_000
"""Lines of system metrics that are asked for at most; a longer stream comes sampled, as W&B itself shows it."""
_WORDS: Mapping[str, str] = {
    "pages": "useImprovedPagination",
    "tail": "historyTail",
    "console": "logLine",
    "system": "events",
}
"""Part of a question -> the word by which a server's error names it."""
FILES = Path("files")
"""Below the run's folder: where pictures are kept."""


@dataclass(frozen=True)
class Look:
    """What one answer brought."""

    rows: int = 0
    steps: int = 0
    changed: tuple[str, ...] = ()
    media: int = 0
    console: int = 0
    system: tuple[str, ...] = ()
    state: str = ""
    more: bool = False
    """There is more to be had at once."""
    ended: bool = False
    """No rows will come any more, and all are here."""
    last_time: float | None = None
    anew: bool = False
    """The cache was begun again."""

    @property
    def anything(self) -> bool:
        return bool(self.rows or self.changed or self.media or self.console or self.system or self.anew)


class Reader:
    def __init__(self, path: RunPath, directory: Path, *, mirrored: bool = False) -> None:
        """`directory`: the run's folder. `mirrored`: its files come here too and bring what a console wrote."""
        self.path = path
        self.directory = directory
        self.system = self.console = False
        self.mirrored = mirrored
        self.card: Card | None = load_card(directory)
        self._cache = directory / DIRECTORY
        self._page = PAGE
        self._card_at = self._system_at = float("-inf")
        self._refused: set[str] = set()
        self._forget("")

    def _forget(self, epoch: str) -> None:
        """The cache has begun again."""
        self._epoch = epoch
        self._width = PAGE
        self._scanned = 0
        """Steps before this one are read, also where there was none behind the cursor."""
        self._tail = -1
        """`_step` of the server's newest row, as it was told last."""
        self._behind = 0
        """Steps from the newest row here to that one, when it was told."""
        self._missed = 0
        self._whole_events = False
        self._lines = Console()

    @property
    def far_behind(self) -> bool:
        """Whether the server has told of far more rows than are here."""
        return self._behind > PAGE

    def ask(self) -> Ask:
        """What the next look asks for."""
        state = index.load(self._cache)
        if state is not None and state.epoch != self._epoch:
            self._forget(state.epoch)
        entry = (state.remote if state is not None else None) or RemoteEntry(str(self.path))
        now = clock.monotonic()
        first = max(entry.cursor, self._scanned, 0)
        self._behind = self._tail - first
        self._page = CATCH_UP_PAGE if self.far_behind else PAGE
        width = max(self._width, self._page)
        if width > self._page:
            width = max(self._page, min(width, self._behind + 1))
        system = self.system and "system" not in self._refused and now - self._system_at >= _SYSTEM_S
        lines, paged, after = 0, False, None
        if self.console and not self.mirrored and "console" not in self._refused:
            lines, paged, after = self._lines.ask(entry, may_page="pages" not in self._refused)
        return Ask(
            self.path,
            Window(first, first + width, self._page),
            cursor=entry.cursor,
            tail="tail" not in self._refused,
            card=self.card is None or self.card.config is None or now - self._card_at >= _CARD_S,
            system=system,
            events=_WHOLE_EVENTS if system and (entry.events_whole == 0 or self._whole_events) else 0,
            lines=lines,
            paged=paged,
            after=after,
        )

    def refuse(self, ask: Ask, said: str) -> bool:
        """The server does not know something of this question: leave that out from now on. `said`: its own words.

        False where nothing is left to leave out.
        """
        asked = {"pages": ask.paged, "tail": ask.tail, "console": ask.lines > 0, "system": ask.system}
        parts = [part for part, is_asked in asked.items() if is_asked]
        named = [part for part in parts if _WORDS[part] in said]
        self._refused |= {*(named or parts)[:1]}
        return bool(parts)

    def take(self, ask: Ask, node: Mapping[str, Any], *, wait_s: float = 10.0) -> Look:
        """Writes what is new. MetricsError where it is no answer, or there is no room for it: nothing counts then."""
        rows = sorted(parse_rows(node.get("history") or ()), key=lambda row: row.step)
        tail = parse_rows(tail_lines(node.get("historyTail")))
        last = tail[-1].step if tail else int(parse_object(node.get("historyKeys")).get("lastStep", -1))
        with disk_errors(self._cache):
            self._cache.mkdir(parents=True, exist_ok=True)
            with locked(self._cache, wait_s) as held:
                if not held:
                    return Look(more=True)
                return self._take(ask, node, rows, last)

    def _take(self, ask: Ask, node: Mapping[str, Any], rows: list[HistoryRow], tail: int) -> Look:
        created, run_state = str(node.get("createdAt") or ""), str(node.get("state") or "")
        loaded = index.load(self._cache)
        state = loaded or begin_anew(self._cache)
        held = state.remote
        if held is not None and (self._is_another(held, created) or self._is_rewound(held, ask, rows)):
            state = begin_anew(self._cache)
        anew = loaded is not None and state.epoch != loaded.epoch
        if state.epoch != self._epoch:
            self._forget(state.epoch)
        entry = state.remote = state.remote or RemoteEntry(str(self.path), created)
        before = replace(entry)
        self._tail = tail
        writer = CacheWriter(self._cache, state)
        if entry.cursor < ask.cursor:  # begun again since it was asked: in front of this answer rows are missing
            writer.commit()
            return Look(more=True, anew=anew, state=run_state)
        fresh, more = self._fresh(entry, ask.window, rows, tail)
        changed, media = writer.write_rows(
            as_columns(fresh), files=FILES, start=seconds_of(created), counted=entry.rows
        )
        if fresh:
            entry.cursor, entry.cursor_time = fresh[-1].step, fresh[-1].time
            entry.rows += len(fresh)
        system = self._take_system(writer, entry, ask, node)
        console, more_lines = self._lines.take(writer, entry, ask, node) if ask.lines else (0, False)
        self._behind = max(0, tail - max(entry.cursor, self._scanned)) if more else 0
        entry.ended = run_state not in LIVE and not more and not more_lines
        self._keep_card(ask, node)
        config = self.card.config if self.card is not None and not state.segments else None
        reconfigured = config is not None and config != state.config
        if config is not None:
            state.config = config
        if loaded is None or anew or reconfigured or entry != before:
            writer.commit()
        return Look(
            rows=len(fresh),
            steps=steps_of(state),
            changed=changed,
            media=media,
            console=console,
            system=system,
            state=run_state,
            more=more or more_lines,
            ended=entry.ended,
            last_time=state.last_time,
            anew=anew,
        )

    def _fresh(
        self, entry: RemoteEntry, window: Window, rows: Sequence[HistoryRow], tail: int
    ) -> tuple[list[HistoryRow], bool]:
        """The rows that were not read yet, and whether more are to be had behind this window."""
        width = window.end - window.first
        if width > window.rows and len(rows) * 2 >= window.rows:
            self._width = max(self._page, width // _WIDER)
            return [], True
        new = [row for row in rows if (row.step, row.time) > (entry.cursor, entry.cursor_time)]
        if tail < window.end and not (new and new[-1].step == window.end - 1):
            self._width = PAGE
            return new, False
        # Rows come in the order of their steps: behind this window are some, so in it there are no others.
        self._scanned = window.end
        self._width = width * _WIDER if len(rows) * _WIDER < width else self._page
        return new, True

    def _is_another(self, entry: RemoteEntry, created: str) -> bool:
        return entry.path != str(self.path) or (bool(entry.created_at) and entry.created_at != created)

    def _is_rewound(self, entry: RemoteEntry, ask: Ask, rows: Sequence[HistoryRow]) -> bool:
        """Whether the history is no longer the one that was read up to the cursor."""
        if entry.cursor < 0 or ask.window.first != entry.cursor:
            return False
        there = [row for row in rows if row.step == entry.cursor]
        if any(abs(row.time - entry.cursor_time) < 1e-3 for row in there):
            self._missed = 0
            return False
        self._missed += 1
        return bool(rows) or self._missed >= _LOST_AFTER

    def _take_system(
        self, writer: CacheWriter, entry: RemoteEntry, ask: Ask, node: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """System metrics: all of them once, then what the tail brings; all again when a quarter of them is missing."""
        if not ask.system:
            return ()
        self._system_at = clock.monotonic()
        count = int(node.get("eventsLineCount") or 0)
        if not ask.events and count == entry.events:
            return ()
        tail = tail_lines(node.get("eventsTail"))
        lines = cast(list[Any], node.get("events") or []) + tail if ask.events else tail
        if ask.events:
            entry.events_whole, self._whole_events = count, False
        elif count - entry.events > len(tail):
            self._whole_events = count > 1.25 * entry.events_whole + 10 or str(node.get("state")) not in LIVE
        entry.events = count
        return writer.write_system(parse_events(lines))

    def _keep_card(self, ask: Ask, node: Mapping[str, Any]) -> None:
        before = self.card
        now = clock.time()
        card = card_of(str(self.path), node, now, before)
        if ask.card:
            self._card_at = clock.monotonic()
        if before is not None and card.state != before.state and not ask.card:
            self._card_at = float("-inf")  # what it ended with is of interest at once
        self.card = card
        kept = 0.0 if before is None else before.looked_at
        if ask.card or before is None or card.state != before.state or now - kept > _HEARTBEAT_KEPT_S:
            save_card(self.directory, card)
