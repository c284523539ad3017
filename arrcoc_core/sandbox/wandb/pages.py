"""Where "open in W&B" leads in the sandbox: a page for each thing, with its state and its last numbers.

Read only, and without a key: the sandbox is this machine's own.

/sandbox                         its projects and queues
/sandbox/arr-coc                 a project's runs
/sandbox/arr-coc/runs/one        a run
/sandbox/launch[/<queue id>]     queues, or one with its items
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from arrcoc_core.sandbox.wandb.accounts import ENTITIES
from arrcoc_core.sandbox.wandb.launch.queues import Queue
from arrcoc_core.sandbox.wandb.launch.store import PROJECT
from arrcoc_core.sandbox.wandb.runs import config_values
from arrcoc_core.sandbox.wandb.views import timestamp

if TYPE_CHECKING:
    from arrcoc_core.sandbox.wandb.world import World

SHOWN = 200
"""Rows of a table, and characters of a value."""
_STYLE = "body{font:15px sans-serif;margin:2em}td,th{text-align:left;padding:.2em 1.2em .2em 0;vertical-align:top}"


def page(world: World, base: str, path: str) -> str | None:
    """The page at that address, or None where there is nothing."""
    match [unquote(part) for part in path.strip("/").split("/") if part]:
        case []:
            return _page("W&B", [_table(("entity",), [[_link(base, name)] for name in ENTITIES[:2]])])
        case [entity] if entity in ENTITIES:
            return _entity(world, base, entity)
        case [entity, "launch"] if entity in ENTITIES:
            return _page(f"{entity}: queues", [_queues(world, base, entity)])
        case [entity, "launch", queue_id]:
            found = world.launch.queues.get(queue_id)
            return _queue(world, base, found) if found is not None and found.entity == entity else None
        case [entity, project, "runs", run_id]:
            return _run(world, base, entity, project, run_id)
        case [entity, project] | [entity, project, "workspace" | "table" | "overview"]:
            return _project(world, base, entity, project)
        case _:
            return None


def _entity(world: World, base: str, entity: str) -> str:
    rows = [[_link(base, entity, p.name), timestamp(p.created)] for p in world.projects(entity)]
    return _page(entity, [_table(("project", "made"), rows), _queues(world, base, entity)])


def _project(world: World, base: str, entity: str, project: str) -> str | None:
    if world.project(entity, project) is None:
        return None
    runs, state = world.runs.page(entity, project, newest_first=True, first=SHOWN, offset=0), world.runs.state
    rows = [
        [_link(base, entity, project, "runs", run.name), run.display_name, state(run), timestamp(run.created)]
        for run in runs
    ]
    return _page(f"{entity}/{project}", [_table(("run", "name", "state", "began"), rows)])


def _run(world: World, base: str, entity: str, project: str, run_id: str) -> str | None:
    run = world.runs.get(entity, project, run_id)
    if run is None:
        return None
    about = [
        ["state", world.runs.state(run)],
        ["project", _link(base, entity, project)],
        ["began", timestamp(run.created)],
        ["last heard of", timestamp(run.heartbeat)],
        ["rows", str(world.lines.count(run.id, "history"))],
        ["tags", ", ".join(run.tags)],
    ]
    count = world.lines.count(run.id, "console")
    tail = "\n".join(body for _, body in world.lines.between(run.id, "console", max(0, count - 40), count))
    return _page(
        f"{run.display_name} ({run.path})",
        [
            _table((), about),
            "<h2>Summary</h2>" + _table((), _pairs(json.loads(run.summary))),
            "<h2>Config</h2>" + _table((), _pairs(config_values(run.config))),
            f"<h2>Console</h2><pre>{html.escape(tail)}</pre>",
        ],
    )


def _queues(world: World, base: str, entity: str) -> str:
    rows = [
        [_link(base, entity, "launch", queue.id, text=queue.name), str(world.launch.items.count(queue))]
        for queue in world.launch.queues.of(entity, PROJECT)
    ]
    return "<h2>Launch queues</h2>" + _table(("queue", "items"), rows)


def _queue(world: World, base: str, queue: Queue) -> str:
    items = world.launch.items.of(queue, SHOWN, 0)
    rows = [
        [
            item.state,
            timestamp(item.created),
            str(item.spec.get("name") or item.spec.get("job") or ""),
            _link(base, queue.entity, str(item.spec.get("project")), "runs", item.run) if item.run else "",
            str((item.error or {}).get("message", "")),
        ]
        for item in items
    ]
    agents = [
        [agent.name, world.launch.agents.status(agent), timestamp(agent.heartbeat)]
        for agent in world.launch.agents.of(queue.entity, queue.project)
        if queue.id in agent.queues
    ]
    return _page(
        f"{queue.entity}: queue {queue.name}",
        [
            _table(("state", "pushed", "what", "run", "why"), rows),
            "<h2>Agents</h2>" + _table(("agent", "state", "last heard of"), agents),
        ],
    )


def _pairs(held: dict[str, Any]) -> list[list[str]]:
    return [[name, str(value)[:SHOWN]] for name, value in sorted(held.items())]


class _Html(str):
    """Text that is HTML already."""


def _link(base: str, *parts: str, text: str = "") -> _Html:
    address = "/".join([base, *(quote(part, safe="") for part in parts)])
    return _Html(f'<a href="{html.escape(address)}">{html.escape(text or parts[-1])}</a>')


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell if isinstance(cell, _Html) else html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _page(title: str, parts: Iterable[str]) -> str:
    return (
        f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title><style>{_STYLE}</style>"
        f"<p>This is the sandbox's W&amp;B: nothing here is real.</p><h1>{html.escape(title)}</h1>{''.join(parts)}"
    )
