"""`Poller`: looks at runs on W&B servers, each as often as it is worth, and says what is new.

    poller = Poller(say)
    poller.watch(directory, Server(root), RunPath(…), visible=True)

One thread and one connection per server; runs that are due at about the same time share a request. How often:

    visible and live        `Pace.visible_s`, or `Pace.busy_s` while rows come; at once again while more is to be had
    live, not visible       `Pace.hidden_s`
    `expected`, not there   as a live one: whoever waits for a first row sees it as soon as any other
    ended                   once more after `Pace.last_look_s`, then not any more (until it is watched anew)
    ended, but `expected`   `Pace.hidden_s`: its own store says that it will go on (a run that was preempted)
    refused                 `Pace.refused_s`: no permission, no such run, a full disk

Nothing is asked before the time that a 429 named, and where the server says how much of its quota is left, looks are
spread so that this lasts until the next window. After an error that passes (5xx, a connection cut, no network) the next
try comes after a pause that doubles up to `Pace.longest_pause_s`, with jitter. Nothing is lost meanwhile: the next look
asks for everything behind the newest row that is here.

What is said are dicts, one for each look that brought something (the fields of a line of the follow child). `behind()`
gives those of runs whose newest look is old, to be said once a second by whoever owns the poller.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arrcoc_core.accounts.wandb_client import WandbClient
from arrcoc_core.errors import ArrcocError, CloudError
from arrcoc_core.online.addresses import RunPath
from arrcoc_core.online.cards import LIVE
from arrcoc_core.online.fetching import Fetcher
from arrcoc_core.online.queries import Ask, looks
from arrcoc_core.online.reader import Look, Reader
from arrcoc_core.online.servers import Server, explained, no_such_project, no_such_run

Say = Callable[[dict[str, Any]], None]

TIMEOUT_S = 10.0
_NEVER = float("inf")
_EARLY = 0.25
"""The part of its interval by which a look may come early, where it saves a request."""
_PASSES = ("unavailable", "offline")
_BUSY_FOR = 5
"""Rows come, if some came within so many of the longer intervals."""
_REBUILD_AFTER = 3
"""Tries that fail in a row after which the address is read again: a sandbox may have come back on another port."""


@dataclass(frozen=True)
class Pace:
    """Seconds between looks, and how many runs share one."""

    visible_s: float = 1.0
    busy_s: float = 0.5
    hidden_s: float = 20.0
    last_look_s: float = 5.0
    refused_s: float = 60.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0
    behind_after_s: float = 3.0
    """A visible run whose newest look is older than this is behind."""
    batch: int = 25


class _Watched:
    def __init__(self, directory: Path, path: RunPath, *, mirrored: bool) -> None:
        self.directory = directory
        self.path = path
        self.reader = Reader(path, directory, mirrored=mirrored)
        self.visible = self.expected = False
        self.due = 0.0
        self.confirmed = time.monotonic()
        """When the newest look that was answered was asked for."""
        self.brought = float("-inf")
        """When a look brought rows last."""
        self.ended = False
        self.last_looked = False
        self.state = ""
        self.problem = ""
        """Why the newest look brought nothing: what was said of it."""

    @property
    def live(self) -> bool:
        return not self.ended or self.expected

    @property
    def alone(self) -> bool:
        """Whether it needs a request of its own."""
        return self.reader.far_behind or bool(self.problem)

    def interval(self, pace: Pace) -> float:
        if self.ended and not self.last_looked:
            return pace.last_look_s
        if not self.live:
            return _NEVER
        if not self.visible or self.ended:
            return pace.hidden_s
        return pace.busy_s if time.monotonic() - self.brought < _BUSY_FOR * pace.visible_s else pace.visible_s


class Poller:
    def __init__(self, say: Say, *, pace: Pace | None = None) -> None:
        """`say` is called from the threads of the servers, with one line at a time."""
        self.pace = pace or Pace()
        self._say = say
        self._servers: dict[Server, _ServerThread] = {}
        self._server_of: dict[Path, _ServerThread] = {}
        self._lock = threading.Lock()

    def watch(
        self,
        directory: Path,
        server: Server,
        path: RunPath,
        *,
        visible: bool = True,
        expected: bool = False,
        mirrored: bool = False,
        system: bool = False,
        console: bool = False,
    ) -> None:
        """Look at this run from now on, or at other times or for other things than so far.

        `expected`: it is to go on, whatever the server says. `mirrored`: its files come here too.
        """
        with self._lock:
            thread = self._server_of.get(directory)
            if thread is not None and thread.server != server:
                thread.forget(directory)
                thread = None
            if thread is None:
                thread = self._servers.get(server)
                if thread is None:
                    thread = self._servers[server] = _ServerThread(server, self.pace, self._say)
                self._server_of[directory] = thread
        thread.watch(
            directory, path, visible=visible, expected=expected, mirrored=mirrored, system=system, console=console
        )

    def unwatch(self, directory: Path) -> None:
        """Leave this run alone; one that is not watched is no error."""
        with self._lock:
            thread = self._server_of.pop(directory, None)
        if thread is not None:
            thread.forget(directory)

    def want_pictures(self, directory: Path, files: Sequence[Path]) -> None:
        """Fetch these pictures of a run that is watched: somebody looks at them."""
        with self._lock:
            thread = self._server_of.get(directory)
        if thread is not None:
            thread.want_pictures(directory, files)

    def behind(self) -> list[dict[str, Any]]:
        """A line for each live run whose newest look is old: "behind_s", and "offline", the reason."""
        with self._lock:
            threads = list(self._servers.values())
        return [line for thread in threads for line in thread.behind()]

    @property
    def requests(self) -> int:
        """Requests sent so far, pictures not counted."""
        with self._lock:
            return sum(thread.requests for thread in self._servers.values())

    @property
    def looks(self) -> int:
        """Looks at runs that were answered."""
        with self._lock:
            return sum(thread.looks for thread in self._servers.values())

    def close(self) -> None:
        """End the threads; one that waits for an answer ends after it."""
        with self._lock:
            threads = list(self._servers.values())
        for thread in threads:
            thread.stop()
        for thread in threads:
            thread.join(2 * TIMEOUT_S)


class _ServerThread(threading.Thread):
    """The runs of one server."""

    def __init__(self, server: Server, pace: Pace, say: Say) -> None:
        super().__init__(name="online", daemon=True)
        self.server = server
        self.looks = self.requests = 0
        self._pace = pace
        self._say = say
        self._watched: dict[Path, _Watched] = {}
        self._changed = threading.Condition()
        self._stopped = False
        self._client: WandbClient | None = None
        self._failures = 0
        self._not_before = 0.0
        self._batch = self._most = pace.batch
        """Runs in one request: now, and at most."""
        self._offline = ""
        self._fetcher = Fetcher(server, say)
        self.start()

    def watch(
        self,
        directory: Path,
        path: RunPath,
        *,
        visible: bool,
        expected: bool,
        mirrored: bool,
        system: bool,
        console: bool,
    ) -> None:
        with self._changed:
            run = self._watched.get(directory)
            if run is None or run.path != path or run.reader.mirrored != mirrored:
                run = self._watched[directory] = _Watched(directory, path, mirrored=mirrored)
            more = (visible and not run.visible) or (system and not run.reader.system)
            run.visible, run.expected = visible, expected
            run.reader.system, run.reader.console = system, console
            if more or run.due == _NEVER:
                run.due, run.last_looked = 0.0, False
            else:
                run.due = min(run.due, time.monotonic() + run.interval(self._pace))
            self._changed.notify()

    def forget(self, directory: Path) -> None:
        with self._changed:
            self._watched.pop(directory, None)

    def want_pictures(self, directory: Path, files: Sequence[Path]) -> None:
        with self._changed:
            run = self._watched.get(directory)
        if run is not None:
            self._fetcher.want(run.path, directory, files)

    def behind(self) -> list[dict[str, Any]]:
        now = time.monotonic()
        with self._changed:
            old = [
                run
                for run in self._watched.values()
                if run.live
                and not run.problem
                and now - run.confirmed > self._pace.behind_after_s + (0.0 if run.visible else self._pace.hidden_s)
            ]
            return [self._status(run, now) for run in old]

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._fetcher.stop()

    def run(self) -> None:
        while True:
            with self._changed:
                due = self._due()
                while not self._stopped and not due:
                    self._changed.wait(self._pause())
                    due = self._due()
                if self._stopped:
                    break
            self._look_at(due)
        self._fetcher.join(2 * TIMEOUT_S)
        self._drop_client()

    def _due(self) -> list[_Watched]:
        """The runs of the next request, or none yet: those that are due, and those that soon would be.

        A run that is far behind has the request to itself, for its pages are large, and so has one that was refused.
        """
        now = time.monotonic()
        runs = sorted(self._watched.values(), key=lambda run: run.due)
        if not runs or runs[0].due > now or now < self._not_before:
            return []
        if runs[0].alone:
            return runs[:1]
        soon = [run for run in runs if not run.alone and run.due <= now + _EARLY * run.interval(self._pace)]
        return [run for run in soon if run.due < _NEVER][: self._batch]

    def _pause(self) -> float | None:
        """Seconds until something is due; None: not before something changes."""
        first = min((run.due for run in self._watched.values()), default=_NEVER)
        return None if first == _NEVER else max(0.001, max(first, self._not_before) - time.monotonic())

    def _look_at(self, runs: Sequence[_Watched]) -> bool:
        """One request for these runs; False where it failed, or one of them was refused."""
        asked_at = time.monotonic()
        asks: list[Ask] = []
        try:
            self._client = client = self._client or self.server.client(timeout_s=TIMEOUT_S)
            asks = [run.reader.ask() for run in runs]
            sent = client.requests
            try:
                answer = client.execute(*looks(asks), patience_s=0.0)
            finally:
                self.requests += client.requests - sent
        except CloudError as error:
            return self._failed(runs, asks, error)
        except (ArrcocError, OSError) as error:  # settings that are wrong, a folder that cannot be read
            self._refused(runs, error)
            return False
        self._failures, self._offline = 0, ""
        self._batch = min(self._most, 2 * self._batch)
        self._not_before = time.monotonic() + max(client.limits.wait_s, client.limits.share_s)
        taken = [
            self._take(client, run, ask, answer.get(f"a{i}"), asked_at)
            for i, (run, ask) in enumerate(zip(runs, asks, strict=True))
        ]
        return all(taken)

    def _take(
        self, client: WandbClient, run: _Watched, ask: Ask, project: Mapping[str, Any] | None, asked_at: float
    ) -> bool:
        node = (project or {}).get("run")
        if node is None and run.expected:  # it has not logged yet
            with self._changed:
                run.confirmed, run.problem, run.due = asked_at, "", asked_at + run.interval(self._pace)
            return True
        if node is None:
            path = run.path
            missing = no_such_project(client.url, path.entity, path.project)
            self._refused([run], missing if project is None else no_such_run(client.url, path))
            return False
        try:
            look = run.reader.take(ask, node)
        except (ArrcocError, OSError) as error:
            self._refused([run], error)
            return False
        self.looks += 1
        late = asked_at - run.confirmed > self._pace.behind_after_s or bool(run.problem)
        fresh = look.anything or look.state != run.state or late
        with self._changed:
            run.confirmed, run.problem = asked_at, ""
            if look.ended and run.ended:
                run.last_looked = True
            elif not look.ended:
                run.last_looked = False
            run.ended = look.state not in LIVE and not look.more
            run.state = look.state
            run.brought = asked_at if look.rows else run.brought
            run.due = 0.0 if look.more else asked_at + run.interval(self._pace)
        if fresh:
            self._say(self._line(run, look))
        if look.media and run.visible:
            self._fetcher.want_newest(run.path, run.directory)
        return True

    def _failed(self, runs: Sequence[_Watched], asks: Sequence[Ask], error: CloudError) -> bool:
        client = self._client
        if error.scope == "auth":  # there is no key, or not the right one: somebody may put that right
            self._drop_client()
            self._not_before = time.monotonic() + self._pace.refused_s / 4
            self._refused(runs, error)
        elif client is not None and error.scope in _PASSES:
            self._failures += 1
            pause = min(self._pace.longest_pause_s, self._pace.first_pause_s * 2 ** min(self._failures - 1, 10))
            self._not_before = time.monotonic() + max(client.limits.wait_s, pause * random.uniform(0.5, 1.0))
            self._offline = error.message
            if self._failures > 1:
                self._batch = max(1, self._batch // 2)  # it may be too much for it at once
            if self._failures % _REBUILD_AFTER == 0 and error.scope == "offline":
                self._drop_client()
            for line in self.behind():
                self._say(line)
        elif len(runs) > 1:
            # One of them is refused, or the server takes no request as large as this: each half for itself.
            half = len(runs) // 2
            first, second = self._look_at(runs[:half]), self._look_at(runs[half:])
            if first and second:
                self._batch = self._most = max(1, half)
            return first and second
        elif error.scope == "invalid" and asks and runs[0].reader.refuse(asks[0], error.message):
            runs[0].due = 0.0
        else:
            path = runs[0].path
            self._refused(runs, explained(error, path.entity, path.project))
        return False

    def _drop_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _refused(self, runs: Sequence[_Watched], error: ArrcocError | OSError) -> None:
        text = str(error)
        for run in runs:
            with self._changed:
                told, run.problem = run.problem == text, text
                run.due = time.monotonic() + self._pace.refused_s / (4 if not isinstance(error, CloudError) else 1)
            if not told:
                self._say({"run": str(run.directory), "error": text, "remedy": getattr(error, "remedy", "")})

    def _line(self, run: _Watched, look: Look) -> dict[str, Any]:
        now = time.monotonic()
        return {
            **self._status(run, now),
            "rows": look.rows,
            "steps": look.steps,
            "changed": list(look.changed),
            "media": look.media,
            "console": look.console,
            "system": list(look.system),
            "last_time": look.last_time,
            "done": run.ended,
        }

    def _status(self, run: _Watched, now: float) -> dict[str, Any]:
        return {
            "run": str(run.directory),
            "state": run.state,
            "behind_s": round(now - run.confirmed, 1) if run.live else 0.0,
            "offline": self._offline,
            "at": time.time(),
        }
