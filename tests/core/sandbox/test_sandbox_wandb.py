"""The sandbox's W&B, met by wandb's own client: one run is logged, resumed and read back, and most is seen on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
