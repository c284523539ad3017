"""Rows that change while they are shown: redrawn in place on a terminal, a plain line for each end elsewhere.

`--json` writes each event as one line instead and shows nothing.
"""

from __future__ import annotations

import sys
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from arrcoc_core.cli.terminal import height, is_tty, paint, printable, say, say_line, shorten, width
from arrcoc_core.infra.events import BUSY, TONES, Event

_REDRAW_S = 0.1
_SLOW_S = 0.05
"""Shorter durations are not worth a number."""


_BEFORE_DETAIL = 22
"""Columns of a row besides its title and its detail."""


class LiveRows:
    """Shows events as rows. A context manager: on leaving, the rows stay as they were last.

    `below` gives more lines under the rows, such as tables that load.
    """

    def __init__(self, *, below: Callable[[], list[str]] | None = None, as_json: bool = False) -> None:
        self._events: dict[str, Event] = {}
        self._at: dict[str, float] = {}
        self._below = below
        self._live = is_tty() and not as_json
        self._as_json = as_json
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread = threading.Thread()
        self._drawn = 0

    def __enter__(self) -> LiveRows:
        self.resume()
        return self

    def __exit__(self, *_: object) -> None:
        self.pause()

    def pause(self) -> None:
        """Leave the terminal to a question."""
        if self._live:
            self._stop.set()
            self._thread.join()
            self._draw(whole=True)
            sys.stdout.write("\x1b[?25h")
            sys.stdout.flush()

    def resume(self) -> None:
        if self._live:
            self._drawn = 0
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._redraw, daemon=True)
            sys.stdout.write("\x1b[?25l")
            self._thread.start()

    def tell(self, event: Event) -> None:
        if self._as_json:
            say_line(event.to_json())
            return
        with self._lock:
            before = self._events.get(event.resource)
            self._events[event.resource] = event
            self._at[event.resource] = time.monotonic() - event.seconds
            fresh = before is None or (before.state, before.detail) != (event.state, event.detail)
            if not self._live and fresh and event.state not in BUSY:
                say(self._line(event, max(len(one.title) for one in self._events.values())))
                sys.stdout.flush()

    def lines(self) -> list[str]:
        with self._lock:
            titles = max((len(event.title) for event in self._events.values()), default=0)
            return [self._line(event, titles) for event in self._events.values()]

    def _wrapped(self, columns: int) -> list[str]:
        """The rows with nothing cut off: what is too long goes on under its own column."""
        with self._lock:
            titles = max((len(event.title) for event in self._events.values()), default=0)
            room = max(20, columns - 1 - _BEFORE_DETAIL - titles)
            lines: list[str] = []
            for event in self._events.values():
                first, *more = textwrap.wrap(_detail(event), room, break_on_hyphens=False) or [""]
                lines.append(self._line(replace(event, detail=first), titles))
                lines += [" " * (_BEFORE_DETAIL + titles) + line for line in more]
            return lines

    def _line(self, event: Event, titles: int) -> str:
        seconds = time.monotonic() - self._at[event.resource] if event.state in BUSY else event.seconds
        took = "" if event.state == "waiting" or seconds < _SLOW_S else f"{seconds:.1f} s"
        state = paint(f"{event.state:<9}", TONES[event.state])
        return f"{state}  {event.title:<{titles}}  {took:>7}  {_detail(event)}".rstrip()

    def _redraw(self) -> None:
        while not self._stop.wait(_REDRAW_S):
            self._draw()

    def _draw(self, *, whole: bool = False) -> None:
        columns = width()
        lines = self._wrapped(columns) if whole else self.lines()
        lines += self._below() if self._below is not None else []
        if not whole:
            lines = [shorten(line, columns - 1) for line in lines[: height() - 2]]
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        sys.stdout.write(up + "\x1b[J" + "".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
        self._drawn = len(lines)


def _detail(event: Event) -> str:
    return printable(event.detail.splitlines()[0]) if event.detail else ""
