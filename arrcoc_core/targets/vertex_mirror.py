"""What a job in the cloud has streamed, pulled into the run's directory here: the other half of training/stream.py.

    stream/<path>/<offset>   parts of files that grow, appended in order
    files/<path>             small files, replaced whole
    files/stream.json        how long the streamed files are

`pull` remembers in `.mirror.json` which generation of each small file it has, and how many bytes of each growing one.
A process that is killed in between leaves at most a part too much at the end of a file, which the next pull cuts off
before it goes on. When nothing is new, one listing says so. Only names that a trainer leaves are written; nothing in a
bucket can reach any other file.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from arrcoc_core.cloud.objects import Objects

STATE = ".mirror.json"
LOG_SUFFIX = ".log"
_LOCK = ".mirror.lock"
_FILES, _STREAM = "files/", "stream/"
_INDEX = "stream.json"
_DONE = "result/DONE"
_WHOLE_NAMES = ("progress.json", "summary.json", "upload.json", "wandb.json")
_FOLDERS = ("wandb", "logs", "result")


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one call brought: true when it brought anything."""

    changed: tuple[str, ...] = ()
    """Paths of files that are new, longer or replaced, relative to the run's directory."""
    bytes: int = 0
    busy: bool = False
    """Another process was pulling; it brings what there is."""

    def __bool__(self) -> bool:
        return bool(self.changed)


def pull(storage: Any, run_uri: str, directory: Path, *, thorough: bool = False, logs_as: str = LOG_SUFFIX) -> Pulled:
    """Fetch what is new of the run at `run_uri` into `directory`. CloudError when the bucket cannot be read.

    `storage`: a google.cloud.storage Client. `thorough` looks for parts that were not counted any more, as a job that
    was killed leaves them: for once, after an attempt has ended. `logs_as`: what the streamed logs end with here,
    instead of ".log", where another is made of them and of a second source (see vertex_logs.py).
    """
    run = Objects(storage, run_uri)
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return Pulled(busy=True)
        return _Mirror(run, directory, logs_as).pull(thorough)


@dataclass
class _State:
    generations: dict[str, int] = field(default_factory=dict[str, int])
    ends: dict[str, int] = field(default_factory=dict[str, int])


class _Mirror:
    def __init__(self, run: Objects, directory: Path, logs_as: str) -> None:
        self._run, self._directory, self._logs_as = run, directory, logs_as
        self._state = self._load()
        self._changed: list[str] = []
        self._bytes = 0

    def pull(self, thorough: bool) -> Pulled:
        listed = {entry.name.removeprefix(_FILES): entry.generation for entry in self._run.listing(_FILES)}
        fresh = [path for path, generation in listed.items() if self._state.generations.get(path) != generation]
        # Pictures before the rows that show them; the mark of a complete result after everything else.
        for path in fresh:
            if path not in (_INDEX, _DONE) and _is_ours(path):
                self._replace(path, listed[path])
        if thorough:
            self._append_listed()
        elif _INDEX in fresh:
            self._append_counted(listed[_INDEX])
        if _DONE in fresh:
            self._replace(_DONE, listed[_DONE])
        return Pulled(tuple(self._changed), self._bytes)

    def _replace(self, path: str, generation: int) -> None:
        try:
            data = self._run.get(f"{_FILES}{path}")
        except KeyError:  # removed since it was listed
            return
        target = self._directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        partial.write_bytes(data)
        partial.replace(target)
        self._state.generations[path] = generation
        self._brought(path, len(data))

    def _append_counted(self, generation: int) -> None:
        """The parts up to where the index says: each one's name is where the one before it ends."""
        try:
            index: dict[str, Any] = json.loads(self._run.get(f"{_FILES}{_INDEX}"))
        except KeyError:
            return
        for path, end in index["ends"].items():
            while _is_ours(path) and (here := self._state.ends.get(path, 0)) < int(end):
                try:
                    data = self._run.get(_part_name(path, here))
                except KeyError:  # somebody removed it: what is there goes on to be fetched, and it is asked for again
                    return
                self._append(path, here, data)
        self._state.generations[_INDEX] = generation
        self._keep()

    def _append_listed(self) -> None:
        for entry in self._run.listing(_STREAM):
            path, _, offset = entry.name.removeprefix(_STREAM).rpartition("/")
            here = self._state.ends.get(path, 0)
            if _is_ours(path) and offset == f"{here:012d}" and entry.size:
                self._append(path, here, self._run.get(entry.name))

    def _append(self, path: str, here: int, data: bytes) -> None:
        """`data` behind the first `here` bytes of the file."""
        target = self._streamed(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("r+b" if target.exists() else "w+b") as file:
            file.truncate(here)  # what a process that was killed had written without counting it
            file.seek(here)
            file.write(data)
        self._state.ends[path] = here + len(data)
        self._brought(path, len(data))

    def _streamed(self, path: str) -> Path:
        """Where a growing file is kept here."""
        return self._directory / (path.removesuffix(LOG_SUFFIX) + self._logs_as if path.endswith(LOG_SUFFIX) else path)

    def _brought(self, path: str, size: int) -> None:
        if path not in self._changed:
            self._changed.append(path)
        self._bytes += size
        self._keep()

    def _load(self) -> _State:
        try:
            held: dict[str, Any] = json.loads((self._directory / STATE).read_text(encoding="utf-8"))
            state = _State(dict(held["generations"]), dict(held["ends"]))
        except (FileNotFoundError, ValueError, KeyError):  # nothing yet, or not ours: everything is fetched again
            return _State()
        for path, end in list(state.ends.items()):
            target = self._streamed(path)
            if not target.is_file() or target.stat().st_size < end:  # it was deleted or cut here
                del state.ends[path]
                state.generations.pop(_INDEX, None)
        for path in list(state.generations):
            if path != _INDEX and not (self._directory / path).exists():
                del state.generations[path]
        return state

    def _keep(self) -> None:
        partial = self._directory / f"{STATE}.{os.getpid()}"
        partial.write_text(
            json.dumps({"generations": self._state.generations, "ends": self._state.ends}), encoding="utf-8"
        )
        partial.replace(self._directory / STATE)


def _is_ours(path: str) -> bool:
    """Whether a trainer leaves a file of this name: nothing else in a bucket may write here."""
    parts = PurePosixPath(path).parts
    plain = all(part not in ("..", ".") and not part.startswith("/") for part in parts)
    return path in _WHOLE_NAMES or (plain and len(parts) > 1 and parts[0] in _FOLDERS)


def _part_name(path: str, offset: int) -> str:
    return f"{_STREAM}{path}/{offset:012d}"
