"""The sandbox's W&B, met by wandb's own client: one run is logged, resumed and read back, and most is seen on it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from wandb_client import run_client

from arrcoc_core.sandbox import Sandbox, running
from arrcoc_core.sandbox.faults import PermissionDenied, RateLimited, RevokedCredentials

LOG = """
import sys
import numpy as np
import wandb

def log(first, end, **init):
    settings = wandb.Settings(x_stats_sampling_interval=0.2)
    run = wandb.init(project="arr-coc", id="one", config={"lr": 0.1, "tokens": {"keep": 64}}, settings=settings, **init)
    assert run.starting_step == first, run.starting_step
    for step in range(first, end):
        row = {"trainer/step": step, "loss": 1 / (step + 1), "h": wandb.Histogram(np.arange(10))}
        if step % 5 == 0:
            row["picture"] = wandb.Image(np.full((8, 8, 3), step, dtype="uint8"))
        run.log(row)
        print("step", step)
        print("careful", step, file=sys.stderr)
    run.finish()

log(0, 10, tags=["a"], notes="a note", group="g")
log(10, 20, resume="must")
"""

READ = """
import json
import wandb

api = wandb.Api()
run = api.run("sandbox/arr-coc/one")
console = [(line.number, line.level, line.content) for line in run.console_logs(per_page=7)]
picture = run.file("media/images/" + [f.name for f in run.files(pattern="%.png")][0].split("/")[-1])
found = {
    "state": run.state,
    "config": run.config,
    "summary": {name: run.summary[name] for name in ("loss", "trainer/step")},
    "tags": run.tags,
    "user": run.user.username,
    "url": run.url,
    "rows": [dict(row) for row in run.scan_history(page_size=6)],
    "losses": [row["loss"] for row in run.scan_history(keys=["loss"], page_size=6)],
    "sampled": [row["loss"] for row in run.history(keys=["loss"], samples=5, pandas=False)],
    "first": [row["_step"] for row in run.history(samples=3, pandas=False)],
    "system": len(run.history(stream="system", pandas=False)),
    "cpu": [name for name in run.system_metrics if "cpu" in name][:1],
    "console": console,
    "tail": [line.content for line in run.console_logs(last=2)],
    "files": sorted(f.name for f in run.files(per_page=3)),
    "picture": len(open(picture.download(root="got").name, "rb").read()) == picture.size,
    "program": run.metadata["program"],
    "projects": [project.name for project in api.projects()],
    "teams": api.viewer.teams,
    "runs": [r.id for r in api.runs("sandbox/arr-coc", filters={"config.tokens.keep": 64, "state": "finished"})],
    "none": [r.id for r in api.runs("sandbox/arr-coc", filters={"summary_metrics.loss": {"$gt": 1}})],
}
print(json.dumps(found))
"""


CHANGE = """
import json
import os
import subprocess
import sys
import wandb

def quiet():
    return wandb.Settings(silent=True)  # a Settings of its own each time: init writes into it

run = wandb.init(project="changed", id="offline", mode="offline", settings=quiet())
for step in range(5):
    run.log({"loss": step, "trainer/step": 10 + step})
run.finish()
files = ["wandb/" + name for name in os.listdir("wandb") if name.startswith("offline-run")]
subprocess.run([sys.executable, "-m", "wandb", "sync", *files], check=True, capture_output=True)

run = wandb.init(project="changed", id="rewound", settings=quiet())
for step in range(6):
    run.log({"loss": step})
run.finish()
run = wandb.init(project="changed", resume_from="rewound?_step=3", settings=quiet())
run.log({"loss": 100})
run.finish()

run = wandb.init(project="changed", id="taken", settings=quiet())
run.mark_preempting()
run.finish(exit_code=1)

api = wandb.Api()
run = api.run("sandbox/changed/rewound")
run.config["more"] = 3
run.tags = ["tag"]
run.update()
run.summary["best"] = 1
run.summary.update()
open("x.bin", "wb").write(b"abc")
uploaded = run.upload_file("x.bin")
found = {
    "synced": [(row["_step"], row["trainer/step"]) for row in api.run("sandbox/changed/offline").scan_history()],
    "rewound": [(row["_step"], row["loss"]) for row in run.scan_history()],
    "taken": api.run("sandbox/changed/taken").state,
    "uploaded": (uploaded.name, uploaded.size),
}
uploaded.delete()
again = wandb.Api().run("sandbox/changed/rewound")
found |= {"config": again.config, "tags": again.tags, "best": again.summary["best"]}
found["left"] = [f.name for f in again.files(names=["x.bin"])]
again.delete()
found["runs"] = [r.id for r in wandb.Api().runs("sandbox/changed", order="-created_at")]
api.create_project("made", "sandbox-team")
found["made"] = [project.name for project in api.projects("sandbox-team")]
print(json.dumps(found))
"""

STOP = """
import time
import wandb

run = wandb.init(project="stopped", id="one", settings=wandb.Settings(silent=True))
wandb.Api().run("sandbox/stopped/one").stop()
began = time.monotonic()
try:
    while time.monotonic() - began < 60:
        run.log({"loss": 1})
        time.sleep(0.2)
except KeyboardInterrupt:
    run.finish(exit_code=255)
print(wandb.Api().run("sandbox/stopped/one").state)
"""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("wandb") / "sandbox") as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def _fair_weather(box: Sandbox) -> Iterator[None]:
    yield
    box.set_scenario([])


@pytest.fixture(scope="module")
def logged(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> None:
    run_client(box, tmp_path_factory.mktemp("logged"), LOG)


def ask(box: Sandbox, query: str, *, key: str | None = None, **variables: Any) -> requests.Response:
    """A GraphQL request; `key` None: the sandbox's own."""
    held = Path(box.endpoints.keys["WANDB_API_KEY"]).read_text(encoding="utf-8").strip()
    return requests.post(
        f"{box.endpoints.services['wandb']}/graphql",
        json={"query": query, "variables": variables},
        auth=("api", held if key is None else key),
        timeout=20,
    )


def test_what_is_logged_is_read_back(box: Sandbox, logged: None, tmp_path: Path) -> None:
    found = json.loads(run_client(box, tmp_path, READ).splitlines()[-1])
    rows = found.pop("rows")
    assert [(row["_step"], row["trainer/step"], row["loss"]) for row in rows] == [
        (step, step, 1 / (step + 1)) for step in range(20)
    ]
    assert [row["picture"]["width"] for row in rows if "picture" in row] == [8] * 4
    assert all(row["h"]["_type"] == "histogram" and len(row["h"]["bins"]) == 65 for row in rows)
    assert found.pop("losses") == [1 / (step + 1) for step in range(20)]
    sampled = found.pop("sampled")
    assert len(sampled) == 5 and (sampled[0], sampled[-1]) == (1, 1 / 20)
    console = found.pop("console")
    assert [number for number, _, _ in console] == list(range(len(console)))
    assert [text for _, level, text in console if level == ""] == [f"step {step}" for step in range(20)]
    assert [text for _, level, text in console if level == "error"] == [f"careful {step}" for step in range(20)]
    assert found.pop("system") >= 1 and found.pop("cpu") and found.pop("picture")
    files = found.pop("files")
    assert sum(name.endswith(".png") for name in files) == 4 and "config.yaml" in files
    assert found.pop("first") == [0, 10, 19]
    assert found.pop("url") == f"{box.endpoints.services['wandb']}/sandbox/arr-coc/runs/one"
    assert found == {
        "state": "finished",
        "config": {"lr": 0.1, "tokens": {"keep": 64}},
        "summary": {"loss": 1 / 20, "trainer/step": 19},
        "tags": ["a"],
        "user": "sandbox",
        "tail": [text for _, _, text in console[-2:]],
        "program": found["program"],
        "projects": ["arr-coc"],
        "teams": ["sandbox", "sandbox-team"],
        "runs": ["one"],
        "none": [],
    }


def test_runs_are_synced_rewound_and_changed(box: Sandbox, tmp_path: Path) -> None:
    assert json.loads(run_client(box, tmp_path, CHANGE).splitlines()[-1]) == {
        "synced": [[step, 10 + step] for step in range(5)],
        "rewound": [[0, 0], [1, 1], [2, 2], [3, 3], [4, 100]],
        "taken": "preempted",
        "uploaded": ["x.bin", 3],
        "config": {"more": 3},
        "tags": ["tag"],
        "best": 1,
        "left": [],
        "runs": ["taken", "offline"],
        "made": ["made"],
    }
    base = box.endpoints.services["wandb"]
    for path, said in (
        ("/sandbox/changed/runs/taken", "preempted"),
        ("/sandbox/changed", "/sandbox/changed/runs/offline"),
        ("/sandbox", "Launch queues"),
    ):
        assert said in requests.get(f"{base}{path}", timeout=20).text
    assert requests.get(f"{base}/sandbox/none", timeout=20).status_code == 404


@pytest.mark.long
def test_a_run_stops_when_it_is_asked_to(box: Sandbox, tmp_path: Path) -> None:
    assert run_client(box, tmp_path, STOP).splitlines()[-1] == "killed"


def test_a_page_of_a_long_history_costs_what_one_of_a_short_does(
    box: Sandbox, full: bool, figures: Callable[..., None]
) -> None:
    """The same query at the end of both; `full`: 10^3 against 10^6 rows."""
    short, long = 1000, 1_000_000 if full else 50_000
    world = box.box.service("wandb").world
    world.ensure_project("sandbox", "long")
    for rows in (short, long):
        run = world.runs.add("sandbox", "long", f"r{rows}", "sandbox")
        for first in range(0, rows, 10_000):
            lines = [f'{{"_step": {step}, "loss": {step / 7}}}' for step in range(first, min(rows, first + 10_000))]
            with world.state.transaction():
                world.lines.write(run.id, "history", first, lines)
    query = """query Page($run: String!, $first: Int64!, $end: Int64!) {
        project(name: "long", entityName: "sandbox") { run(name: $run) {
            state historyLineCount historyKeys history(minStep: $first, maxStep: $end, samples: 1000) } } }"""

    def cost(rows: int) -> float:
        began = time.perf_counter()
        answer = ask(box, query, run=f"r{rows}", first=rows - 100, end=rows + 900)
        spent = time.perf_counter() - began
        assert len(answer.json()["data"]["project"]["run"]["history"]) == 100
        return spent

    pairs = [(cost(short), cost(long)) for _ in range(40)]
    ratio = min(spent for _, spent in pairs) / min(spent for spent, _ in pairs)
    figures("sandbox: a page of W&B's history", rows=[short, long], ratio=round(ratio, 2))
    assert ratio < 1.3
    spread = """query ($run: String!) { project(name: "long", entityName: "sandbox") { run(name: $run) {
        history(samples: 3) sampledHistory(specs: ["{\\"keys\\": [\\"loss\\"], \\"samples\\": 3}"]) } } }"""
    run = ask(box, spread, run=f"r{long}").json()["data"]["project"]["run"]
    assert [json.loads(row)["_step"] for row in run["history"]] == [0, (long - 1) // 2 + 1, long - 1]
    assert [row["loss"] for row in run["sampledHistory"][0]][::2] == [0, (long - 1) / 7]


def test_one_request_has_all_that_a_poll_asks(box: Sandbox, logged: None) -> None:
    query = """query Poll($min: Int64!) { project(name: "arr-coc", entityName: "sandbox") {
        one: run(name: "one") { state heartbeatAt historyLineCount history(minStep: $min, maxStep: 99, samples: 99) }
        none: run(name: "none") { state } } }"""
    answer = ask(box, query, min=17)
    project = answer.json()["data"]["project"]
    assert project["none"] is None and project["one"]["historyLineCount"] == 20
    assert [json.loads(row)["_step"] for row in project["one"]["history"]] == [17, 18, 19]


def test_who_may_not_is_told_as_by_the_real_server(box: Sandbox, logged: None) -> None:
    viewer, project = "{ viewer { entity } }", '{ project(name: "arr-coc", entityName: "sandbox") { id } }'
    assert ask(box, viewer).json() == {"data": {"viewer": {"entity": "sandbox"}}}
    assert ask(box, viewer, key="0" * 40).status_code == 401
    assert ask(box, viewer, key="").json() == {"data": {"viewer": None}}
    assert ask(box, project, key="").json() == {"data": {"project": None}}
    make = 'mutation { upsertBucket(input: {name: "x", modelName: "p", entityName: "%s"}) { bucket { id } } }'
    denied = ask(box, make % "others")
    assert denied.status_code == 403
    assert denied.json() == {
        "errors": [
            {"message": "permission denied", "path": ["upsertBucket"], "extensions": {"code": "PERMISSION_ERROR"}}
        ],
        "data": {"upsertBucket": None},
    }
    assert ask(box, make % "nobody").status_code == 404
    box.set_scenario([PermissionDenied(entity="sandbox-team")])
    assert ask(box, make % "sandbox-team").status_code == 403
    box.set_scenario([RevokedCredentials(service="wandb")])
    assert ask(box, viewer).status_code == 401
    box.set_scenario([RateLimited(service="wandb", method="Look", retry_after_s=3)])
    limited = ask(box, "query Look { viewer { id } }")
    assert limited.status_code == 429 and limited.headers["Retry-After"] == "3"


def test_what_it_does_not_know_is_refused(box: Sandbox) -> None:
    answer = ask(box, "{ viewer { shoeSize } }")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"] == 'Cannot query field "shoeSize" on type "User".'
    fields = ask(box, '{ __type(name: "Run") { fields { name } } }').json()["data"]["__type"]["fields"]
    assert {"name": "history"} in fields
    page = 'query ($first: Int!) { project(name: "arr-coc") { runs(first: $first) { edges { cursor } } } }'
    assert ask(box, page, first="many").status_code == 400


def test_a_run_that_falls_silent_has_crashed_until_it_is_heard_of(box: Sandbox) -> None:
    state = 'query { project(name: "silent", entityName: "sandbox") { run(name: "s") { state } } }'

    def now() -> str:
        return ask(box, state).json()["data"]["project"]["run"]["state"]

    ask(box, 'mutation { upsertBucket(input: {name: "s", modelName: "silent", entityName: "sandbox"}) { inserted } }')
    assert now() == "running"
    runs = box.box.service("wandb").world.runs
    run = runs.get("sandbox", "silent", "s")
    run.heartbeat -= 301
    runs.put(run)
    assert now() == "crashed"
    key = Path(box.endpoints.keys["WANDB_API_KEY"]).read_text(encoding="utf-8").strip()
    stream = f"{box.endpoints.services['wandb']}/files/sandbox/silent/s/file_stream"
    body = {"files": {"wandb-history.jsonl": {"offset": 0, "content": ['{"_step": 0}', '{"_step": 1}']}}}
    for _ in range(2):  # a resend changes nothing
        assert requests.post(stream, json=body, auth=("api", key), timeout=20).status_code == 200
    assert now() == "running" and box.box.service("wandb").world.lines.count(run.id, "history") == 2
    ask(box, "mutation ($id: ID!) { stopRun(input: {id: $id}) { success } }", id=run.storage_id)
    assert requests.post(stream, json={}, auth=("api", key), timeout=20).json()["stopped"] is True
    requests.post(stream, json={"complete": True, "exitcode": 255}, auth=("api", key), timeout=20)
    assert now() == "killed"
