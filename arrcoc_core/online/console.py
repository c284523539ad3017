"""The console log of a run on a W&B server, line by line into the cache.

Lines have numbers, from 0. A look asks for the newest few, as many as came lately and some more, and takes those that
are new; the newest one of all may still be written over (a progress bar), so it is left open in the cache and ended
when the next one comes. Where more is missing than a look brings (at first all of it) lines come in pages, from the
server's own mark behind the page before; servers older than 0.77 have no pages, and of their logs the end is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arrcoc_core.metrics.cache import CacheWriter
from arrcoc_core.metrics.index import RemoteEntry
from arrcoc_core.online.decoding import nodes_of, seconds_of
from arrcoc_core.online.queries import Ask

NAME = "console.jsonl"
_FEW, _MOST, _PAGE, _TAIL = 20, 1_000, 1_000, 10_000


class Console:
    """What the next look asks for; what is written is counted in the cache's index."""

    def __init__(self) -> None:
        self._missing = 0
        """Lines of the server that the newest answer did not bring."""
        self._lately = 0
        """New lines in the newest answer."""

    def ask(self, entry: RemoteEntry, *, may_page: bool) -> tuple[int, bool, str | None]:
        """(lines, whether in a page, the mark it begins behind)."""
        if entry.lines == 0 or self._missing:
            return (_PAGE, True, entry.lines_after) if may_page else (_TAIL, False, None)
        return min(_MOST, _FEW + 2 * self._lately), False, None

    def take(self, writer: CacheWriter, entry: RemoteEntry, ask: Ask, node: Mapping[str, Any]) -> tuple[int, bool]:
        """(lines written, whether more are to be had at once)."""
        connection: Mapping[str, Any] = node.get("logLines") or {}
        lines = sorted(nodes_of(connection), key=lambda line: int(line["number"]))
        count = int(node.get("logLineCount") or 0)
        if lines and entry.lines and int(lines[0]["number"]) > entry.lines and not ask.paged and ask.lines < _TAIL:
            self._missing = int(lines[0]["number"]) - entry.lines
            return 0, True
        pieces: list[dict[str, Any]] = []
        written = 0
        for line in lines:
            number, stream = int(line["number"]), "stderr" if line.get("level") == "error" else "stdout"
            text = str(line.get("line") or "").rstrip("\n")
            time = seconds_of(str(line.get("timestamp") or ""))
            if number == entry.lines - 1 and entry.open_line:
                if text != entry.open_line[1]:
                    pieces.append({"time": time, "stream": entry.open_line[0], "text": f"\r{text}"})
                    entry.open_line = [entry.open_line[0], text]
            elif number >= entry.lines:
                if entry.open_line:
                    pieces.append({"time": time, "stream": entry.open_line[0], "text": "\n"})
                pieces.append({"time": time, "stream": stream, "text": text})
                entry.open_line = [stream, text]
                entry.lines = number + 1
                written += 1
        writer.append(NAME, pieces)
        if ask.paged:
            page: Mapping[str, Any] = connection.get("pageInfo") or {}
            entry.lines_after = page.get("endCursor") or entry.lines_after
            more = bool(page.get("hasNextPage")) and bool(lines)
            self._missing = max(0, count - entry.lines) if more else 0
            return written, more
        self._missing, self._lately = 0, written
        return written, False
