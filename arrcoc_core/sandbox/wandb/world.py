"""Everything that the sandbox's W&B remembers, and one request's look at it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.state import State
from arrcoc_core.sandbox.wandb.accounts import Accounts
from arrcoc_core.sandbox.wandb.artifacts.store import Artifacts
from arrcoc_core.sandbox.wandb.files import Files
from arrcoc_core.sandbox.wandb.graphql import WandbError
from arrcoc_core.sandbox.wandb.launch.store import Launch
from arrcoc_core.sandbox.wandb.lines import Lines
from arrcoc_core.sandbox.wandb.runs import Run, Runs

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box


@dataclass
class Project:
    id: int
    entity: str
    name: str
    created: float
    description: str = ""
    access: str = "PRIVATE"


class World:
    def __init__(self, box: Box) -> None:
        folder = box.data("wandb")
        self.box = box
        self.clock = box.clock
        self.state = State(folder / "wandb.db")
        self.accounts = Accounts(box)
        self.lines = Lines(self.state)
        self.runs = Runs(self.state, box.clock)
        self.files = Files(self.state, folder / "files", box.clock)
        self.launch = Launch(self.state, box.clock)
        self.artifacts = Artifacts(self.state, self.files, box.clock)
        self._projects = self.state.table("project")

    def project(self, entity: str, name: str) -> Project | None:
        held = self._projects.get(f"{entity}/{name}")
        return None if held is None else Project(**held)

    def projects(self, entity: str) -> list[Project]:
        """The newest first."""
        found = [Project(**held) for held in self._projects.values(f"{entity}/")]
        return sorted(found, key=lambda project: -project.id)

    def ensure_project(self, entity: str, name: str) -> tuple[Project, bool]:
        """The project, and whether it was made now."""
        known = self.project(entity, name)
        if known is not None:
            return known, False
        made = Project(self.state.next("project"), entity, name, self.clock.now())
        self.put_project(made)
        return made, True

    def put_project(self, project: Project) -> None:
        self._projects.put(f"{project.entity}/{project.name}", dataclasses.asdict(project))

    def delete_run(self, run: Run) -> None:
        self.lines.delete(run.id)
        self.files.delete(owner(run))
        self.runs.delete(run)


@dataclass
class Asked:
    """One request: who asks, and by which address the caller knows the server."""

    world: World
    caller: str
    base: str

    def readable(self, entity: str) -> bool:
        return self.world.accounts.may_read(self.caller, entity)

    def check_writable(self, entity: str, what: str) -> None:
        self.world.accounts.check_writable(self.caller, entity, what)

    def own_run(self, entity: str, project: str, name: str, what: str) -> Run:
        """A run in which the caller may write. WandbError: 403, 404."""
        self.check_writable(entity, what)
        return self._found(self.world.runs.get(entity, project, name), f"{entity}/{project}/{name}", what)

    def own_run_by_id(self, storage_id: Any, what: str) -> Run:
        run = self.world.runs.by_storage_id(str(storage_id))
        run = self._found(run, str(storage_id), what)
        self.check_writable(run.entity, what)
        return run

    def _found(self, run: Run | None, name: str, what: str) -> Run:
        if run is None:
            raise WandbError(404, f"run {name} not found during {what}")
        return run


def owner(run: Run) -> str:
    """The run as an owner of files."""
    return f"run-{run.id}"
