"""`OnlineRun`: a run of a W&B server, whoever logged it, to read. Where `Run` has the same thing, it has the same name.

    run = get_online_run("my-team/vqa/k64")          # or the address of its page
    run.state, run.config["tokens"]["keep"], run.summary["eval/accuracy"]
    run.series("train/loss").value                   # the same `Series` as of a run of this machine
    for line in run.logs(): ...

Reading goes into a cache below the state folder and costs what is new since the last time, in this process or another.
While the server cannot be reached, what was read before is shown, and `offline` says why it may be old.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.errors import CloudError
from arrcoc_core.online import queries
from arrcoc_core.online.addresses import RunPath
from arrcoc_core.online.cards import LIVE, Card, card_of, load_card, save_card
from arrcoc_core.online.decoding import numbers_of, seconds_of
from arrcoc_core.online.pictures import fetch_pictures
from arrcoc_core.online.reader import Look, Reader
from arrcoc_core.online.servers import Connection, explained, no_such_run, reading, why_no_project
from arrcoc_core.run_parts import utc_text

if TYPE_CHECKING:
    from arrcoc_core.metrics import Media, RunMetrics, Series

PATIENCE_S = 20.0
"""How long trouble that passes is waited for before what is in the cache is shown instead."""
_FOLLOW_S = 1.0
_PASSES = ("unavailable", "offline")


class OnlineRun:
    """Made by `get_online_run` and `online_runs`."""

    def __init__(self, connection: Connection, path: RunPath, card: Card, state: Path) -> None:
        self._connection = connection
        self._path = path
        self._card = card
        self._state = state
        self._offline = ""

    def __repr__(self) -> str:
        return f"<OnlineRun {self.path} {self.state}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OnlineRun) and (other.path, other.server) == (self.path, self.server)

    def __hash__(self) -> int:
        return hash(self.path)

    # What it is

    @property
    def id(self) -> str:
        """Its id in its project."""
        return self._path.run_id

    @property
    def entity(self) -> str:
        return self._path.entity

    @property
    def project(self) -> str:
        return self._path.project

    @property
    def path(self) -> str:
        """ "entity/project/id": what the command line takes for it."""
        return str(self._path)

    @property
    def name(self) -> str:
        """What it is called on its page; its id where it has no name."""
        return self._card.name or self.id

    @property
    def experiment(self) -> str:
        """The experiment's name where arrcoc has logged it (and its configuration is known here), else its own."""
        named = (self._card.config or {}).get("name")
        return named if isinstance(named, str) and named else self.name

    @property
    def target(self) -> str:
        return "wandb"

    @property
    def server(self) -> str:
        """The address of its server."""
        return self._connection.url

    @property
    def url(self) -> str:
        """The address of its page."""
        return self._path.url(self._connection.url)

    wandb_url = url

    @property
    def user(self) -> str:
        """Who has logged it."""
        return self._card.user

    @property
    def tags(self) -> tuple[str, ...]:
        return self._card.tags

    @property
    def notes(self) -> str:
        return self._card.notes

    @property
    def config(self) -> dict[str, Any]:
        """What was given to `wandb.init(config=)`. A run from a list asks for it when it is first wanted."""
        if self._card.config is None:
            self.refresh()
        return dict(self._card.config or {})

    @property
    def directory(self) -> Path:
        """Where its cache lies; it may be deleted."""
        return self._path.directory(self._state)

    # How it goes

    @property
    def state(self) -> str:
        """In W&B's words: running, pending, preempting; finished, failed, crashed, killed, preempted."""
        return self._card.state

    @property
    def finished(self) -> bool:
        """Whether it has ended, however it ended."""
        return self.state not in LIVE

    @property
    def succeeded(self) -> bool:
        return self.state == "finished"

    @property
    def active(self) -> bool:
        return not self.finished

    @property
    def created_at(self) -> datetime:
        return _moment(self._card.created_at) or datetime.fromtimestamp(0, UTC)

    @property
    def started_at(self) -> datetime | None:
        return _moment(self._card.created_at)

    @property
    def heartbeat_at(self) -> datetime | None:
        """When it gave a sign of life last."""
        return _moment(self._card.heartbeat_at)

    @property
    def ended_at(self) -> datetime | None:
        return self.heartbeat_at if self.finished else None

    @property
    def elapsed_s(self) -> float | None:
        """Seconds since it was made, up to its end."""
        started = self.started_at
        if started is None:
            return None
        return max(0.0, ((self.ended_at or datetime.now(UTC)) - started).total_seconds())

    @property
    def summary(self) -> dict[str, float]:
        """The numbers of its summary, as a rule the last value of each metric."""
        return numbers_of(self._card.summary)

    @property
    def whole_summary(self) -> dict[str, Any]:
        """Its summary as it is on the server."""
        return dict(self._card.summary)

    @property
    def rows(self) -> int:
        """Rows that it has logged, by the server's count."""
        return self._card.rows

    @property
    def behind_s(self) -> float:
        """Seconds since the newest look that the server answered; 0 for a run that has ended and was read."""
        return 0.0 if self.finished and not self._offline else max(0.0, time.time() - self._card.looked_at)

    @property
    def offline(self) -> str:
        """Why the newest look failed and what is shown may be old; "": it did not."""
        return self._offline

    # What can be done with it

    def refresh(self) -> OnlineRun:
        """Ask for everything but its rows again: one request. CloudError."""
        variables = {"entity": self.entity, "project": self.project, "run": self.id}
        with reading(self.entity, self.project):
            answer = self._connection.execute(queries.RUN, variables, patience_s=PATIENCE_S)
        project: dict[str, Any] | None = answer.get("project")
        node = (project or {}).get("run")
        if node is None:
            raise _missing(self._connection, self._path, project)
        self._keep(card_of(self.path, node, time.time(), self._card))
        return self

    def refresh_or_keep(self) -> OnlineRun:
        """`refresh`; while the server cannot be reached, what was read before is kept, if anything was."""
        try:
            self.refresh()
            self._offline = ""
        except CloudError as error:
            if error.scope not in _PASSES or load_card(self.directory) is None:
                raise
            self._offline = error.message
        return self

    def metrics(self, *, console: bool = False, on_look: Callable[[Look], None] | None = None) -> RunMetrics:
        """All metrics, up to date, system metrics too; with `console`, what it has printed.

        `on_look` is called after each request: the first time a long run takes many. CloudError where the server
        cannot be reached and there is nothing in the cache to show instead.
        """
        from arrcoc_core.metrics import open_metrics

        self._read(on_look, system=True, console=console)
        return open_metrics(self.directory, refresh=False)

    def series(self, name: str) -> Series:
        """A metric's steps and values, such as `eval/accuracy`, as numpy arrays."""
        return self.metrics().series(name)

    @property
    def pictures(self) -> list[Media]:
        """The pictures it has logged, by step and key. Their files come when they are asked for: `fetch_pictures`."""
        return self.metrics().media()

    def fetch_pictures(self, pictures: Iterable[Media] | None = None) -> list[Path]:
        """Bring the files of these pictures (of all), as far as they are not there; returns those that came."""
        wanted = self.pictures if pictures is None else pictures
        files = [picture.path for picture in wanted]
        return fetch_pictures(self._connection.client, self._path, self.directory, files)

    def logs(self, follow: bool = False) -> Iterator[str]:
        """The lines it has printed; with `follow`, new ones as they come, until it has ended."""
        from arrcoc_core.metrics import open_metrics

        shown = 0
        while True:
            ended = self._read(None, console=True) or not follow
            lines = open_metrics(self.directory, refresh=False).console()
            # The newest line may still be written over: while the run goes on, it waits for the next one.
            whole = lines if ended else lines[:-1]
            for line in whole[shown:]:
                yield line.text
            shown = max(shown, len(whole))
            if ended:
                return
            time.sleep(_FOLLOW_S)

    def watch_command(self, *, visible: bool = True, system: bool = False, console: bool = False) -> dict[str, Any]:
        """The line that tells the follow child (arrcoc_core/metrics/follow.py) to read this run from now on."""
        online = {**self._connection.server.to_json(), "path": self.path, "only": True}
        return {
            "watch": str(self.directory),
            "live": not self.finished,
            "visible": visible,
            "online": {**online, "system": system, "console": console},
        }

    def to_json(self) -> dict[str, Any]:
        """A row of `arrcoc runs --online --json`."""
        return {
            "id": self.id,
            "path": self.path,
            "name": self.name,
            "target": self.target,
            "state": self.state,
            "entity": self.entity,
            "project": self.project,
            "user": self.user,
            "created_at": utc_text(self.created_at),
            "heartbeat_at": utc_text(self.heartbeat_at),
            "ended_at": utc_text(self.ended_at),
            "summary": {name: value if abs(value) < float("inf") else None for name, value in self.summary.items()},
            "rows": self.rows,
            "tags": list(self.tags),
            "url": self.url,
            "directory": str(self.directory),
        }

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self._path, self.directory)

    def _read(self, on_look: Callable[[Look], None] | None, *, system: bool = False, console: bool = False) -> bool:
        """Look until all that there is is here; whether the run has ended. What was asked for once stays asked for."""
        reader = self._reader
        reader.system, reader.console = reader.system or system, reader.console or console
        try:
            while True:
                look = read_once(self._connection, reader)
                self._card = reader.card or self._card
                if on_look is not None:
                    on_look(look)
                if not look.more:
                    self._offline = ""
                    return look.ended
        except CloudError as error:
            if error.scope not in _PASSES or load_card(self.directory) is None:
                raise
            self._offline = error.message
            return self.finished

    def _keep(self, card: Card) -> None:
        self._card = card
        if self.directory.is_dir():
            save_card(self.directory, card)

    def take(self, node: dict[str, Any]) -> None:
        """What a list of runs says of it."""
        self._card = card_of(self.path, node, time.time(), self._card)
        self._offline = ""

    @property
    def stamp(self) -> tuple[str, str, int, str, tuple[str, ...], str]:
        """What of it a list shows: two that are equal need not be drawn again."""
        card = self._card
        return card.state, card.heartbeat_at, card.rows, card.name, card.tags, card.notes


def read_once(connection: Connection, reader: Reader, *, patience_s: float | None = None) -> Look:
    """One look at one run. CloudError; MetricsError where the disk is full."""
    patience_s = PATIENCE_S if patience_s is None else patience_s
    while True:
        ask = reader.ask()
        try:
            answer = connection.execute(*queries.looks([ask]), patience_s=patience_s)
        except CloudError as error:
            if error.scope == "invalid" and reader.refuse(ask, error.message):
                continue
            raise explained(error, reader.path.entity, reader.path.project) from error
        project: dict[str, Any] | None = answer.get("a0")
        node = (project or {}).get("run")
        if node is None:
            raise _missing(connection, reader.path, project)
        return reader.take(ask, node)


def _missing(connection: Connection, path: RunPath, project: object) -> CloudError:
    if project is None:
        return why_no_project(connection, path.entity, path.project)
    return no_such_run(connection.url, path)


def _moment(text: str) -> datetime | None:
    seconds = seconds_of(text)
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
