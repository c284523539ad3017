"""Query: who there is and what projects there are."""

from __future__ import annotations

from typing import Any

from arrcoc_core.sandbox.wandb import accounts
from arrcoc_core.sandbox.wandb.projects import ProjectView, entity_view, projects
from arrcoc_core.sandbox.wandb.world import Asked

FEATURES = ("MARK_RUN_FILES_UPLOADED",)
"""Of the many that servers may have, those that this one has (wandb/proto/wandb_internal.proto: ServerFeature)."""


class Reading:
    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def viewer(self) -> dict[str, Any] | None:
        return accounts.user() if self._asked.caller else None

    def server_info(self) -> dict[str, Any]:
        return {"features": [{"name": name, "isEnabled": True} for name in FEATURES], "latestLocalVersionInfo": None}

    def entity(self, name: str | None = None) -> dict[str, Any] | None:
        name = name or accounts.USER
        return entity_view(self._asked, name) if self._asked.readable(name) else None

    def organization(self, name: str) -> None:
        return None

    def users(self, query: str | None = None, first: int | None = None, after: str | None = None) -> dict[str, Any]:
        found = accounts.user()
        fits = self._asked.caller and query in (None, found["username"], found["email"])
        edges = [{"node": found, "cursor": "1"}] if fits else []
        return {"edges": edges, "pageInfo": {"hasNextPage": False, "hasPreviousPage": False}}

    def project(self, name: str | None = None, entity_name: str | None = None) -> ProjectView | None:
        """null for one that is not there as for one that the caller may not see, as the real server answers."""
        entity_name = entity_name or accounts.USER
        if not self._asked.readable(entity_name):
            return None
        found = self._asked.world.project(entity_name, name or "")
        return None if found is None else ProjectView(self._asked, found)

    def model(self, name: str | None = None, entity_name: str | None = None) -> ProjectView | None:
        return self.project(name, entity_name)

    def models(
        self, entity_name: str | None = None, first: int | None = None, after: str | None = None
    ) -> dict[str, Any]:
        return projects(self._asked, entity_name or accounts.USER, first, after)
