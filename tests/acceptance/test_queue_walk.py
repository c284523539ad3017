"""The queue by the command line alone, in the sandbox, with training to the end: agents come, are killed, and go.

A cheaper walk, to a job and back by a cancel, is in tests/core/queue/test_queue_cli.py.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cloud_walk import Walk
from sandbox_settings import log_online

from arrcoc_core.sandbox import Sandbox

QUEUE = "vertex-ai-queue"
EXPERIMENT = f"""
from arrcoc_core import Checkpoints, Data, Evaluation, Experiment, Tokens, Vertex, WandbLaunch

walk = Experiment(
    name="walk",
    tokens=Tokens(keep=4),
    data=Data(max_train_samples=480),
    evaluation=Evaluation(every_n_steps=5, samples=64, pictures=1),
    checkpoints=Checkpoints(save_every_n_steps=2),
    compute=WandbLaunch(queue="{QUEUE}", vertex=Vertex(gpu="L4", max_cost_usd=5, max_hours=8)),
)
"""
PATIENCE_S = 300


class Queue:
    """What the commands say of the queue and of this machine's agent."""

    def __init__(self, steps: Walk) -> None:
        self.steps = steps

    def items(self) -> dict[str, str]:
        """Run -> state."""
        return {item["run"]: item["state"] for item in json.loads(self.steps.arrcoc("queue", "--json"))["items"]}

    def agent(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.steps.arrcoc("agent", "--status", "--json"))
        return found

    def holds(self) -> list[str]:
        return [one["run"] for one in self.agent()["holds"]]  # type: ignore[attr-defined]

    def kill(self) -> None:
        os.kill(int(str(self.agent()["pid"])), signal.SIGKILL)


def becomes(ask: Callable[[], object], wanted: object) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (found := ask()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.3)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_runs_go_through_the_queue_whatever_becomes_of_the_agent(project: Path, sandbox: Sandbox) -> None:
    (project / "experiments" / "walk.py").write_text(EXPERIMENT)
    steps = Walk(project, {}, timeout_s=PATIENCE_S)
    queue = Queue(steps)
    log_online(sandbox.folder)
    steps.arrcoc("setup", "--yes", "--copy-keys")

    # No agent is there: the launch starts one. It is killed while the job runs; the next finds job, item and slot.
    first = steps.launch("walk")
    becomes(lambda: steps.run(first)["state"], "running")
    assert queue.items() == {first: "running"} and queue.holds() == [first]
    queue.kill()
    becomes(lambda: queue.agent()["running"], False)
    assert queue.holds() == [first]
    steps.arrcoc("agent", "--detach")
    ended = steps.until_ended(first)
    assert ended["state"] == "succeeded" and len(ended["attempts"]) == 1, steps.arrcoc("logs", first)
    assert (Path(ended["directory"]) / "result" / "selector.safetensors").is_file()
    becomes(queue.holds, [])
    assert queue.items() == {first: "done"}

    # Told to end, it takes nothing more and says what goes on; the run is driven all the same, and none is lost.
    second = steps.launch("walk")
    becomes(lambda: steps.run(second)["state"], "running")
    assert "1 run goes on" in steps.arrcoc("agent", "--stop")
    assert not queue.agent()["running"] and queue.holds() == [second]
    ended = steps.until_ended(second)
    assert ended["state"] == "succeeded" and len(ended["attempts"]) == 1
    third = steps.launch("walk")  # which starts another agent, with nothing but this one to do
    becomes(lambda: queue.items().get(third), "running")
    becomes(queue.holds, [third])

    # W&B's page: a job, made by wandb from the runs above, is pushed there while the slot is taken; then the agent is
    # told to stop polling.
    variables = {"gpu": "L4", "count": 1, "spot": "true", "region": "us-central1"}
    page = sandbox.on_page(
        "wandb",
        do="push",
        queue=QUEUE,
        job="sandbox/arr-coc-0-1/arr-coc-0-1:latest",
        name="from the page",
        run_config={"tokens.keep": 2},
        template_variables=variables,
    )["item"]
    waiting = next(item for item in json.loads(steps.arrcoc("queue", "--json"))["items"] if item["id"] == page)
    assert waiting["state"] == "waiting" and third in waiting["reason"], waiting
    (polling,) = [agent for agent in json.loads(steps.arrcoc("queue", "--json"))["agents"] if agent["state"] == "busy"]
    sandbox.on_page("wandb", do="stop agent", agent=polling["id"])
    becomes(lambda: queue.agent()["running"], False)
    assert steps.until_ended(third)["state"] == "succeeded"

    # One that stays until nothing is left takes it, without a launch on this machine.
    steps.arrcoc("agent", "--once")
    states = queue.items()
    (made,) = set(states) - {first, second, third}
    assert set(states.values()) == {"done"} and made.startswith("from-the-page-queued-")
    ended = steps.run(made)
    assert ended["state"] == "succeeded" and len(ended["attempts"]) == 1
    assert json.loads((Path(ended["directory"]) / "experiment.json").read_text())["experiment"]["tokens"]["keep"] == 2
    assert ended["wandb_url"] and queue.holds() == [] and not queue.agent()["running"]
