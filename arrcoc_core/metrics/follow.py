"""`python -m arrcoc_core.metrics.follow`: reads the files of running runs and says on stdout what is new.

In, a JSON line each:   {"watch": "<run dir>", "live": true}   {"unwatch": "<run dir>"}
Out, a JSON line a change: {"run", "rows", "steps", "changed": [names], "media", "console", "at", "last_time", "done"}
or {"run", "error", "remedy"}. The end of stdin ends the process. A run that is `live` is looked at every 50 ms
by a `stat` of its newest file; another one is read once and then looked at every two seconds.

Runs on a W&B server are read too, into the same cache, by threads of their own (arrcoc_core/online/polling.py), so that
files go on being read while a server is slow or away:

    {"watch": "<run dir>", "live": true, "visible": true,
     "online": {"path": "entity/project/run id", "root": "<project>", "endpoints": null,
                "only": true, "system": false, "console": false}}

`only`: there are no files of the run on this machine; without it both are read, and whichever row was logged last
counts. `visible`: somebody looks at it. `live`: its own store says that it goes on. `endpoints`: the folder of
endpoints that it was launched with ("": none), or null for those of the settings in `root`. Their lines have besides
"state", "system": [names], "behind_s" (the age of the newest look that the server answered, while the run is live) and
"offline" (why there is none newer, or ""); a line with these alone comes every second while a run is behind.
{"pictures": ["files/…"], "run": "<run dir>"} fetches pictures; {"run", "pictures": […]} says which have come.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from arrcoc_core.errors import ArrcocError
from arrcoc_core.metrics import index
from arrcoc_core.metrics.cache import DIRECTORY
from arrcoc_core.metrics.ingesting import ingest_batch
from arrcoc_core.online.watching import OnlineWatches

LIVE_PAUSE_S = 0.05
IDLE_PAUSE_S = 2.0
NICENESS = 5  # the window comes first, also while a long file is read beside a training
RESCAN_S = 1.0  # how long a new attempt's file may go unseen
_ONE_LINE = threading.Lock()


@dataclass
class _Watched:
    path: Path
    live: bool
    due: float = 0.0  # monotonic time of the next look
    rescan: float = 0.0  # monotonic time of the next full look
    newest: Path | None = None  # the file that is growing
    size: int = -1  # its size when it was read last

    def is_quiet(self, now: float) -> bool:
        """True when a cheap look shows nothing new."""
        if self.newest is None or now >= self.rescan:
            return False
        try:
            return os.stat(self.newest).st_size == self.size
        except FileNotFoundError:
            return False


def main() -> None:
    """Runs until stdin ends."""
    os.nice(NICENESS)
    commands: SimpleQueue[str | None] = SimpleQueue()
    threading.Thread(target=_read_stdin, args=(commands,), daemon=True).start()
    watched: dict[str, _Watched] = {}
    online = OnlineWatches(_say)
    while True:
        now = time.monotonic()
        pause = min((max(0.0, run.due - now) for run in watched.values()), default=60.0)
        try:
            line = commands.get(timeout=max(min(pause, online.pause_s), 0.001))
            if line is None:
                return
            _obey(line, watched, online)
        except Empty:
            pass
        online.say_behind()
        for run in list(watched.values()):
            now = time.monotonic()
            if run.due <= now:
                more = not run.is_quiet(now) and _look(run)
                run.due = 0.0 if more else time.monotonic() + (LIVE_PAUSE_S if run.live else IDLE_PAUSE_S)


def _obey(line: str, watched: dict[str, _Watched], online: OnlineWatches) -> None:
    command: dict[str, Any] = json.loads(line)
    online.obey(command)
    remote: dict[str, Any] = command.get("online") or {}
    if "watch" in command and not remote.get("only"):
        run = watched.setdefault(command["watch"], _Watched(Path(command["watch"]), True))
        run.live = bool(command.get("live", True))
        run.due = 0.0
    if "unwatch" in command:
        watched.pop(command["unwatch"], None)


def _look(run: _Watched) -> bool:
    """Reads a batch of a run and reports it; True when there is more to read at once."""
    try:
        result, more = ingest_batch(run.path, wait_s=0.0)
        if result.busy:
            return False
        state = index.load(run.path / DIRECTORY)
    except (ArrcocError, OSError) as error:
        run.rescan = time.monotonic() + IDLE_PAUSE_S
        run.newest, run.size = run.path, run.path.stat().st_size if run.path.exists() else -1
        _say({"run": str(run.path), "error": str(error), "remedy": getattr(error, "remedy", "")})
        return False
    if state is not None and state.segments:
        run.newest = run.path / state.segments[-1].path
        # What was in the file when it was read; had it grown since, the next look sees another size.
        run.size = state.segments[-1].offset if more else run.newest.stat().st_size
    run.rescan = time.monotonic() + RESCAN_S
    if result.anything and state is not None:
        _say(
            {
                "run": str(run.path),
                "rows": result.rows,
                "steps": result.steps,
                "changed": list(result.changed),
                "media": result.media,
                "console": result.console,
                "at": time.time(),
                "last_time": state.last_time,
                "done": result.done,
            }
        )
    return more


def _say(line: dict[str, Any]) -> None:
    try:
        with _ONE_LINE:
            sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
            sys.stdout.flush()
    except BrokenPipeError:  # nobody listens any more
        os._exit(0)


def _read_stdin(commands: SimpleQueue[str | None]) -> None:
    for line in sys.stdin:
        if line.strip():
            commands.put(line)
    commands.put(None)


if __name__ == "__main__":
    main()
