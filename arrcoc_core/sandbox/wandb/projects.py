"""A project as GraphQL shows it: its runs, by filter and in order."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from arrcoc_core.sandbox.wandb import accounts
from arrcoc_core.sandbox.wandb.artifacts.views import ArtifactsOfProject
from arrcoc_core.sandbox.wandb.filters import passes, sort_key
from arrcoc_core.sandbox.wandb.launch.views import LaunchOfProject, config_view
from arrcoc_core.sandbox.wandb.run_view import RunView
from arrcoc_core.sandbox.wandb.runs import Run, config_values
from arrcoc_core.sandbox.wandb.views import connection, offset_of, page, page_size, timestamp
from arrcoc_core.sandbox.wandb.world import Asked, Project

AGES = {"+created_at": False, "-created_at": True, "created_at": False, "+createdAt": False, "-createdAt": True}
"""Orders that the database has an index for: whether the newest comes first."""


class ProjectView(LaunchOfProject, ArtifactsOfProject):
    def __init__(self, asked: Asked, project: Project) -> None:
        self._asked = asked
        self._runs = asked.world.runs
        self._project = project
        self.id = f"UHJvamVjdDp2MTo{project.id}"
        self.internal_id = project.id
        self.name = project.name
        self.entity_name = project.entity
        self.description = project.description
        self.access = project.access
        self.views = "{}"
        self.created_at = timestamp(project.created)
        self.is_benchmark = False
        self.read_only = False

    def entity(self) -> dict[str, Any]:
        return entity_view(self._asked, self._project.entity)

    def user(self) -> dict[str, Any]:
        return accounts.user()

    def run_count(self, filters: str | None = None) -> int:
        wanted = json.loads(filters or "{}")
        if not wanted:
            return self._runs.count(self._project.entity, self._project.name)
        return len(self._filtered(wanted))

    def run(self, name: str) -> RunView | None:
        found = self._runs.get(self._project.entity, self._project.name, name)
        return None if found is None else RunView(self._asked, found)

    def bucket(self, name: str, missing_ok: bool | None = None) -> RunView | None:
        return self.run(name)

    def runs(
        self,
        filters: str | None = None,
        order: str | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> dict[str, Any]:
        wanted: dict[str, Any] = json.loads(filters or "{}")
        order = order or "-created_at"
        start, size = offset_of(after), page_size(first)
        entity, name = self._project.entity, self._project.name
        if not wanted and order in AGES:
            found = self._runs.page(entity, name, newest_first=AGES[order], first=size, offset=start)
            return page(found, self._view, start, self._runs.count(entity, name))
        chosen = self._filtered(wanted)
        field = order.lstrip("+-")
        chosen.sort(key=lambda run: sort_key(self._look(run), field), reverse=order.startswith("-"))
        return page(chosen[start : start + size], self._view, start, len(chosen))

    def sweep(self, sweep_name: str) -> None:
        return None

    def _view(self, run: Run) -> RunView:
        return RunView(self._asked, run)

    def _filtered(self, wanted: dict[str, Any]) -> list[Run]:
        found = self._runs.all(self._project.entity, self._project.name)
        return [run for run in found if passes(self._look(run), wanted)]

    def _look(self, run: Run) -> Callable[[str], Any]:
        def look(name: str) -> Any:
            kind, _, rest = name.partition(".")
            if kind == "config":
                return _inside(config_values(run.config), rest.removesuffix(".value"))
            if kind in ("summary_metrics", "summary", "summaryMetrics"):
                return _inside(json.loads(run.summary), rest)
            return self._fields(run).get(name)

        return look

    def _fields(self, run: Run) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "name": run.name,
            "display_name": run.display_name,
            "displayName": run.display_name,
            "state": self._runs.state(run),
            "tags": run.tags,
            "group": run.group,
            "username": run.user,
            "user": run.user,
            "sweep": run.sweep,
        }
        for snake, camel, value in (
            ("job_type", "jobType", run.job_type),
            ("created_at", "createdAt", datetime.fromtimestamp(run.created, UTC)),
            ("heartbeat_at", "heartbeatAt", datetime.fromtimestamp(run.heartbeat, UTC)),
            ("updated_at", "updatedAt", datetime.fromtimestamp(run.updated or run.created, UTC)),
        ):
            fields[snake] = fields[camel] = value
        return fields


def entity_view(asked: Asked, name: str) -> dict[str, Any]:
    def project(name: str | None = None, *, entity: str = name) -> ProjectView | None:
        found = asked.world.project(entity, name or "")
        return None if found is None else ProjectView(asked, found)

    def page_of_projects(first: int | None = None, after: str | None = None) -> dict[str, Any]:
        return projects(asked, name, first, after)

    def resource_config(id: str) -> dict[str, Any] | None:
        found = asked.world.launch.queues.config(id)
        return config_view(found) if found is not None and found.entity == name else None

    return {
        **accounts.entity(name),
        "project": project,
        "projects": page_of_projects,
        "defaultResourceConfig": resource_config,
    }


def projects(asked: Asked, entity: str, first: int | None, after: str | None) -> dict[str, Any]:
    found = asked.world.projects(entity) if asked.readable(entity) else []
    return connection(found, lambda project: ProjectView(asked, project), first, after)


def _inside(held: Any, path: str) -> Any:
    """A value by its dotted path; a name may itself have dots or slashes in it."""
    if isinstance(held, dict) and path in held:
        return held[path]  # pyright: ignore[reportUnknownVariableType]
    name, _, rest = path.partition(".")
    return _inside(held[name], rest) if isinstance(held, dict) and rest and name in held else None  # pyright: ignore[reportUnknownArgumentType]
