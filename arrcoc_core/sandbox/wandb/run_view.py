"""A run as GraphQL shows it."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from arrcoc_core.sandbox.wandb import accounts
from arrcoc_core.sandbox.wandb.artifacts.views import ArtifactsOfRun
from arrcoc_core.sandbox.wandb.console import ConsoleLine
from arrcoc_core.sandbox.wandb.graphql import WandbError
from arrcoc_core.sandbox.wandb.runs import Run
from arrcoc_core.sandbox.wandb.views import LARGEST_PAGE, connection, offset_of, page, page_size, timestamp
from arrcoc_core.sandbox.wandb.world import Asked, owner

SAMPLES = 500


class RunView(ArtifactsOfRun):
    type_name = "Run"

    def __init__(self, asked: Asked, run: Run) -> None:
        self._asked = asked
        self._world = asked.world
        self._run = run
        self.id = run.storage_id
        self.name = run.name
        self.display_name = run.display_name
        self.description = run.description
        self.notes = run.notes
        self.stopped = run.stopped
        self.config = run.config
        self.summary_metrics = run.summary
        self.system_metrics = run.system
        self.tags = run.tags
        self.group = run.group
        self.job_type = run.job_type
        self.commit = run.commit
        self.host = run.host
        self.program = run.program
        self.sweep_name = run.sweep
        self.read_only = False

    def state(self) -> str:
        return self._world.runs.state(self._run)

    def created_at(self) -> str:
        return timestamp(self._run.created)

    def updated_at(self) -> str:
        return timestamp(self._run.updated or self._run.created)

    def heartbeat_at(self) -> str:
        return timestamp(self._run.heartbeat)

    def user(self) -> dict[str, Any]:
        return accounts.user()

    def project(self) -> Any:
        from arrcoc_core.sandbox.wandb.projects import ProjectView

        found = self._world.project(self._run.entity, self._run.project)
        return None if found is None else ProjectView(self._asked, found)

    def project_id(self) -> int:
        found = self._world.project(self._run.entity, self._run.project)
        return 0 if found is None else found.id

    def wandb_config(self, keys: list[str] | None = None) -> str:
        held: dict[str, Any] = json.loads(self._run.config).get("_wandb", {}).get("value", {})
        return json.dumps({key: held[key] for key in keys or held if key in held})

    def history_line_count(self) -> int:
        return self._world.lines.count(self._run.id, "history")

    def events_line_count(self) -> int:
        return self._world.lines.count(self._run.id, "events")

    def log_line_count(self) -> int:
        return self._world.lines.count(self._run.id, "console")

    def history_tail(self) -> str:
        return self._tail("history")

    def events_tail(self) -> str:
        return self._tail("events")

    def history_keys(self) -> dict[str, Any] | None:
        found = self._world.lines.metrics(self._run.id)
        last = self._world.lines.last_step(self._run.id)
        return {"sets": [], "keys": found, "lastStep": last} if found else None

    def history(
        self, samples: int | None = None, min_step: int | None = None, max_step: int | None = None
    ) -> list[str]:
        return self._world.lines.sampled(self._run.id, "history", _or(samples, SAMPLES), min_step, max_step)

    def events(self, samples: int | None = None, min_step: int | None = None, max_step: int | None = None) -> list[str]:
        return self._world.lines.sampled(self._run.id, "events", _or(samples, SAMPLES), min_step, max_step)

    def sampled_history(self, specs: list[str]) -> list[Any]:
        """One list of rows for each spec: {"keys", "samples", "minStep", "maxStep"}.

        Here the last step is one that is wanted: wandb-core 0.31 asks for one less than it does of `history`.
        """
        found: list[Any] = []
        for text in specs:
            spec: dict[str, Any] = json.loads(text)
            samples, low, last = int(spec.get("samples", SAMPLES)), spec.get("minStep"), spec.get("maxStep")
            end = None if last is None else int(last) + 1
            found.append(self._world.lines.with_keys(self._run.id, spec.get("keys", []), samples, low, end))
        return found

    def parquet_history(self, live_keys: list[str]) -> dict[str, Any]:
        """Nothing of the history is ever moved out of the database here: all of it is live, from its first row on."""
        first = self._world.lines.sampled(self._run.id, "history", 1, None, None)
        step = json.loads(first[0]).get("_step", 0) if first else 0
        return {"parquetUrls": [], "liveData": [{"_step": step}] if first else []}

    def log_lines(
        self,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        use_improved_pagination: bool | None = None,
    ) -> dict[str, Any]:
        total = self.log_line_count()
        if last is not None:
            start, size = max(0, total - last), min(last, LARGEST_PAGE)
            start = max(start, total - size)
        else:
            start, size = offset_of(after), page_size(first)
        found = self._world.lines.between(self._run.id, "console", start, start + size)
        return page([ConsoleLine.of(*line) for line in found], lambda line: line, start, total)

    def file_count(self) -> int:
        return len(self._world.files.of(owner(self._run)))

    def files(
        self,
        names: list[str] | None = None,
        first: int | None = None,
        after: str | None = None,
        pattern: str | None = None,
    ) -> dict[str, Any]:
        found = self._world.files.of(owner(self._run))
        if names:
            found = [held for held in found if held["name"] in names]
        if pattern:
            like = re.compile(re.escape(pattern).replace("%", ".*").replace("_", "."), re.DOTALL)
            found = [held for held in found if like.fullmatch(held["name"])]
        return connection(found, lambda held: FileView(self._asked, self._run, held["name"], held), first, after)

    def _tail(self, stream: str) -> str:
        """A list of the last line, as a client that resumes reads it."""
        last = self._world.lines.last(self._run.id, stream)
        return json.dumps([] if last is None else [last])


class FileView:
    storage_path = digest = artifact = upload_multipart_urls = None

    def __init__(self, asked: Asked, run: Run, name: str, held: dict[str, Any] | None = None) -> None:
        """`held`: what is known of a file that is there; None for one that is only to be uploaded."""
        self._asked = asked
        self._run = run
        self.name = self.display_name = name
        self.id = base64.b64encode(f"File:{run.id}:{name}".encode()).decode()
        self.upload_headers: list[str] = []
        self.size_bytes = held["size"] if held else 0
        self.mimetype = held["mimetype"] if held else None
        self.md5 = held["md5"] if held else None
        self.updated_at = timestamp(held["updated"]) if held else None

    def url(self, upload: bool | None = None) -> str:
        if upload:
            return self.direct_url()
        return f"{self._asked.base}/files/{self._run.path}/{self.name}"

    def direct_url(self) -> str:
        return self._asked.world.files.address(self._asked.base, owner(self._run), self.name)

    def upload_url(self) -> str:
        return self.direct_url()


def file_of_id(text: str) -> tuple[int, str]:
    """The number of the run, and the name."""
    try:
        _, number, name = base64.b64decode(text).decode().split(":", 2)
        return int(number), name
    except ValueError:
        raise WandbError(400, f"invalid file id: {text}") from None


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
