"""What the W&B server has of a run: which steps, how many lines of console and system metrics, which files.

Asked as wandb's own clients ask (wandb 0.31): RunResumeStatus before a resume, `sampledHistory` with keys for columns
of the history (its `scan_history(keys=…)`), `files(names)`. A server samples where a range has more rows than were
asked for, so a range that comes back full is asked again in halves. A page is as long as wandb's own client asks for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrcoc_core.accounts.wandb_client import WandbClient
from arrcoc_core.metrics.cache import STEP
from arrcoc_core.online.addresses import RunPath

PAGE = 1_000
_NAMES = 200
Ints = NDArray[np.int64]

_STATE = """query ArrcocSyncState($entity: String!, $project: String!, $run: String!) {
  project(name: $project, entityName: $entity) {
    run(name: $run) { state historyLineCount eventsLineCount logLineCount historyTail }
  }
}"""
_STEPS = """query ArrcocSyncSteps($entity: String!, $project: String!, $run: String!, $specs: [JSONString!]!) {
  project(name: $project, entityName: $entity) { run(name: $run) { sampledHistory(specs: $specs) } }
}"""
_FILES = """query ArrcocSyncFiles($entity: String!, $project: String!, $run: String!, $names: [String], $first: Int) {
  project(name: $project, entityName: $entity) {
    run(name: $run) { files(names: $names, first: $first) { edges { node { name sizeBytes } } } }
  }
}"""


@dataclass(frozen=True)
class There:
    """How much of the run the server has. All zero where it does not know it."""

    known: bool = False
    state: str = ""
    rows: int = 0
    newest: int = -1
    """The highest `_step`."""
    system: int = 0
    console: int = 0


class Remote:
    def __init__(self, client: WandbClient, path: RunPath) -> None:
        self.client = client
        self.path = path

    def look(self, *, patience_s: float = 30.0) -> There:
        run = self._ask(_STATE, patience_s=patience_s)
        if run is None:
            return There()
        tail: list[Any] = json.loads(run.get("historyTail") or "[]")
        newest = max((int(json.loads(row).get("_step", -1)) for row in tail), default=-1)
        counts = [int(run.get(name) or 0) for name in ("historyLineCount", "eventsLineCount", "logLineCount")]
        return There(True, str(run.get("state", "")), counts[0], newest, *counts[1:])

    def steps(self, there: There, *, keyed: bool) -> Ints:
        """The steps that its rows have, ascending: `trainer/step` where `keyed`, else `_step`."""
        if there.newest < 0:
            return np.zeros(0, dtype=np.int64)
        keys = ["_step", STEP] if keyed else ["_step"]
        found: set[int] = set()
        ranges = _parts(there.newest, max(1, 2 * there.rows // PAGE))
        while ranges:
            first, last = ranges.pop()
            rows = self._columns(keys, first, last)
            if len(rows) >= PAGE and first < last:
                middle = (first + last) // 2
                ranges += [(first, middle), (middle + 1, last)]
            else:
                found.update(int(row[keys[-1]]) for row in rows if isinstance(row.get(keys[-1]), int | float))
        return np.array(sorted(found), dtype=np.int64)

    def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Name -> bytes, of those of these files that it has."""
        found: dict[str, int] = {}
        for first in range(0, len(names), _NAMES):
            asked = list(names[first : first + _NAMES])
            run = self._ask(_FILES, {"names": asked, "first": len(asked)})
            files: dict[str, list[dict[str, Any]]] = (run or {}).get("files") or {}
            nodes: list[dict[str, Any]] = [edge["node"] for edge in files.get("edges", [])]
            found |= {str(node["name"]): int(node.get("sizeBytes") or 0) for node in nodes}
        return found

    def _columns(self, keys: list[str], first: int, last: int) -> list[dict[str, Any]]:
        """Of the rows with first <= `_step` <= last; of those next to them perhaps, too."""
        spec = {"keys": keys, "minStep": first, "maxStep": last + 1, "samples": PAGE}
        run = self._ask(_STEPS, {"specs": [json.dumps(spec)]})
        lists: list[Any] = (run or {}).get("sampledHistory") or [[]]
        return list(lists[0])

    def _ask(
        self, query: str, more: dict[str, Any] | None = None, *, patience_s: float = 30.0
    ) -> dict[str, Any] | None:
        path = self.path
        variables = {"entity": path.entity, "project": path.project, "run": path.run_id, **(more or {})}
        project: dict[str, Any] = self.client.execute(query, variables, patience_s=patience_s).get("project") or {}
        return project.get("run")


def _parts(last: int, count: int) -> list[tuple[int, int]]:
    """[0, last] in about so many ranges."""
    width = max(1, (last + count) // count)
    return [(first, min(first + width - 1, last)) for first in range(0, last + 1, width)]
