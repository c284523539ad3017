"""What a run leaves on a machine that may be taken away, streamed to its folder in Cloud Storage while it trains.

    stream/<path>/<offset>   the new bytes of files that grow: wandb/*/*.wandb and logs/attempt-<n>.log
    files/<path>             small files, replaced whole: progress, summary, upload and wandb.json, result/**, media
    files/stream.json        {"ends": {path: bytes that are there}}, written after the parts it counts

Parts are written once and never change, each where the one before it ends; the pulling half
(arrcoc_core/targets/vertex_mirror.py) appends them. A restarted container has an empty directory: its first bytes of a
log go behind those that are there. In a round, pictures go before the rows that show them, and the mark of a complete
result after everything else.

A thread does the work, in a process that does not train. What cannot be sent now is sent later.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from arrcoc_core.cloud.objects import Objects
from arrcoc_core.errors import CloudError

PROGRESS = "progress.json"
INDEX = "files/stream.json"
_DONE = "result/DONE"
_WHOLE = (PROGRESS, "summary.json", "upload.json", "wandb.json")
_SMALL = (*_WHOLE, "result/**/*", "wandb/*run-*/files/media/**/*", "wandb/*run-*/files/*.json")
_GROWING = ("wandb/*run-*/*.wandb", "logs/attempt-*.log")
_LARGEST_PART = 8 * 1024**2
_LOOK_S = 0.1
_PROGRESS_S = 1.0  # Cloud Storage takes one replacement a second of the same object
_ROUNDS_S = ((600.0, 1.0), (7200.0, 5.0), (float("inf"), 10.0))  # until that age of the stream, a round every …


class Stream:
    """Sends what is new in `directory` to the run's folder. `streamed`: a file whose modification time says up to when
    all that was written is there."""

    def __init__(self, run: Objects, directory: Path, streamed: Path, say: Callable[[str], None]) -> None:
        self._run, self._directory, self._streamed, self._say = run, directory, streamed, say
        self._ends: dict[str, int] = {}  # path -> bytes that are there
        self._indexed: dict[str, int] = {}  # what the index counts
        self._before: dict[str, int] = {}  # path -> how many of them were there before this directory was begun
        self._sent: dict[str, tuple[int, int]] = {}  # small file -> modification time and size when it was sent
        self._stop = threading.Event()
        self._in_round = threading.Lock()
        self._failing = False
        self._began = time.monotonic()
        self._progress_sent = float("-inf")
        self._thread = threading.Thread(target=self._serve, name="stream", daemon=True)

    def start(self) -> None:
        """Learn what is there, then begin to send. Raises CloudError when the bucket cannot be read."""
        self._ends = stream_ends([(entry.name, entry.size) for entry in self._run.listing("stream/")])
        self._thread.start()

    def close(self, seconds_left: Callable[[], float]) -> bool:
        """Send the rest and stop; False when no seconds are left and not all of it is there."""
        self._stop.set()
        while seconds_left() > 0:
            if self.send():
                return True
            time.sleep(_LOOK_S)
        return False

    def send(self) -> bool:
        """One round: everything that is new. False, and said once, when something could not be sent."""
        with self._in_round:
            try:
                self._round()
            except CloudError as error:
                if not self._failing:
                    self._say(f"streaming is interrupted, and goes on when it can: {error}")
                self._failing = True
                return False
            if self._failing:
                self._say("streaming goes on")
            self._failing = False
            return True

    def _serve(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(_LOOK_S):
            now = time.monotonic()
            if now >= due:
                sent = self.send()
                age = time.monotonic() - self._began
                pause = next(pause for until, pause in _ROUNDS_S if age < until)
                due = time.monotonic() + (pause if sent else 5 * pause)
            elif now - self._progress_sent >= _PROGRESS_S and not self._failing:
                self._send_progress()

    def _send_progress(self) -> None:
        """Where the training stands is told sooner than the rest."""
        with self._in_round:
            try:
                self._small(PROGRESS)
            except CloudError:
                return  # the next round sends it too, and says when it cannot

    def _round(self) -> None:
        as_of = time.time()
        done = (self._directory / _DONE).exists()  # before all else is looked at: every row was written before it
        sizes = {path: (self._directory / path).stat().st_size for path in self._found(_GROWING)}
        small = self._found(_SMALL)
        for path in small:
            if path != _DONE:
                self._small(path)
        for path, size in sizes.items():
            self._grown(path, size)
        if self._ends != self._indexed:
            ends = dict(self._ends)
            self._run.replace(INDEX, json.dumps({"ends": ends}, sort_keys=True).encode())
            self._indexed = ends
        if done:
            self._small(_DONE)
        self._streamed.touch()
        os.utime(self._streamed, (as_of, as_of))

    def _small(self, path: str) -> None:
        try:
            status = (self._directory / path).stat()
            state = (status.st_mtime_ns, status.st_size)
            if self._sent.get(path) == state:
                return
            data = (self._directory / path).read_bytes()
        except FileNotFoundError:
            return  # replaced or moved just now: the next round sees what came instead
        if path == PROGRESS:
            self._progress_sent = time.monotonic()
        self._run.replace(f"files/{path}", data)
        self._sent[path] = state

    def _grown(self, path: str, size: int) -> None:
        """Send the bytes up to `size`."""
        before = self._before.setdefault(path, self._ends.get(path, 0))
        here = self._ends.get(path, 0) - before
        if here >= size:
            return
        with (self._directory / path).open("rb") as file:
            while here < size:
                file.seek(here)
                data = file.read(min(_LARGEST_PART, size - here))
                end = self._before[path] + here
                if self._run.put_if_absent(part_name(path, end), data):
                    sent = len(data)
                else:
                    file.seek(here)
                    sent = self._landed(part_name(path, end), file)
                if sent:
                    here += sent
                    self._ends[path] = end + sent
                else:  # a part of an earlier container arrived late: this one's bytes go behind it
                    there = [(entry.name, entry.size) for entry in self._run.listing(f"stream/{path}/")]
                    self._ends[path] = stream_ends(there)[path]
                    self._before[path] = self._ends[path] - here

    def _landed(self, part: str, file: IO[bytes]) -> int:
        """How many bytes, from where the file is, an earlier try has put there whose answer was lost; 0: another's."""
        there = self._run.get(part)
        return len(there) if there == file.read(len(there)) else 0

    def _found(self, patterns: tuple[str, ...]) -> list[str]:
        """Paths of files, relative to the directory; wandb's link to its latest run is none of them."""
        paths = [path for pattern in patterns for path in sorted(self._directory.glob(pattern)) if path.is_file()]
        relative = [path.relative_to(self._directory) for path in paths if not path.is_symlink()]
        return [path.as_posix() for path in relative if "latest-run" not in path.parts]


def part_name(path: str, offset: int) -> str:
    """The object that holds a file's bytes from `offset` on."""
    return f"stream/{path}/{offset:012d}"


def stream_ends(parts: list[tuple[str, int]]) -> dict[str, int]:
    """For each file the number of bytes without a gap that these parts (name, size) hold."""
    ends: dict[str, int] = {}
    for name, size in sorted(parts):
        path, _, offset = name.removeprefix("stream/").rpartition("/")
        if offset.isdigit() and int(offset) == ends.get(path, 0):
            ends[path] = int(offset) + size
    return ends
