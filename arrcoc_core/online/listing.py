"""What there is on a W&B server: projects, the runs of one, one run by its name.

    online_projects()                        those that this machine's key may read
    online_runs(project="vqa", limit=100)    newest first, one request for each hundred
    get_online_run("my-team/vqa/k64")        or the address of its page

The project and the entity are those of `.training`; without an entity there, the key's own. A `ProjectRuns` is a list
that is kept fresh: it asks for the runs that gave a sign of life since it asked last, as a rule one small page.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.accounts.addresses import wandb_app_url
from arrcoc_core.accounts.wandb_client import PATIENCE_S
from arrcoc_core.errors import ConfigError
from arrcoc_core.online import queries
from arrcoc_core.online.addresses import RunPath, is_name, parse_run_path
from arrcoc_core.online.cards import LIVE, Card, card_of, load_card
from arrcoc_core.online.decoding import nodes_of, seconds_of
from arrcoc_core.online.run import OnlineRun
from arrcoc_core.online.servers import Connection, Server, entities_of, reading, why_no_project
from arrcoc_core.settings import find_root, load_settings, state_dir

if TYPE_CHECKING:
    from arrcoc_core.api import Run
    from arrcoc_core.settings import Settings

PAGE = 100
_FRESH_PAGE = 25
_WHOLE_AFTER_S = 300.0
"""A list is asked for as a whole again after this time: names, tags and deletions give no sign of life."""


@dataclass(frozen=True, slots=True)
class OnlineProject:
    """A project on a W&B server."""

    entity: str
    name: str
    created_at: datetime | None
    url: str
    """Its page."""

    def to_json(self) -> dict[str, Any]:
        from arrcoc_core.run_parts import utc_text

        return {
            "entity": self.entity,
            "name": self.name,
            "created_at": utc_text(self.created_at),
            "url": self.url,
        }


def online_projects(
    *, root: Path | None = None, settings: Settings | None = None, entity: str | None = None
) -> list[OnlineProject]:
    """Projects of one entity, or of the key's own and its teams, by name. CloudError."""
    connection = _connection(root, settings)
    entities = [entity] if entity else entities_of(connection)
    found: list[OnlineProject] = []
    for name in entities:
        after: str | None = None
        while True:
            answer = connection.execute(queries.PROJECTS, {"entity": name, "after": after, "first": PAGE})
            page: dict[str, Any] = answer.get("models") or {}
            found += [_project(connection.url, node) for node in nodes_of(page)]
            after = _next(page)
            if after is None:
                break
    return sorted(found, key=lambda project: (project.entity, project.name))


def online_runs(
    *,
    root: Path | None = None,
    settings: Settings | None = None,
    project: str | None = None,
    entity: str | None = None,
    limit: int = PAGE,
) -> list[OnlineRun]:
    """The newest runs of a project, newest first. CloudError."""
    return ProjectRuns(root=root, settings=settings, project=project, entity=entity, limit=limit).runs


def get_online_run(which: str, *, root: Path | None = None, settings: Settings | None = None) -> OnlineRun:
    """One run. ConfigError where `which` names none, CloudError where the server has it not or does not answer.

    A run that was read here before is given while the server cannot be reached, too.
    """
    connection = _connection(root, settings)
    path = parse_run_path(which, connection.url)
    state = state_dir(connection.server.root)
    run = OnlineRun(connection, path, load_card(path.directory(state)) or Card(str(path)), state)
    return run.refresh_or_keep()


class ProjectRuns:
    """The newest runs of a project, kept fresh by `refresh`."""

    def __init__(
        self,
        *,
        root: Path | None = None,
        settings: Settings | None = None,
        project: str | None = None,
        entity: str | None = None,
        limit: int = PAGE,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Asks for them; what passes is retried for `patience_s`, now and at each refresh. CloudError."""
        self._patience_s = patience_s
        self._connection = _connection(root, settings)
        used = settings or self._connection.server.settings()
        self._state = state_dir(self._connection.server.root)
        self.project = project or str(used.get("WANDB_PROJECT"))
        self.entity = entity or str(used.get("WANDB_ENTITY")) or entities_of(self._connection)[0]
        self.limit = limit
        for name in (self.entity, self.project):
            if not is_name(name):
                raise ConfigError(f"{name!r} is no name of an entity or a project of W&B.")
        self.total = 0
        """How many runs the project has."""
        self._runs: dict[str, OnlineRun] = {}
        self._whole_at = 0.0
        self._load()

    @property
    def runs(self) -> list[OnlineRun]:
        """Newest first. An object stays the same while its run is in the list."""
        return sorted(self._runs.values(), key=lambda run: run.created_at, reverse=True)[: self.limit]

    def refresh(self) -> bool:
        """Ask what has changed; True where anything has. CloudError, and then the list is as it was."""
        if time.monotonic() - self._whole_at > _WHOLE_AFTER_S:
            return self._load()
        before = {run.path: run.stamp for run in self._runs.values()}
        total = self.total
        waiting = {run.path for run in self._runs.values() if run.state in LIVE}
        after: str | None = None
        size = min(PAGE, _FRESH_PAGE + len(waiting))
        while True:
            page, nodes = self._page("-heartbeat_at", after, size)
            taken = [self._take(node) for node in nodes]
            waiting -= {run.path for run in taken}
            after = _next(page)
            # Where the last of a page is as it was, further down nothing has given a sign of life since. But one that
            # was live may be there, and have crashed: that is no sign of life.
            if after is None or (not waiting and before.get(taken[-1].path) == taken[-1].stamp):
                break
        fresh = sum(path not in before for path in self._runs)
        if self.total != total + fresh:  # some were deleted
            self._load()
        return before != {run.path: run.stamp for run in self._runs.values()}

    def _load(self) -> bool:
        before = {run.path: run.stamp for run in self._runs.values()}
        found: list[OnlineRun] = []
        after: str | None = None
        while len(found) < self.limit:
            page, nodes = self._page("-created_at", after, min(PAGE, self.limit - len(found)))
            found += [self._take(node) for node in nodes]
            after = _next(page)
            if after is None:
                break
        self._runs = {run.path: run for run in found}
        self._whole_at = time.monotonic()
        return before != {run.path: run.stamp for run in self._runs.values()}

    def _page(self, order: str, after: str | None, size: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        variables = {"entity": self.entity, "project": self.project, "order": order, "filters": "{}"}
        asked = {**variables, "after": after, "first": size}
        with reading(self.entity, self.project):
            answer = self._connection.execute(queries.RUNS, asked, patience_s=self._patience_s)
        project: dict[str, Any] | None = answer.get("project")
        if project is None:
            raise why_no_project(self._connection, self.entity, self.project)
        self.total = int(project.get("runCount") or 0)
        page: dict[str, Any] = project.get("runs") or {}
        return page, nodes_of(page)

    def _take(self, node: dict[str, Any]) -> OnlineRun:
        path = RunPath(self.entity, self.project, str(node["name"]))
        held = self._runs.get(str(path))
        if held is None:
            card = card_of(str(path), node, time.time(), load_card(path.directory(self._state)))
            held = self._runs[str(path)] = OnlineRun(self._connection, path, card, self._state)
        else:
            held.take(node)
        return held


def side_by_side(local: Sequence[Run], online: Sequence[OnlineRun]) -> list[Run | OnlineRun]:
    """Runs of this project's store and of a server in one list, newest first.

    A run of the store that logs online is there once, as the store's: that knows more of it.
    """
    own = {run.id for run in local}
    rows: list[Run | OnlineRun] = [*local, *(run for run in online if run.id not in own)]
    return sorted(rows, key=lambda run: run.created_at, reverse=True)


def _connection(root: Path | None, settings: Settings | None) -> Connection:
    found = settings.root if settings is not None and settings.root is not None else find_root(root)
    endpoints = None if settings is None else str(settings.get("CLOUD_ENDPOINTS"))
    return Connection(Server(found, endpoints), settings or load_settings(found))


def _project(url: str, node: dict[str, Any]) -> OnlineProject:
    entity, name = str(node.get("entityName") or ""), str(node.get("name") or "")
    created = seconds_of(str(node.get("createdAt") or ""))
    moment = datetime.fromtimestamp(created, UTC) if created else None
    return OnlineProject(entity, name, moment, f"{wandb_app_url(url)}/{entity}/{name}")


def _next(page: dict[str, Any]) -> str | None:
    info: dict[str, Any] = page.get("pageInfo") or {}
    return info.get("endCursor") if info.get("hasNextPage") else None
