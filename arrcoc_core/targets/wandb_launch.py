"""A W&B Launch queue before Vertex AI: a run waits in the queue until an agent takes it, and then is a run on Vertex.

Preparing goes on after the image is there: one item is pushed, and the run waits until an agent's claim lies in its
folder (queue/claims.py). From then on this is `VertexTarget`: several machines may drive the run, the one that launched
it and the agent's, and the objects in its folder see that one of them acts. So an agent that dies loses nothing.

    built     the image and the run's files are there
    item      pushed, or found: before anything is pushed, an item of this run is looked for, so that a lost answer or
              a kill makes no second one. Should there be two all the same, the younger that still waits is removed; and
              an agent that pops a second item of a run finds its claim.
    ready     an agent has taken it

What fails or is cancelled before it was taken leaves no item behind; what was taken ends its item with the reason.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arrcoc_core.errors import CloudError, ConfigError
from arrcoc_core.observing import Observation, Preparation
from arrcoc_core.queue.claims import read_claim
from arrcoc_core.queue.client import QueueClient
from arrcoc_core.queue.connecting import client_of
from arrcoc_core.queue.ending import end_items
from arrcoc_core.queue.orders import spec_of
from arrcoc_core.queue.records import Item, LaunchAgent
from arrcoc_core.queue.waiting import NAMED_S, busy_with, ordinal, silent_s, standing
from arrcoc_core.targets import AttemptKey, Handle, JobRequest, UnseenError, Verdict
from arrcoc_core.targets.vertex import VertexTarget

LOOK_S = 2.0
"""How long what was seen of a queue counts, for all the runs that wait in it."""
MOST_ASKED = 50
LIVE_STATES = frozenset({"running", "pending", "preempting"})
"""Of W&B's runs; any other is an end."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a queue, by one request for its items and one for the agents."""

    at: float
    """Monotonic."""
    items: list[Item]
    agents: list[LaunchAgent]
    queue_id: str
    server_now: float
    over: frozenset[str]
    """Runs of its agents that W&B knows to have ended."""

    def of_run(self, run_id: str) -> list[Item]:
        """Its items: one, but for a push of which an answer was lost."""
        return [item for item in self.items if item.run_id == run_id]


class WandbLaunchTarget:
    """A `VertexTarget` behind a gate. It keeps what it has seen of each queue for a moment."""

    def __init__(
        self,
        vertex: VertexTarget | None = None,
        client_for: Callable[[Mapping[str, Any]], QueueClient] = client_of,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._vertex = vertex or VertexTarget()
        self._client_for = client_for
        self._clock = clock
        self._clients: dict[tuple[str, ...], tuple[float, QueueClient]] = {}
        self._looks: dict[tuple[str, str], Look] = {}

    # Before the first attempt

    def prepare(self, request: JobRequest, run_id: str, held: Mapping[str, Any]) -> Preparation:
        if not held.get("built"):
            made = self._vertex.prepare(request, run_id, held)
            if made.state != "ready":
                return made
            return Preparation("working", {**made.data, "built": True}, made.detail)
        services = self._vertex.services(request.plan["cloud"])
        claim = read_claim(services, run_id)
        if claim is not None:
            data = {"image": held["image"], "item": claim.item, "agent": claim.name, "why": "", "todo": ""}
            return Preparation("ready", data, f"taken by agent {claim.name}")
        queue = request.plan["queue"]
        client = self._client(request.plan)
        pushed = str(held.get("item", ""))
        look = self._look(client, queue, fresh=not pushed)
        mine = look.of_run(run_id)
        if not mine and pushed:
            listed = client.item(queue["name"], pushed)
            mine = [] if listed is None else [listed]
        if mine:
            return self._waits(request, run_id, held, look, _kept(client, queue["name"], mine))
        return self._gone(request, run_id, held) if pushed else self._push(client, request, run_id, held)

    def _push(self, client: QueueClient, request: JobRequest, run_id: str, held: Mapping[str, Any]) -> Preparation:
        queue = request.plan["queue"]
        name = queue["name"]
        setup = client.setup(name)
        if setup is None:
            raise CloudError(f"the queue {name} is not there", scope="not-found", remedy="arrcoc setup   makes it")
        spec = spec_of(
            entity=client.entity,
            project=queue["project"],
            run_id=run_id,
            image=str(held["image"]),
            run_uri=f"gs://{request.plan['cloud']['runs_bucket']}/runs/{run_id}",
            experiment=_experiment(request.directory),
            name=run_id,
        )
        values = {key: value for key, value in queue["values"].items() if key in setup.variables}
        item_id = client.push(name, spec, values)
        self._looks.clear()
        return Preparation("working", {"item": item_id, "queued_at": self._clock()}, f"in the queue {name}")

    def _waits(
        self,
        request: JobRequest,
        run_id: str,
        held: Mapping[str, Any],
        look: Look,
        item: Item,
    ) -> Preparation:
        name, pace = request.plan["queue"]["name"], float(request.plan["created"]["pace"])
        data: dict[str, Any] = {"item": item.id, "queued_at": held.get("queued_at", self._clock())}
        if item.state == "FAILED":
            return Preparation("failed", data, f"it was refused in the queue {name}: {item.error or 'no reason given'}")
        if item.state == "CLAIMED":
            if read_claim(self._vertex.services(request.plan["cloud"]), run_id) is not None:
                return Preparation("working", data, "an agent takes it")  # between the two looks
            return Preparation(
                "failed",
                data,
                f"its item in the queue {name} was taken by an agent that is not arrcoc's",
                "Stop that agent, or use a queue of your own; then launch again.",
            )
        found = standing(
            item,
            look.items,
            look.agents,
            queue_id=look.queue_id,
            server_now=look.server_now,
            over=look.over,
            silent=silent_s(pace),
        )
        waited = self._clock() - float(data["queued_at"])
        where = f"{ordinal(found.position)} in the queue {name}"
        named = waited >= NAMED_S / pace
        data |= {
            "position": found.position,
            "why": found.reason if named else "",
            "todo": found.remedy if named else "",
        }
        return Preparation("working", data, f"{where}: {found.reason}" if named else where)

    def _gone(self, request: JobRequest, run_id: str, held: Mapping[str, Any]) -> Preparation:
        """Its item is not there any more."""
        services, name = self._vertex.services(request.plan["cloud"]), request.plan["queue"]["name"]
        if services.read(run_id, "stop.json") is not None or read_claim(services, run_id) is not None:
            return Preparation("ready", {"image": held["image"]}, "")  # who submits it is told what has become of it
        return Preparation("failed", {}, f"its item was removed from the queue {name}", "Launch it again.")

    # On Vertex AI

    def submit(self, request: JobRequest, key: AttemptKey) -> Handle:
        return self._vertex.submit(request, key)

    def find(self, request: JobRequest, key: AttemptKey) -> Handle | None:
        return self._vertex.find(request, key)

    def observe(self, handle: Handle) -> Observation:
        return self._vertex.observe(handle)

    def logs(self, handle: Handle, cursor: int) -> tuple[list[str], int]:
        return self._vertex.logs(handle, cursor)

    def cancel(self, handle: Handle, *, force: bool = False, stop: str = "", verdict: Verdict | None = None) -> None:
        self._vertex.cancel(handle, force=force, stop=stop, verdict=verdict)

    def clear(self, request: JobRequest, run_id: str, held: Mapping[str, Any], verdict: Verdict) -> Observation:
        seen = self._vertex.clear(request, run_id, held, verdict)
        # Nothing was pushed before its image was there, and nothing is left of a sandbox that was thrown away.
        endpoints = str(request.plan["cloud"]["endpoints"])
        if seen.kind == "absent" and held.get("built") and (not endpoints or Path(endpoints).exists()):
            end_items(self._client(request.plan), request.plan["queue"]["name"], run_id, verdict)
        return seen

    # What it talks to

    def _client(self, plan: Mapping[str, Any]) -> QueueClient:
        """That of a plan's queue; made anew when a sandbox has come up on other ports."""
        endpoints = str(plan["cloud"]["endpoints"])
        key = (endpoints, str(plan["queue"]["url"]), str(plan["queue"]["entity"]))
        changed = _modified(Path(endpoints) / "endpoints.json") if endpoints else 0.0
        if key not in self._clients or self._clients[key][0] != changed:
            try:
                self._clients[key] = changed, self._client_for(plan)
            except ConfigError as error:  # a sandbox that is down, for one: it may come up again
                raise UnseenError(error.message, remedy=error.remedy) from error
        return self._clients[key][1]

    def _look(self, client: QueueClient, queue: Mapping[str, Any], *, fresh: bool) -> Look:
        """What is in the queue; from a moment ago, unless it is about to be decided that something is not there."""
        name = str(queue["name"])
        key = (client.entity, name)
        known, now = self._looks.get(key), time.monotonic()
        waits = client.client.limits.wait_s > 0
        if known is not None and not fresh and (waits or now - known.at < LOOK_S):
            return known
        if waits:
            raise UnseenError(f"{client.client.url} asks to be left alone for a while")
        items, agents = client.items(name), client.agents()
        full = [agent for agent in agents if agent.status == "RUNNING"]
        taken = [run_id for agent in full for run_id in busy_with(agent, items)][:MOST_ASKED]
        states = client.run_states(str(queue["project"]), taken)
        over = frozenset(run_id for run_id, state in states.items() if state not in LIVE_STATES)
        self._looks[key] = Look(now, items, agents, client.queue_id(name), client.server_now, over)
        return self._looks[key]


def _kept(client: QueueClient, name: str, mine: list[Item]) -> Item:
    """The item that counts; what waits besides it is removed."""
    order = {"CLAIMED": 0, "LEASED": 1, "PENDING": 2, "FAILED": 3}
    first, *rest = sorted(mine, key=lambda item: order[item.state])
    for item in rest:
        if item.state == "PENDING":
            client.remove(name, item.id)
    return first


def _experiment(directory: Path) -> dict[str, Any]:
    held: dict[str, Any] = json.loads((directory / "experiment.json").read_text(encoding="utf-8"))
    return dict(held.get("experiment") or {})


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
