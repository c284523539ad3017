"""Machines around one queue and one cloud: those that launch, and those whose agents take. Each can be killed anywhere.

The queue is the sandbox's W&B over loopback; the cloud is the model of Vertex AI (tests/core/vertex_model.py), so that
jobs go their way when the test says so and a whole day takes a second. A machine is a state folder with a supervisor's
driver, and perhaps an agent; its clock is wrong by as much as the test likes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from arrcoc_core.adopting import make_known
from arrcoc_core.driving import Driver
from arrcoc_core.queue.agent import Agent
from arrcoc_core.queue.client import QueueClient
from arrcoc_core.queue.notes import Notebook
from arrcoc_core.queue.orders import OurRun, Refused, order_of, run_id_for
from arrcoc_core.records import Event, RunRecord
from arrcoc_core.store import Store
from arrcoc_core.targets.vertex import VertexTarget
from arrcoc_core.targets.vertex_owner import owner
from arrcoc_core.targets.vertex_services import Found
from arrcoc_core.targets.wandb_launch import WandbLaunchTarget
from tests.core.vertex_bench import cloud_plan, created_data
from tests.core.vertex_model import Killed, World

QUEUE = "vertex-ai-queue"


class Cloud(World):
    """The model, in which uploaded files keep their content."""

    def upload_new(self, run_id: str, name: str, file: Path) -> None:
        held = json.loads(file.read_text())
        self._call(lambda: self.objects.setdefault((run_id, name), Found(held, 1)))


class Axe:
    """Kills a process before or after its next call of a name, or lets it sleep there; notes where it struck."""

    def __init__(self) -> None:
        self.at: tuple[str, str] | None = None
        """("pop", "after"); None: never."""
        self.meanwhile: Callable[[], None] | None = None
        """What happens while it sleeps there; None: it is killed."""
        self.struck: list[tuple[str, str]] = []

    def blow(self, name: str, when: str) -> None:
        if self.at == (name, when):
            self.at = None
            self.struck.append((name, when))
            if self.meanwhile is None:
                raise Killed
            self.meanwhile()


class Chopped:
    """An object whose method calls may be the last of the process."""

    def __init__(self, of: Any, axe: Axe) -> None:
        self._of, self._axe = of, axe

    def __getattr__(self, name: str) -> Any:
        held = getattr(self._of, name)
        if not callable(held):
            return held

        def call(*arguments: Any, **named: Any) -> Any:
            self._axe.blow(name, "before")
            answer = held(*arguments, **named)
            self._axe.blow(name, "after")
            return answer

        return call


class RunsOfModel:
    """`holding.Runs` where the runs bucket is the model's."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.objects: Any = Chopped(machine.cloud, machine.axe)
        self.holder = owner(machine.state / "runs" / "any")

    def run_of(self, item_id: str, spec: dict[str, Any]) -> str:
        order = order_of(spec)
        if not isinstance(order, OurRun):
            return run_id_for(item_id, order.name)
        if self.objects.read(order.run_id, "plan.json") is None:
            raise Refused("its run's folder is not there", remedy="Launch it again.")
        return order.run_id

    def make(self, run_id: str, spec: dict[str, Any]) -> None:
        if isinstance(order_of(spec), OurRun):
            return
        self.objects.put_new(run_id, "image.json", {"image": "image@tag"})
        self.objects.put_new(run_id, "plan.json", plan_of(created_data(), self._machine.client))

    def find(self, run_id: str) -> RunRecord | None:
        return next((run for run in self._machine.store.runs(prefix=run_id) if run.id == run_id), None)

    def adopt(self, run_id: str) -> None:
        self._machine.axe.blow("adopt", "before")
        plan = self._machine.cloud.objects[run_id, "plan.json"].content
        make_known(self._machine.store, run_id, plan, {"experiment.json": b"{}"})
        self._machine.axe.blow("adopt", "after")


class Machine:
    """One state folder: `drive()` is a pass of its supervisor, `poll()` one of its agent, where it has one."""

    def __init__(
        self, folder: Path, cloud: Cloud, connect: Callable[[], QueueClient], *, slots: int = 0, clock_s: float = 0.0
    ) -> None:
        self.state, self.cloud, self.slots = folder, cloud, slots
        self.axe = Axe()
        self.said: list[str] = []
        self._connect, self._clock_s = connect, clock_s
        folder.mkdir(parents=True, exist_ok=True)
        self.store = Store(folder / "store.db")
        self.store.rows("PRAGMA synchronous=OFF")
        self.agent: Agent | None = None
        self.start()

    def clock(self) -> float:
        return self.cloud.now + self._clock_s

    def start(self) -> None:
        """New processes: nothing is remembered but what is on disk."""
        self.client: Any = Chopped(self._connect(), self.axe)
        cloud: Any = Chopped(self.cloud, self.axe)
        vertex = VertexTarget(lambda _: cloud, clock=self.clock)
        target = WandbLaunchTarget(vertex, lambda _: self.client, clock=self.clock)
        self.driver = Driver(self.store, self.state, self.said.append, target_of=lambda _: target, clock=self.clock)
        if self.slots:
            notes: Any = Chopped(Notebook(self.state / "agents" / QUEUE), self.axe)
            self.agent = Agent(
                self.client, QUEUE, self.slots, notes, RunsOfModel(self), self.said.append, pace=100.0, clock=self.clock
            )

    def launch(self, run_id: str, **how: Any) -> None:
        created = created_data(**how) | {"target": "wandb-launch"}
        directory = self.state / "runs" / run_id
        (directory / "logs").mkdir(parents=True)
        (directory / "plan.json").write_text(json.dumps(plan_of(created, self.client)))
        (directory / "experiment.json").write_text(json.dumps({"experiment": {"name": run_id}}))
        self.store.append([Event(run_id, "created", self.clock(), data=created)])

    def drive(self) -> None:
        """Killed anywhere in it, the next pass is one of new processes."""
        self._as_a_process(self._drive)

    def poll(self) -> None:
        assert self.agent is not None
        self._as_a_process(self.agent.step)

    def run(self, run_id: str) -> RunRecord:
        return self.store.run(run_id)

    def _drive(self) -> None:
        for run in self.store.runs(active=True):
            self.driver.drive(run)

    def _as_a_process(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except Killed:
            self.start()


def plan_of(created: Mapping[str, Any], client: Any) -> dict[str, Any]:
    queue = {"name": QUEUE, "entity": client.entity, "url": client.client.url, "project": "p", "values": {}}
    return {
        "command": [],
        "environment": {},
        "launched_at": time.time(),
        "created": {**created, "target": "wandb-launch"},
        "cloud": cloud_plan(created["ladder"]),
        "queue": queue,
    }
