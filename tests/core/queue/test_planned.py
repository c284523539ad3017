"""A plan for a queue is the plan of its job, and the queue before it; pure, and cheap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from arrcoc_core import Experiment, Vertex, WandbLaunch
from arrcoc_core.planning import Plan, make_plan
from arrcoc_core.queue.planned import QueuePlan
from arrcoc_core.resolving import resolve
from arrcoc_core.settings import load_settings
from tests.core.cloud_facts import cloud_facts
from tests.core.queue.bench import QUEUE


def planned(root: Path, compute: WandbLaunch | Vertex | None) -> Plan:
    experiment = Experiment(name="far") if compute is None else Experiment(name="far", compute=compute)
    return make_plan(resolve(experiment, load_settings(root)), cloud_facts(root))


def test_it_is_the_plan_of_its_job_behind_a_queue(project: Path) -> None:
    job = Vertex(gpu="A100", count=2, regions=("us-east4", "us-central1"), max_cost_usd=9)
    queued, direct = planned(project, WandbLaunch(queue=QUEUE, vertex=job)), planned(project, job)
    assert (queued.target, direct.target) == ("wandb-launch", "vertex")
    assert queued.cloud == direct.cloud and queued.queue is not None and direct.queue is None
    assert (queued.cost_usd, queued.machine, queued.checks) == (direct.cost_usd, direct.machine, direct.checks)
    assert queued.queue.values == {"gpu": "A100", "count": 2, "spot": "true", "region": "us-east4,us-central1"}
    assert queued.queue.name == QUEUE and queued.queue.standing == ""
    assert QueuePlan.from_json(queued.queue.to_json()) == queued.queue
    assert any(QUEUE in what for what in (*queued.creates, *queued.uses)) and not any(
        QUEUE in what for what in (*direct.creates, *direct.uses)
    )


def test_what_is_not_offered_is_left_out_of_the_default_ladder_here_too(project: Path) -> None:
    made = planned(project, WandbLaunch(queue=QUEUE, vertex=Vertex(gpu="T4")))
    assert made.cloud is not None and [rung.provisioning for rung in made.cloud.rungs] == ["spot"]
    assert any("flex-start is not offered for T4" in note for note in made.warnings)


def test_a_queue_in_the_settings_is_where_runs_go_by_default(project: Path) -> None:
    (project / ".training").write_text(f"TRAINING_GPU=L4\nWANDB_LAUNCH_QUEUE_NAME={QUEUE}\n")
    made = planned(project, None)
    assert made.target == "wandb-launch" and made.queue is not None and made.queue.name == QUEUE
    assert made.cloud is not None and made.cloud.gpu == "L4"


@pytest.mark.parametrize(
    ("agents", "waiting", "said"),
    [
        (0, 3, "no agent polls it: the launch starts one on this machine"),
        (1, 0, "1 agent polls it"),
        (2, 1, "2 agents poll it; 1 item waits"),
        (1, 2, "1 agent polls it; 2 items wait"),
    ],
)
def test_what_a_look_has_found_is_said(project: Path, agents: int, waiting: int, said: str) -> None:
    made = planned(project, WandbLaunch(queue=QUEUE, vertex=Vertex(gpu="L4"))).queue
    assert made is not None and replace(made, agents=agents, waiting=waiting).standing == said
