"""What a run printed, as its W&B server has it, as numbered lines for the log pane.

`ConsoleDocument` stands where `LogDocument` stands for runs of this project: it reads the console pieces of the run's
column cache (`console.jsonl`), as far as the cache's index counts them, and joins them into lines. A carriage return
writes a line over; the newest line of each stream may still grow. One job at a time uses it, off the GUI thread.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from pathlib import Path

from arrcoc_core.metrics import index
from arrcoc_core.metrics.cache import DIRECTORY
from arrcoc_gui.monitor.line_index import LINE_LIMIT, LogLine

FILE = "console.jsonl"
AT_ONCE = 4 << 20  # bytes read in one go, whole lines


class ConsoleDocument:
    """`directory`: the run's folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._folder = directory / DIRECTORY
        self._epoch = ""
        self._read = self._size = 0
        self._times: list[float] = []
        self._texts: list[str] = []
        self._open: dict[str, tuple[float, str]] = {}

    def __len__(self) -> int:
        return len(self._texts) + len(self._open)

    def advance(self, limit: int | None = None) -> bool:
        """Take what the cache counts, at most about `limit` bytes of it. Returns whether anything changed."""
        state = index.load(self._folder)
        if state is None:
            return False
        changed = state.epoch != self._epoch
        if changed:
            self._forget()
            self._epoch = state.epoch
        self._size = state.bytes_of.get(FILE, 0)
        end = self._size if limit is None else min(self._size, self._read + limit)
        if end <= self._read:
            return changed
        with (self._folder / FILE).open("rb") as stream:
            stream.seek(self._read)
            block = stream.read(end - self._read)
        whole = block.rfind(b"\n") + 1
        for line in block[:whole].splitlines():
            piece = json.loads(line)
            self._take(str(piece["stream"]), float(piece["time"]), str(piece["text"]))
        self._read += whole
        return True

    def complete(self) -> bool:
        """Whether all that is counted has been read."""
        return self._read >= self._size

    def lines(self, first: int, last: int) -> list[LogLine]:
        """Lines `first` to `last` (exclusive)."""
        count = len(self._texts)
        found = [self._line(number) for number in range(max(first, 0), min(last, count))]
        for number, (time, text) in enumerate(self._open.values(), count):
            if first <= number < last:
                found.append(LogLine(number, _shown(text), time))
        return found

    def find(self, text: str, first: int = 0, last: int | None = None) -> list[int]:
        """Numbers of the lines from `first` to `last` (exclusive; None: all) that hold `text`, in any case."""
        needle = text.casefold()
        if not needle:
            return []
        lines = self.lines(first, len(self) if last is None else last)
        return [line.number for line in lines if needle in line.text.casefold()]

    def line_at(self, time: float) -> int:
        """Number of the last line that was begun at or before `time` (unix s); 0 when there is none."""
        return max(bisect_right(self._times, time) - 1, 0)

    def _take(self, stream: str, time: float, text: str) -> None:
        began, before = self._open.pop(stream, (time, ""))
        *whole, rest = (before + text).split("\n")
        for line in whole:
            # Streams may pass one another by a moment: times must not go back, `line_at` looks for them by halves.
            self._times.append(max(began, self._times[-1] if self._times else began))
            self._texts.append(_shown(line))
            began = time
        if rest:
            # Of what was written over nothing is kept: a progress bar may go on for days.
            self._open[stream] = began, rest[rest.rstrip("\r").rfind("\r") + 1 :]

    def _line(self, number: int) -> LogLine:
        return LogLine(number, self._texts[number], self._times[number])

    def _forget(self) -> None:
        self._read = self._size = 0
        self._times, self._texts, self._open = [], [], {}


def _shown(text: str) -> str:
    return text.rstrip("\r").rpartition("\r")[2].expandtabs(4)[:LINE_LIMIT]
