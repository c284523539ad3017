"""Runs of this project's own store that log online from somewhere else: what their W&B server has comes into their
folder's cache, beside what their mirror brings, whichever is first.

The trainer leaves `wandb.json` beside the run, which says where at W&B it is (training/tracking.py). A run on this
machine needs none of this: its `.wandb` file grows here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.errors import CloudError
from arrcoc_core.formatting import duration
from arrcoc_core.metrics import index
from arrcoc_core.metrics.cache import DIRECTORY
from arrcoc_core.online.addresses import RunPath, is_name
from arrcoc_core.online.reader import Reader
from arrcoc_core.online.run import read_once
from arrcoc_core.online.servers import Connection, Server
from arrcoc_core.online.watching import OnlineWatches
from arrcoc_core.targets.local import read_json

if TYPE_CHECKING:
    from arrcoc_core.run import Run

PLACE = "wandb.json"
BEHIND_S = 10.0
"""Rows that are older than this are worth a word."""
_PATIENCE_S = 3.0
"""What the mirror has brought can be shown meanwhile."""


def place_of(directory: Path) -> RunPath | None:
    """Where a run is at W&B; None as long as it has not logged online."""
    held = read_json(directory / PLACE) or {}
    names = [str(held.get(name) or "") for name in ("entity", "project", "id")]
    return RunPath(*names) if held.get("url") and all(is_name(name) for name in names) else None


def server_of(run: Run) -> Server:
    """The W&B server of the endpoints that it was launched with."""
    return Server(run.root, None if run.target == "local" else run.endpoints)


def watch_command(run: Run, *, visible: bool = True) -> dict[str, Any]:
    """The line that tells the follow child to read a run of the store: its files, and its W&B server where rows are
    sooner there."""
    command: dict[str, Any] = {"watch": str(run.directory), "live": not run.finished}
    place = place_of(run.directory) if run.target != "local" else None
    if place is not None and not _whole(run):
        command |= {"visible": visible, "online": {**server_of(run).to_json(), "path": str(place)}}
    return command


def feed(run: Run) -> str:
    """Bring what the server has and this machine has not; returns why that was not possible, or "".

    MetricsError where the disk is full.
    """
    place = place_of(run.directory) if run.target != "local" else None
    if place is None or _whole(run):
        return ""
    try:
        connection = Connection(server_of(run))
        reader = Reader(place, run.directory, mirrored=True)
        while read_once(connection, reader, patience_s=_PATIENCE_S).more:
            continue
    except CloudError as error:
        return error.message
    return ""


class OwnFeed:
    """What `feed` does once, for as long as somebody watches: in threads, as the follow child does it."""

    def __init__(self) -> None:
        self._watches = OnlineWatches(self._hear)
        self._told: dict[str, Any] = {}
        self._behind = ""

    def watch(self, run: Run) -> str:
        """Call it as often as the run is shown: how far it is behind and why, or ""."""
        command = watch_command(run)
        if command != self._told and ("online" in command or "online" in self._told):
            self._watches.obey(command)
        self._told = command
        self._watches.say_behind()
        return self._behind

    def close(self) -> None:
        self._watches.close()

    def _hear(self, line: dict[str, Any]) -> None:
        if "error" in line:
            self._behind = f"W&B: {line['error']}"
        elif "behind_s" in line:
            late = line["offline"] or line["behind_s"] > BEHIND_S
            self._behind = f"behind W&B by {duration(line['behind_s'])}: {line['offline']}" if late else ""


def _whole(run: Run) -> bool:
    """Whether the run has ended and every row has been read from the server."""
    state = index.load(run.directory / DIRECTORY)
    return run.finished and state is not None and state.remote is not None and state.remote.ended
