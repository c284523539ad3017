"""`arrcoc infra`: what is there, what is granted, what it costs to keep. Changes nothing, but for `--request`.

The resources and the tables are asked for at the same time and shown as they come; one that fails says so alone.
"""

from __future__ import annotations

import argparse
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from arrcoc_core.cli.asking import refused, show_problem
from arrcoc_core.cli.live_rows import LiveRows
from arrcoc_core.cli.terminal import is_tty, paint, say, say_line, table
from arrcoc_core.errors import ArrcocError, ConfigError, PlanError
from arrcoc_core.formatting import UNKNOWN, money, size

if TYPE_CHECKING:
    from arrcoc_core.infra.events import Problem
    from arrcoc_core.infra.keeping import Cost
    from arrcoc_core.infra.live import LiveJob
    from arrcoc_core.infra.tables import QuotaRow
    from arrcoc_core.infra.world import World
    from arrcoc_core.queue import QueueView

Ask = Callable[["World"], Sequence[Any]]


def infra(arguments: argparse.Namespace) -> int:
    from arrcoc_core.infra.preconditions import no_project
    from arrcoc_core.infra.world import World, has_others
    from arrcoc_core.settings import find_root, load_settings

    settings = load_settings(find_root())
    if not settings.get("GCP_PROJECT_ID") and (arguments.request or not has_others(settings)):
        raise no_project()
    world = World.of(settings, request_quota=False, contact=arguments.contact or "")
    if arguments.request:
        return _request(world, arguments)
    return _look(world, arguments.json)


def _look(world: World, as_json: bool) -> int:
    from arrcoc_core.infra.preconditions import first_problem
    from arrcoc_core.infra.running import check_infra

    problem = first_problem(world)
    if problem is not None:  # nothing below could be asked for
        return refused(problem, as_json=as_json)
    of_google = [
        _Part("quotas", "Quotas", _quotas, _quota_table, as_json),
        _Part("costs", "Cost of keeping", _costs, _cost_table, as_json),
        _Part("jobs", "Jobs of ours", _jobs, _job_table, as_json),
    ]
    parts = of_google if world.on_google else []
    if world.queues and world.has_wandb_key:
        parts.append(_Part("queues", "W&B Launch", _queues, _queue_lines, as_json))

    def below() -> list[str]:
        return [line for part in parts for line in part.lines()]

    view = LiveRows(below=below, as_json=as_json)
    for part in parts:
        part.start(world)
    with view:
        outcome = check_infra(world, on_event=view.tell)
        for part in parts:
            part.wait()
    if as_json:
        say_line({"type": "done", "done": True, "ok": outcome.ok and not any(part.problem for part in parts)})
        return outcome.exit_code
    if not is_tty():
        for line in below():
            say(line)
    for event in outcome.events:
        if event.error is not None and event.state in ("failed", "foreign", "unknown"):
            show_problem(event.error)
    for part in parts:
        if part.problem is not None:
            show_problem(part.problem)
    if outcome.count("missing", "different"):
        say()
        say("Something is missing: arrcoc setup")
    return outcome.exit_code


class _Part:
    """A table that loads in a thread of its own."""

    def __init__(
        self, key: str, title: str, ask: Ask, render: Callable[[Sequence[Any]], list[str]], as_json: bool
    ) -> None:
        self.key = key
        self.title = title
        self.problem: Problem | None = None
        self._ask, self._render, self._as_json = ask, render, as_json
        self._rows: Sequence[Any] | None = None
        self._since = time.monotonic()
        self._seconds = 0.0
        self._thread: threading.Thread | None = None

    def start(self, world: World) -> None:
        self._tell("loading")
        self._thread = threading.Thread(target=self._load, args=(world,), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        assert self._thread is not None
        self._thread.join()

    def lines(self) -> list[str]:
        if self._rows is not None:
            return ["", paint(self.title, "bold"), *self._render(self._rows)]
        if self.problem is not None:
            return ["", paint(self.title, "bold"), f"not known: {self.problem.message}"]
        return ["", f"{paint(self.title, 'bold')}  loading, {time.monotonic() - self._since:.1f} s"]

    def _load(self, world: World) -> None:
        from arrcoc_core.infra.repairs import problem_of
        from arrcoc_core.infra.tables import cost_total

        try:
            rows = self._ask(world)
        except ArrcocError as error:
            self._seconds = time.monotonic() - self._since
            self.problem = problem_of(error, world)
            self._tell("failed")
            return
        self._seconds = time.monotonic() - self._since
        if self._as_json:
            kind = {"jobs": {"type": "job"}, "queues": {"type": "queue"}}.get(self.key, {})
            for row in rows:
                say_line({**kind, **row.to_json()})
            if self.key == "costs":
                say_line(cost_total(rows))
        self._rows = rows
        self._tell("loaded")

    def _tell(self, state: str) -> None:
        if self._as_json:
            error = self.problem.to_json() if self.problem is not None else None
            say_line(
                {"type": "table", "table": self.key, "state": state, "seconds": round(self._seconds, 3), "error": error}
            )


def _quotas(world: World) -> Sequence[QuotaRow]:
    from arrcoc_core.infra.tables import quota_rows

    return quota_rows(world)


def _costs(world: World) -> Sequence[Cost]:
    from arrcoc_core.infra.tables import cost_rows

    return cost_rows(world)


def _jobs(world: World) -> Sequence[LiveJob]:
    from arrcoc_core.infra.live import job_regions, live_jobs

    return live_jobs(world, job_regions(world))


def _queues(world: World) -> Sequence[QueueView]:
    from arrcoc_core.infra.tables import queue_views

    return queue_views(world)


def _queue_lines(views: Sequence[QueueView]) -> list[str]:
    from arrcoc_core.cli.queue import lines

    return [line for n, view in enumerate(views) for line in ([""] if n else []) + lines(view)] or ["no queue is there"]


def _quota_table(rows: Sequence[QuotaRow]) -> list[str]:
    if not rows:
        return ["none granted, none needed by an experiment"]
    wanted = [row for row in rows if row.needed or row.pending is not None]
    cells = [
        (
            _gpu(row.gpu),
            row.region,
            row.kind,
            _amount(row.limit),
            UNKNOWN if row.used is None else str(row.used),
            str(row.needed or ""),
            "" if row.pending is None else _asked(row),
        )
        for row in wanted
    ]
    headers = ("GPU", "region", "kind", "limit", "used", "needed", "request")
    lines = table(headers, cells, right=(3, 4, 5)).splitlines() if wanted else []
    return [*lines, *_granted_elsewhere([row for row in rows if row not in wanted])]


def _granted_elsewhere(rows: Sequence[QuotaRow]) -> list[str]:
    """What is granted and no experiment asks for: a line for each GPU, kind and amount, with its regions."""
    regions: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        regions.setdefault((_gpu(row.gpu), row.kind, _amount(row.limit)), []).append(row.region)
    cells = [(gpu, kind, limit, ", ".join(places)) for (gpu, kind, limit), places in regions.items()]
    return ["granted as well", *table(("GPU", "kind", "limit", "in"), cells, right=(2,)).splitlines()] if cells else []


def _gpu(name: str) -> str:
    return "vCPU" if name == "CPU" else name


def _asked(row: QuotaRow) -> str:
    assert row.pending is not None
    return f"{row.pending.wanted}: {row.pending.state}"


def _cost_table(rows: Sequence[Cost]) -> list[str]:
    from arrcoc_core.infra.tables import cost_total

    if not rows:
        return ["nothing is there that could cost"]
    total = cost_total(rows)
    cells = [
        (
            row.title,
            size(row.size_bytes),
            money(row.usd_per_month),
            row.note,
        )
        for row in rows
    ]
    known = "" if total["complete"] else " at least"
    lines = table(("what", "size", "a month", "price"), cells, right=(1, 2)).splitlines()
    return [
        *lines,
        f"In all{known} {money(total['usd_per_month'])} a month, before free tiers. "
        f"Prices of {total['as_of']}, {total['source']}",
    ]


def _job_table(rows: Sequence[LiveJob]) -> list[str]:
    if not rows:
        return ["none"]
    cells = [(row.run or row.job, row.region, f"{row.count} x {row.gpu}", row.state.lower()) for row in rows]
    return table(("run", "region", "GPUs", "state"), cells).splitlines()


def _amount(limit: int | None) -> str:
    return UNKNOWN if limit is None else "unlimited" if limit < 0 else str(limit)


def _request(world: World, arguments: argparse.Namespace) -> int:
    """Ask for quota now, whatever was asked for or refused before."""
    from arrcoc_core.infra.needs import GpuNeed
    from arrcoc_core.infra.quota_requests import GpuQuota
    from arrcoc_core.infra.running import ensure_only
    from arrcoc_core.infra.tables import wanted_amounts

    gpu, count, region = _parsed(arguments.request, world.names.region)
    amounts = wanted_amounts(gpu, count, arguments.on_demand)
    wanted = GpuQuota(GpuNeed(gpu, region, amounts, ()), insist=True)
    view = LiveRows(as_json=arguments.json)
    with view:
        outcome = ensure_only(world, [wanted], on_event=view.tell)
    if arguments.json:
        say_line({"type": "done", "done": True, "ok": outcome.ok})
        return outcome.exit_code
    for event in outcome.events:
        if event.error is not None:
            show_problem(event.error)
    if outcome.count("requested"):
        say("Google decides, in minutes or days. Follow it with: arrcoc infra")
    return outcome.exit_code


def _parsed(text: str, home: str) -> tuple[str, int, str]:
    """`L4=2@us-central1` -> ("L4", 2, "us-central1")."""
    from arrcoc_core.catalog import REGIONS, counts_of
    from arrcoc_core.catalog.regions import nearest_regions

    match = re.fullmatch(r"([A-Za-z0-9-]+)=([1-9][0-9]{0,4})(?:@([a-z0-9-]+))?", text.strip())
    if match is None:
        raise ConfigError(f"{text!r} is not a request.", remedy="Write GPU=N or GPU=N@REGION: L4=2@us-central1")
    gpu, count, region = match[1].upper(), int(match[2]), match[3] or home
    if not counts_of(gpu):
        raise PlanError(f"Vertex AI has no GPU {match[1]!r}.", remedy="arrcoc costs   lists them")
    if region not in REGIONS:
        near = nearest_regions(region)
        raise ConfigError(f"Vertex AI has no region {region!r}.", remedy=f"Did you mean {near[0]}?" if near else "")
    return gpu, count, region
