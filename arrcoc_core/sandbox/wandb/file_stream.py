"""What a running run sends every few seconds: rows, system metrics, console, summary, a heartbeat, its end.

    {"files": {"wandb-history.jsonl": {"offset": 3, "content": ["{…}"]}, …}, "complete": true, "exitcode": 0}

The answer's `stopped` asks it to stop.
"""

from __future__ import annotations

import json
from typing import Any

from arrcoc_core.sandbox.wandb.graphql import WandbError
from arrcoc_core.sandbox.wandb.runs import Run
from arrcoc_core.sandbox.wandb.world import Asked

STREAMS = {"wandb-history.jsonl": "history", "wandb-events.jsonl": "events", "output.log": "console"}
SUMMARY = "wandb-summary.json"


def receive(asked: Asked, entity: str, project: str, name: str, body: bytes) -> dict[str, Any]:
    try:
        held: dict[str, Any] = json.loads(body or b"{}")
        files: dict[str, Any] = held.get("files") or {}
    except (ValueError, AttributeError):
        raise WandbError(400, "invalid file stream request") from None
    world = asked.world
    with world.state.transaction():
        run = asked.own_run(entity, project, name, "file_stream")
        for file, part in files.items():
            _write(asked, run, file, int(part.get("offset", 0)), part.get("content") or [])
        if held.get("preempting"):
            run.preempting = True
        world.runs.beat(run)
        if held.get("complete"):
            world.runs.end(run, int(held.get("exitcode") or 0))
        elif run.state != "running":  # it is heard of again
            run.state = "running"
        world.runs.put(run)
    answer: dict[str, Any] = {"exitcode": run.exit_code, "limits": {}}
    return {**answer, "stopped": True} if run.stopped else answer


def _write(asked: Asked, run: Run, file: str, offset: int, content: list[str]) -> None:
    if file == SUMMARY:
        if content:
            run.summary = content[-1]
        return
    stream = STREAMS.get(file)
    if stream is None:
        raise WandbError(400, f"unknown file in a file stream: {file}")
    asked.world.lines.write(run.id, stream, offset, content)
    if stream == "events" and content:
        run.system = json.dumps({**json.loads(run.system), **json.loads(content[-1])})
