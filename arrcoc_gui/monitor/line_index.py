"""A growing log as numbered lines, without holding its text.

`LineIndex` keeps the byte offset of every line of one file (8 bytes a line): a million lines cost 8 MB and
each later look reads only what was appended. `LogDocument` chains the files of a run's attempts into one
sequence of lines, with a heading line before each attempt (always, so that line numbers stay when a second
attempt begins). Both read files and so belong off the GUI thread.

A line is ended by `\n`; a last piece without one is shown too and grows in place. Bytes that are not UTF-8
are shown as replacement characters. A file that became shorter (replaced) is read again from its start.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 20
BUILD_LOG = "build.log"
LINE_LIMIT = 4000
"""Characters of one line that are handed out; a progress bar without newlines must not choke the view."""

_STAMP = re.compile(rb"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)(Z|\+00:00)\s?")


class LineIndex:
    """Line starts of one file. Not thread-safe: one job at a time advances it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._starts: NDArray[np.int64] = np.zeros(1024, dtype=np.int64)
        self._count = 1
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes indexed so far."""
        return self._size

    def __len__(self) -> int:
        """Lines so far; an empty piece after the last newline is no line."""
        return self._count - 1 if self._starts[self._count - 1] == self._size else self._count

    def advance(self, limit: int | None = None) -> bool:
        """Index what was appended, at most about `limit` bytes. Returns whether anything changed."""
        try:
            size = self.file.stat().st_size
        except FileNotFoundError:
            return False
        if size < self._size:
            self._count, self._size = 1, 0
        if size == self._size:
            return False
        end = size if limit is None else min(size, self._size + limit)
        with self.file.open("rb") as stream:
            stream.seek(self._size)
            while self._size < end:
                block = stream.read(min(CHUNK, end - self._size))
                if not block:
                    break
                newlines = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == 10)
                self._append(newlines + (self._size + 1))
                self._size += len(block)
        return True

    def complete(self) -> bool:
        """Whether everything that is in the file now has been indexed."""
        try:
            return self.file.stat().st_size <= self._size
        except FileNotFoundError:
            return True

    def lines(self, first: int, last: int) -> list[bytes]:
        """Lines `first` to `last` (exclusive), without their newlines. Raises OSError when the file is gone."""
        first, last = max(first, 0), min(last, len(self))
        if first >= last:
            return []
        start = int(self._starts[first])
        end = int(self._starts[last]) if last < self._count else self._size
        with self.file.open("rb") as stream:
            stream.seek(start)
            text = stream.read(end - start)
        cuts = np.append(self._starts[first:last], end) - start
        return [text[a:b].rstrip(b"\r\n") for a, b in pairwise(cuts)]

    def find(self, pattern: re.Pattern[bytes], first: int, last: int) -> list[int]:
        """Numbers of the lines from `first` to `last` (exclusive) that match, ascending, each once."""
        hits: list[int] = []
        last = min(last, len(self))
        starts = self._starts[: self._count]
        with self.file.open("rb") as stream:
            while first < last:
                # A block of whole lines: as many as fit in a chunk, at least one. One search over a block is
                # many times faster than one a line.
                begin = int(starts[first])
                stop = int(np.searchsorted(starts, begin + CHUNK, side="right")) - 1
                stop = min(max(stop, first + 1), last)
                end = int(starts[stop]) if stop < self._count else self._size
                stream.seek(begin)
                places = [match.start() + begin for match in pattern.finditer(stream.read(end - begin))]
                if places:
                    hits.extend(np.unique(np.searchsorted(starts, places, side="right") - 1).tolist())
                first = stop
        return hits

    def _append(self, starts: NDArray[np.int64]) -> None:
        need = self._count + len(starts)
        if need > len(self._starts):
            grown = np.zeros(max(need, 2 * len(self._starts)), dtype=np.int64)
            grown[: self._count] = self._starts[: self._count]
            self._starts = grown
        self._starts[self._count : need] = starts
        self._count = need


@dataclass(frozen=True)
class LogLine:
    """One line for display. `time`: unix seconds, None when the line has no stamp. `heading`: not of the log."""

    number: int
    text: str
    time: float | None = None
    heading: bool = False


class LogDocument:
    """The logs of a run, that of its image's build first, then each attempt's, as one sequence of lines.

    One job at a time uses it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._parts: list[tuple[int, LineIndex]] = []

    def __len__(self) -> int:
        return sum(len(index) + 1 for _, index in self._parts)

    def advance(self, limit: int | None = None) -> bool:
        """Look for new attempts and new lines. Returns whether anything changed."""
        known = {number for number, _ in self._parts}
        found = []
        build = self.directory / BUILD_LOG
        if 0 not in known and build.exists():
            found.append((0, LineIndex(build)))
        for file in self.directory.glob("attempt-*.log"):
            number = file.stem.removeprefix("attempt-")
            if number.isdigit() and int(number) not in known:
                found.append((int(number), LineIndex(file)))
        self._parts = sorted(self._parts + found, key=lambda part: part[0])
        changes = [index.advance(limit) for _, index in self._parts]
        return bool(found) or any(changes)

    def complete(self) -> bool:
        """Whether all that the files hold now has been indexed."""
        return all(index.complete() for _, index in self._parts)

    def lines(self, first: int, last: int) -> list[LogLine]:
        """Lines `first` to `last` (exclusive) of the whole document."""
        result: list[LogLine] = []
        base = 0
        for attempt, index in self._parts:
            if first <= base < last:
                result.append(LogLine(base, f"attempt {attempt}" if attempt else "building the image", heading=True))
            base += 1
            end = base + len(index)
            if first < end and last > base:
                start = max(first - base, 0)
                raw = index.lines(start, last - base)
                result.extend(_line(base + start + i, piece) for i, piece in enumerate(raw))
            base = end
        return result

    def find(self, text: str, first: int = 0, last: int | None = None) -> list[int]:
        """Numbers of the lines from `first` to `last` (exclusive; None: all) that hold `text`, in any case."""
        if not text:
            return []
        last = len(self) if last is None else last
        pattern = re.compile(re.escape(text.encode()), re.IGNORECASE)
        hits: list[int] = []
        base = 0
        for _, index in self._parts:
            base += 1
            if first < base + len(index) and last > base:
                found = index.find(pattern, max(first - base, 0), last - base)
                hits.extend(base + number for number in found)
            base += len(index)
        return hits

    def line_at(self, time: float) -> int:
        """Number of the last line stamped at or before wall time `time` (unix s); 0 when there is none."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            stamped = self._stamped_before(middle, low)
            if stamped is None or stamped.time is None or stamped.time <= time:
                low = middle + 1
            else:
                high = middle
        stamped = self._stamped_before(low - 1, 0)
        return 0 if stamped is None else stamped.number

    def _stamped_before(self, number: int, lowest: int) -> LogLine | None:
        """Line `number`, or the nearest stamped line above it down to `lowest`."""
        for first in range(number, lowest - 1, -64):
            for line in reversed(self.lines(max(first - 63, lowest), first + 1)):
                if line.time is not None:
                    return line
        return None


def _line(number: int, raw: bytes) -> LogLine:
    match = _STAMP.match(raw)
    time = None
    if match is not None:
        time = datetime.fromisoformat(match[1].decode()).replace(tzinfo=UTC).timestamp()
        raw = raw[match.end() :]
    text = raw[: LINE_LIMIT * 4].decode("utf-8", errors="replace")
    # A progress bar rewrites its line with carriage returns: what stands last is what a terminal would show.
    text = text.rsplit("\r", 1)[-1].expandtabs(4)
    return LogLine(number, text[:LINE_LIMIT], time)
