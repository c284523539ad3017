"""What is asked of a W&B server, as GraphQL.

A look at a run is one field `project { run { … } }`; several looks share one request under aliases. Everything here is
asked by wandb's own clients too, so that a real server takes it (wandb 0.31):

    history(minStep, maxStep, samples)        its reader of history, one window of steps at a time; maxStep excluded
    historyTail, eventsTail, …LineCount       what it asks before it resumes a run (RunResumeStatus)
    historyKeys                               its `lastStep`, where a server has no tail (RunHistoryKeys)
    events(samples)                           wandb/apis/public/runs.py:Run._full_history
    logLines(last), logLineCount              wandb/apis/public/console_logs.py
    files(names)                              wandb/apis/public/files.py
    runs(filters, after, first, order)        wandb/apis/public/runs.py:Runs
    models(entityName, after, first)          wandb/apis/public/projects.py:Projects
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from arrcoc_core.online.addresses import RunPath

_ROW = "name displayName state createdAt heartbeatAt historyLineCount summaryMetrics tags notes user { username name }"
_LINE = "edges { node { number timestamp level line } }"


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows a look asks for: those with first <= `_step` < end. A server samples more than `rows` of them."""

    first: int
    end: int
    rows: int


@dataclass(frozen=True, slots=True)
class Ask:
    """One look at one run. 0 leaves a part out."""

    path: RunPath
    window: Window
    cursor: int = -1
    """`_step` of the newest row that was there when this was asked."""
    tail: bool = True
    """The newest row's step from the tail; False: from the keys of the history, which are more to send."""
    card: bool = False
    """With its name, configuration and summary."""
    system: bool = False
    events: int = 0
    """So many lines of system metrics, sampled over the whole run; its newest are in the tail."""
    lines: int = 0
    """So many console lines: from the end, or behind `after` where `paged`."""
    paged: bool = False
    after: str | None = None


@dataclass(frozen=True, slots=True)
class _Shape:
    tail: bool
    card: bool
    system: bool
    events: bool
    lines: bool
    paged: bool


def looks(asks: Sequence[Ask]) -> tuple[str, dict[str, Any]]:
    """(query, variables) of one request for all of them; the answer's keys are "a0", "a1", …"""
    shapes = tuple(_shape(ask) for ask in asks)
    variables: dict[str, Any] = {}
    for i, ask in enumerate(asks):
        variables |= {
            f"e{i}": ask.path.entity,
            f"p{i}": ask.path.project,
            f"r{i}": ask.path.run_id,
            f"min{i}": ask.window.first,
            f"max{i}": ask.window.end,
            f"n{i}": ask.window.rows,
        }
        if ask.events:
            variables[f"v{i}"] = ask.events
        if ask.lines:
            variables[f"l{i}"] = ask.lines
        if ask.lines and ask.paged:
            variables[f"c{i}"] = ask.after
    return _looks(shapes), variables


def _shape(ask: Ask) -> _Shape:
    return _Shape(ask.tail, ask.card, ask.system, ask.events > 0, ask.lines > 0, ask.paged)


@lru_cache(maxsize=256)
def _looks(shapes: tuple[_Shape, ...]) -> str:
    declared: list[str] = []
    fields: list[str] = []
    for i, shape in enumerate(shapes):
        declared.append(
            f"$e{i}: String!, $p{i}: String!, $r{i}: String!, $min{i}: Int64!, $max{i}: Int64!, $n{i}: Int!"
        )
        parts = [
            f"state createdAt heartbeatAt historyLineCount {'historyTail' if shape.tail else 'historyKeys'}",
            f"history(minStep: $min{i}, maxStep: $max{i}, samples: $n{i})",
        ]
        if shape.card:
            parts.append(f"config {_ROW}")
        if shape.system:
            parts.append("eventsLineCount eventsTail")
        if shape.events:
            declared.append(f"$v{i}: Int")
            parts.append(f"events(samples: $v{i})")
        if shape.lines:
            declared.append(f"$l{i}: Int!")
            which, more = f"last: $l{i}", ""
            if shape.paged:
                declared.append(f"$c{i}: String")
                which = f"first: $l{i}, after: $c{i}, useImprovedPagination: true"
                more = " pageInfo { endCursor hasNextPage }"
            parts.append(f"logLineCount logLines({which}) {{ {_LINE}{more} }}")
        fields.append(f"a{i}: project(name: $p{i}, entityName: $e{i}) {{ run(name: $r{i}) {{ {' '.join(parts)} }} }}")
    return f"query ArrcocLooks({', '.join(declared)}) {{ {' '.join(fields)} }}"


RUN = f"""query ArrcocRun($entity: String!, $project: String!, $run: String!) {{
  project(name: $project, entityName: $entity) {{ run(name: $run) {{ config {_ROW} }} }}
}}"""

RUNS = f"""query ArrcocRuns(
  $entity: String!, $project: String!, $order: String, $filters: JSONString, $after: String, $first: Int
) {{
  project(name: $project, entityName: $entity) {{
    runCount(filters: $filters)
    runs(filters: $filters, after: $after, first: $first, order: $order) {{
      edges {{ node {{ {_ROW} }} }}
      pageInfo {{ endCursor hasNextPage }}
    }}
  }}
}}"""

PROJECTS = """query ArrcocProjects($entity: String, $after: String, $first: Int) {
  models(entityName: $entity, after: $after, first: $first) {
    edges { node { name entityName createdAt } }
    pageInfo { endCursor hasNextPage }
  }
}"""

ENTITIES = "query ArrcocEntities { viewer { entity username teams { edges { node { name } } } } }"

FILES = """query ArrcocFiles($entity: String!, $project: String!, $run: String!, $names: [String], $first: Int) {
  project(name: $project, entityName: $entity) {
    run(name: $run) { files(names: $names, first: $first) { edges { node { name url directUrl sizeBytes } } } }
  }
}"""
