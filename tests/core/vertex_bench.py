"""A machine that drives runs in the model of Vertex: a store, a driver that can be killed, and the world's clock."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

from arrcoc_core.driving import Driver
from arrcoc_core.records import Event, RunRecord
from arrcoc_core.store import Store
from arrcoc_core.targets.vertex import VertexTarget
from arrcoc_core.vertex_planning import CloudPlan
from tests.core.vertex_model import Killed, World

REGIONS = ("us-central1", "europe-west4")
RATE = 1.2


class Machine:
    """One state folder. `step()` is one pass of its supervisor over its runs."""

    def __init__(self, folder: Path, world: World) -> None:
        self.world, self.state = world, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.store = Store(folder / "store.db")
        self.store.rows("PRAGMA synchronous=OFF")
        self.said: list[str] = []
        self.start()

    def start(self) -> None:
        """A new process: nothing is remembered but what is in the store and in the folder."""
        target = VertexTarget(lambda _: self.world, clock=lambda: self.world.now)
        self.driver = Driver(
            self.store,
            self.state,
            self.said.append,
            target_of=lambda _: target,
            clock=lambda: self.world.now,
        )

    def reset(self, world: World) -> None:
        """Another world, and no run of the one before: what follows is the same whatever was before."""
        with self.store.writing() as db:
            for table in ("events", "runs", "attempts"):
                db.execute(f"DELETE FROM {table}")
        shutil.rmtree(self.state / "runs", ignore_errors=True)
        self.world = world
        self.said.clear()
        self.start()

    def launch(self, run_id: str, **how: Any) -> None:
        created = created_data(**how)
        directory = self.state / "runs" / run_id
        (directory / "logs").mkdir(parents=True)
        plan = {"command": [], "environment": {}, "created": created, "cloud": cloud_plan(created["ladder"])}
        (directory / "plan.json").write_text(json.dumps(plan))
        (directory / "experiment.json").write_text("{}")
        self.store.append([Event(run_id, "created", self.world.now, data=created)])

    def step(self) -> None:
        for run in self.store.runs(active=True):
            try:
                self.driver.drive(run)
            except Killed:
                self.start()
                return

    def run(self, run_id: str) -> RunRecord:
        return self.store.run(run_id)


def created_data(
    *,
    budgets: tuple[int, int, int] = (20, 20, 3),
    max_cost_usd: float = 0.0,
    max_hours: float = 0.0,
    max_wait_s: float = 600.0,
    provisionings: tuple[str, ...] = ("spot", "flex"),
) -> dict[str, Any]:
    ladder = [
        {
            "region": region,
            "machine_type": "g2-standard-4",
            "provisioning": way,
            "max_wait_s": max_wait_s,
            "usd_per_h": RATE,
            "usd_low": None,
            "usd_high": None,
            "gpu_quota": "",
            "cpu_quota": "",
        }
        for way in provisionings
        for region in REGIONS
    ]
    return {
        "experiment": "e",
        "fingerprint": "f",
        "code": "c",
        "target": "vertex",
        "budgets": dict(zip(("capacity", "preemption", "failure"), budgets, strict=True)),
        "ladder": ladder,
        "preparation": {"state": "needed"},
        "max_cost_usd": max_cost_usd,
        "max_hours": max_hours,
        "pace": 1.0,
    }


def cloud_plan(rungs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        **{one.name: "" for one in fields(CloudPlan)},
        "project": "p",
        "region": REGIONS[0],
        "owner": "o",
        "endpoints": "",
        "image": "image:tag",
        "image_tag": "tag",
        "service_account": "s",
        "build_account": "b",
        "runs_bucket": "runs",
        "staging_bucket": "staging",
        "repository": "r",
        "labels": {"arrcoc_owner": "o"},
        "gpu": "L4",
        "count": 1,
        "machines": 1,
        "accelerator_type": "NVIDIA_L4",
        "disk_type": "pd-ssd",
        "disk_gb": 100,
        "vcpus": 4,
        "rungs": rungs,
        "environment": {},
        "secrets": {},
        "max_hours": 168.0,
        "max_cost_usd": 0.0,
    }
