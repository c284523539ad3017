"""Mutation: projects, runs and their files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from arrcoc_core.sandbox.wandb import accounts
from arrcoc_core.sandbox.wandb.graphql import WandbError
from arrcoc_core.sandbox.wandb.projects import ProjectView
from arrcoc_core.sandbox.wandb.run_view import FileView, RunView, file_of_id
from arrcoc_core.sandbox.wandb.runs import ENDED, Run
from arrcoc_core.sandbox.wandb.world import Asked, owner

UNCATEGORIZED = "uncategorized"
_PROJECT = re.compile(r"[^/\\#?%:]{1,128}")
_RUN = re.compile(r"[^/\\#?%:]{1,128}")
_TO_STATE: Mapping[str, tuple[str, ...]] = {
    "pending": ("running", "failed", "crashed", "preempted"),
    "failed": ("pending", "running"),
}
"""State asked for -> states from which it may be reached (wandb 0.31, apis/public/runs.py: Run.update_state)."""
# input field -> attribute of a run
_FIELDS: Mapping[str, str] = {
    "display_name": "display_name",
    "description": "description",
    "notes": "notes",
    "config": "config",
    "summary_metrics": "summary",
    "tags": "tags",
    "group_name": "group",
    "job_type": "job_type",
    "commit": "commit",
    "host": "host",
    "job_program": "program",
    "sweep": "sweep",
}


class Writing:
    """Mixed into the root, which has `_asked`."""

    _asked: Asked

    def upsert_model(self, input: dict[str, Any]) -> dict[str, Any]:
        entity = input.get("entity_name") or accounts.USER
        self._asked.check_writable(entity, "upsertModel")
        project, inserted = self._project(entity, input.get("name") or "")
        for name in ("description", "access"):
            if input.get(name) is not None:
                setattr(project, name, input[name])
        self._asked.world.put_project(project)
        view = ProjectView(self._asked, project)
        return {"project": view, "model": view, "inserted": inserted}

    def upsert_bucket(self, input: dict[str, Any]) -> dict[str, Any]:
        """A run by its storage id changes; by its name it is made, or goes on."""
        if input.get("id"):
            run, inserted = self._asked.own_run_by_id(input["id"], "upsertBucket"), False
        else:
            run, inserted = self._started(input)
        for name, attribute in _FIELDS.items():
            if input.get(name) is not None:
                setattr(run, attribute, input[name])
        for name in ("config", "summary_metrics"):
            _check_json(input.get(name))
        run.updated = self._asked.world.clock.now()
        self._asked.world.runs.put(run)
        return {"bucket": RunView(self._asked, run), "inserted": inserted}

    def rewind_run(self, input: dict[str, Any]) -> dict[str, Any]:
        """The run as it was at that step: what was logged after it is forgotten."""
        entity, project = input.get("entity_name") or accounts.USER, input.get("project_name") or UNCATEGORIZED
        run = self._asked.own_run(entity, project, input["run_name"], "rewindRun")
        if input["metric_name"] != "_step":
            raise WandbError(400, "rewindRun: only _step can be rewound to")
        lines = self._asked.world.lines
        lines.cut(run.id, int(input["metric_value"]))
        last = lines.last(run.id, "history")
        run.summary = last or "{}"
        self._go_on(run)
        self._asked.world.runs.put(run)
        return {"rewoundRun": RunView(self._asked, run)}

    def update_run_state(self, input: dict[str, Any]) -> dict[str, Any]:
        run = self._asked.own_run_by_id(input["id"], "updateRunState")
        now, wanted = self._asked.world.runs.state(run), input["state"].lower()
        if now not in _TO_STATE.get(wanted, ()):
            raise WandbError(400, f"a run that is {now} cannot become {wanted}")
        run.state = wanted
        self._asked.world.runs.put(run)
        return {"success": True}

    def stop_run(self, input: dict[str, Any]) -> dict[str, Any]:
        run = self._asked.own_run_by_id(input["id"], "stopRun")
        if self._asked.world.runs.state(run) not in ENDED:
            run.stopped = True
            self._asked.world.runs.put(run)
        return {"success": True}

    def delete_run(self, input: dict[str, Any]) -> dict[str, Any]:
        self._asked.world.delete_run(self._asked.own_run_by_id(input["id"], "deleteRun"))
        return {"success": True}

    def create_run_files(self, input: dict[str, Any]) -> dict[str, Any]:
        run = self._run_of(input, "createRunFiles")
        files = [FileView(self._asked, run, name) for name in input["files"]]
        return {"runID": run.storage_id, "uploadHeaders": [], "files": files}

    def mark_run_files_uploaded(self, input: dict[str, Any]) -> dict[str, Any]:
        """Files are known here once they have arrived: there is nothing to mark."""
        self._run_of(input, "markRunFilesUploaded")
        return {"success": True}

    def delete_files(self, input: dict[str, Any]) -> dict[str, Any]:
        world = self._asked.world
        for text in input["files"]:
            number, name = file_of_id(text)
            run = world.runs.by_number(number)
            if run is None:
                raise WandbError(404, f"file {name} not found during deleteFiles")
            self._asked.check_writable(run.entity, "deleteFiles")
            world.files.delete(owner(run), name)
        return {"success": True}

    def _run_of(self, input: dict[str, Any], what: str) -> Run:
        return self._asked.own_run(input["entity_name"], input["project_name"], input["run_name"], what)

    def _started(self, input: dict[str, Any]) -> tuple[Run, bool]:
        """The run of that name, running; and whether it is new."""
        world = self._asked.world
        entity, name = input.get("entity_name") or accounts.USER, input.get("name") or ""
        self._asked.check_writable(entity, "upsertBucket")
        if not _RUN.fullmatch(name):
            raise WandbError(400, f"invalid run name: {name!r}")
        project, _ = self._project(entity, input.get("model_name") or UNCATEGORIZED)
        run = world.runs.get(entity, project.name, name)
        inserted = run is None
        if run is None:
            run = world.runs.add(entity, project.name, name, self._asked.caller)
        if input.get("state"):
            run.state = input["state"].lower()
        elif world.runs.state(run) in (*ENDED, "pending"):  # a client says its config again while it runs, too
            self._go_on(run)
        world.runs.beat(run)
        return run, inserted

    def _go_on(self, run: Run) -> None:
        # A run that is going on says more of itself from time to time: that it is to stop is not forgotten for it.
        if self._asked.world.runs.state(run) != "running":
            run.state, run.exit_code, run.stopped, run.preempting = "running", None, False, False
        self._asked.world.runs.beat(run)

    def _project(self, entity: str, name: str) -> tuple[Any, bool]:
        if not _PROJECT.fullmatch(name):
            raise WandbError(400, f"invalid project name: {name!r}")
        return self._asked.world.ensure_project(entity, name)


def _check_json(text: str | None) -> None:
    try:
        json.loads(text or "{}")
    except ValueError:
        raise WandbError(400, "invalid JSONString") from None
