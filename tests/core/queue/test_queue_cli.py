"""A run through the queue at the command line: planned, refused, launched with no agent there, looked at, cancelled.

Against one sandbox that `arrcoc setup` has made ready. No agent is there at first, so that a launch starts one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from arrcoc_core import Data, Experiment, Tokens, get_run, runs
from arrcoc_core.cli import main
from arrcoc_core.cli.terminal import printable
from arrcoc_core.cloud.names import Names
from arrcoc_core.encoding import encode
from arrcoc_core.queue import QueueClient, documents, wanted_setup
from arrcoc_core.queue.hiring import Post, agent_of, dismiss, post_of
from arrcoc_core.queue.taking import RunsHere
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import Fault, NoLaunch
from arrcoc_core.sandbox.images import publish
from arrcoc_core.settings import Settings, load_settings, state_dir
from arrcoc_core.store import Store
from arrcoc_core.vertex_request import as_wandb_job
from tests.core.queue.bench import QUEUE
from tests.core.queue.test_client import upsert
from tests.core.ready_sandbox import ready_sandbox

EXPERIMENT = f"""
from arrcoc_core import Data, Evaluation, Experiment, Vertex, WandbLaunch

far = Experiment(
    name="far",
    compute=WandbLaunch(queue="{QUEUE}", vertex=Vertex(gpu="L4")),
    data=Data(max_train_samples=480),
    evaluation=Evaluation(samples=64),
)
"""


@dataclass(frozen=True)
class Place:
    root: Path
    box: Sandbox
    settings: Settings
    client: QueueClient

    @property
    def post(self) -> Post:
        return post_of(state_dir(self.root), self.settings, QUEUE)

    def ensure(self) -> None:
        self.client.ensure(QUEUE, wanted_setup(self.settings))

    def items(self) -> list[tuple[str, str]]:
        return [(item.state, item.error) for item in self.client.items(QUEUE)]

    def agent_lives(self) -> bool:
        with Store(state_dir(self.root) / "store.db") as store:
            return agent_of(store, self.post) is not None

    def dismiss(self) -> bool:
        with Store(state_dir(self.root) / "store.db") as store:
            return dismiss(store, self.post)


def becomes(ask: Callable[[], object], wanted: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while (found := ask()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


@pytest.fixture(scope="module")
def place(make_project: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = make_project()
    (root / "experiments" / "far.py").write_text(EXPERIMENT, encoding="utf-8")
    with ready_sandbox(root, tmp_path_factory.mktemp("sandbox")) as box:
        settings = load_settings(root)
        made = Place(root, box, settings, QueueClient.of(settings))
        assert made.client.verify(QUEUE, wanted_setup(settings)).state == "ok", "setup has made it"
        yield made
        for run in runs(root=root):
            run.cancel().wait(60)
        made.dismiss()
        made.client.client.close()


Arrcoc = Callable[..., str]


@pytest.fixture
def arrcoc(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Arrcoc:
    """`arrcoc("queue", "--json", code=0)` -> what it said."""
    monkeypatch.chdir(place.root)

    def call(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        ended = main(words)
        out, err = capsys.readouterr()
        said = "\n".join(map(printable, (out + err).splitlines()))
        assert ended == code, said
        return said

    return call


def test_the_plan_says_who_takes_it(place: Place, arrcoc: Arrcoc) -> None:
    said = arrcoc("plan", "far")
    assert f"one item in the queue {QUEUE}" in said
    assert f"sandbox/{QUEUE}: no agent polls it: the launch starts one here" in said
    plan = json.loads(arrcoc("plan", "far", "--json"))
    assert plan["target"] == "wandb-launch" and plan["queue"]["name"] == QUEUE
    assert place.items() == [] and not place.agent_lives()


def _delete(place: Place) -> None:
    place.client.delete(QUEUE)


def _for_kubernetes(place: Place) -> None:
    _delete(place)
    place.client.change(documents.UPSERT_QUEUE, upsert(QUEUE, "kubernetes", {"spec": {}}, {}))


@pytest.mark.parametrize(
    ("prepare", "faults", "said"),
    [
        (_delete, [], ("sandbox has no queue vertex-ai-queue", "arrcoc setup")),
        (_for_kubernetes, [], ("is for kubernetes, not for Vertex AI", "Choose another name")),
        (None, [NoLaunch()], ("has no Launch: it knows no queues", "compute=Vertex(...) needs no queue")),
    ],
    ids=["missing", "of another resource", "no Launch"],
)
def test_a_wrong_queue_is_told_once_and_nothing_is_made(
    place: Place,
    arrcoc: Arrcoc,
    prepare: Callable[[Place], None] | None,
    faults: list[Fault],
    said: tuple[str, ...],
    request: pytest.FixtureRequest,
) -> None:
    def restore() -> None:
        place.box.set_scenario([])
        if prepare is not None:
            _delete(place)
        place.ensure()

    request.addfinalizer(restore)
    if prepare is not None:
        prepare(place)
    place.box.set_scenario(faults)
    told = arrcoc("launch", "far", "--yes", code=2)
    assert all(words in told for words in said) and "Nothing was created." in told, told
    assert told.count(said[0]) == 1
    assert not runs(root=place.root) and not place.agent_lives()


def test_the_queue_is_shown_and_an_item_taken_out(place: Place, arrcoc: Arrcoc) -> None:
    assert "empty; no agent polls it" in arrcoc("queue")
    pushed = place.client.push(QUEUE, {"run_id": "r7", "docker": {"docker_image": "i"}})
    said = arrcoc("queue")
    assert "1 waits; no agent polls it" in said and "r7" in said and "→ arrcoc agent --detach" in said
    (item,) = json.loads(arrcoc("queue", "--json"))["items"]
    assert (item["id"], item["run"], item["state"], item["position"]) == (pushed, "r7", "waiting", 1)
    assert item["reason"].startswith("no agent polls the queue")
    assert "has no item 'r8'" in arrcoc("queue", "--remove", "r8", code=2)
    assert "Removed r7 (waiting)." in arrcoc("queue", "--remove", "r7", "--yes")
    assert place.items() == []
    assert "sandbox has no queue none" in arrcoc("queue", "--queue", "none", code=2)


WITH_WANDB = """
import json, sys, wandb

run = wandb.init(id="made-the-job", project="arr-coc-0-1", config=json.loads(sys.argv[1]))
run.log({"trainer/step": 0})
run.finish()
"""


def test_a_job_pushed_on_the_web_page_is_a_run(place: Place, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    box, client = place.box, place.client
    request.addfinalizer(lambda: [client.remove(QUEUE, item.id) for item in client.items(QUEUE)])
    names = Names.of(place.settings)
    publish(box.box, f"{names.image}:c0de", {"/app/readme": "nothing to run"})
    config = encode(Experiment(name="wide", tokens=Tokens(keep=16), data=Data(max_train_samples=480)))
    told = {
        **as_wandb_job(f"{names.image}:c0de"),
        "WANDB_BASE_URL": client.client.url,
        "WANDB_API_KEY": (box.folder / "wandb.key").read_text(encoding="utf-8").strip(),
        "WANDB_MODE": "online",
        "WANDB_DIR": str(tmp_path),
        "WANDB_SILENT": "true",
    }
    subprocess.run([sys.executable, "-c", WITH_WANDB, json.dumps(config)], env={**os.environ, **told}, check=True)
    box.on_page(
        "wandb",
        do="push",
        queue=QUEUE,
        job="sandbox/arr-coc-0-1/arr-coc-0-1:c0de",
        run_config={"tokens.keep": 2},
        template_variables={"gpu": "L4", "count": 1, "spot": "false", "region": "us-central1"},
    )
    agent = client.register(QUEUE, {"max_jobs": 1}, "test")
    popped = client.pop(QUEUE, agent)
    assert popped is not None
    client.heartbeat(agent, "KILLED")  # it takes nothing more
    with Store(state_dir(place.root) / "store.db") as store:
        here = RunsHere(place.root, place.settings, store, client, QUEUE)
        run_id = here.run_of(popped.item_id, popped.spec)
        here.make(run_id, popped.spec)
    made = here.objects.read(run_id, "experiment.json").content["experiment"]
    assert (made["name"], made["tokens"]["keep"], made["data"]["max_train_samples"]) == ("wide", 2, 480)
    plan = here.objects.read(run_id, "plan.json").content
    assert plan["target"] == "wandb-launch" and plan["cloud"]["rungs"][0]["provisioning"] == "on-demand"
    assert plan["cloud"]["image"].endswith(":c0de") and plan["code"] == "c0de"


def test_a_launch_with_no_agent_starts_one_and_a_cancel_frees_its_slot(place: Place, arrcoc: Arrcoc) -> None:
    said = arrcoc("launch", "far", "--yes")
    assert "Submitted to us-central1" in said
    run = get_run("far", root=place.root)
    told = [str(event.data.get("detail", "")) for event in run.events()]
    assert f"in the queue {QUEUE}" in told and any(one.startswith("taken by agent ") for one in told), told
    assert run.state in ("starting", "running")
    status = json.loads(arrcoc("agent", "--status", "--json"))
    assert status["running"] and [one["run"] for one in status["holds"]] == [run.id], status
    assert run.id in arrcoc("agent", "--status")
    assert "is served from here already" in arrcoc("agent", code=1)
    becomes(lambda: json.loads(arrcoc("queue", "--json"))["headline"], "1 running; 1 agent polls it")
    becomes(lambda: json.loads(arrcoc("queue", "--json"))["agents"][0]["busy"], [run.id])
    assert run.id in arrcoc("queue")
    run.cancel().wait(60)
    assert run.state == "cancelled"
    becomes(place.items, [("FAILED", "cancelled by the user")])
    becomes(lambda: json.loads(arrcoc("queue", "--json"))["agents"][0]["state"], "polling")
    assert "has ended." in arrcoc("agent", "--stop") and "No agent of" in arrcoc("agent", "--stop")
    assert not place.agent_lives() and place.post.log.read_text().splitlines()[-1].endswith("ends")
    assert "no agent polls it" in arrcoc("queue")
