"""`arrcoc sync`: rows logged offline reach W&B once each and with their steps, however often the upload is killed."""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wandb_client import run_client

from arrcoc_core import get_run
from arrcoc_core.cli import main
from arrcoc_core.errors import CloudError, ConfigError, RunError
from arrcoc_core.metrics import open_metrics
from arrcoc_core.records import Event
from arrcoc_core.run import Run
from arrcoc_core.sandbox import Sandbox, running
from arrcoc_core.sandbox.faults import Flaky, Latency, Outage, PermissionDenied, RateLimited
from arrcoc_core.settings import state_dir
from arrcoc_core.store import Store
from arrcoc_core.syncing import Sync
from arrcoc_core.syncing.deciding import decide
from arrcoc_core.syncing.logged import Logged

LOG = """
import os, sys, time
import numpy as np
import wandb
run_id, first, last, how = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
settings = wandb.Settings(console="wrap", x_stats_sampling_interval=0.2, disable_git=True)
run = wandb.init(
    project="arr-coc-0-1", id=run_id, name="a name", dir="wandb", mode="offline", tags=["t1", "t2"], notes="notes",
    config={"tokens": {"keep": 64}, "lr": 1e-4}, settings=settings,
)
for step in range(first, last, 5):
    row = {"trainer/step": step, "train/loss": 1 / (step + 1), "n": step, "by": first, "nested": {"deep": {"x": 0.5}}}
    if step % 50 == 0:
        row |= {"bad": float("nan"), "worse": float("-inf"), "big": 2**60 + step, "word": f'"{step}" \\u00e9'}
        row["pictures/0"] = wandb.Image(np.full((8, 20, 3), step % 255, np.uint8), caption=f"Q: {step}?")
        row["several"] = [wandb.Image(np.full((4, 4, 3), shade, np.uint8)) for shade in (step % 99, 7)]
        row["spread"] = wandb.Histogram([1, 2, step])
        print("printed at", step)
        print("careful at", step, file=sys.stderr)
    run.log(row, commit=True)
time.sleep(0.5)
if how == "killed":
    os.kill(os.getpid(), 9)
run.summary["best"] = 7
run.finish()
"""
READ = """
import hashlib, json, wandb
run = wandb.Api().run(PATH)
files = {file.name: file for file in run.files()}
print(json.dumps({
    "rows": [dict(row) for row in run.scan_history()],
    "console": [line.content for line in run.console_logs()],
    "system": run.history(stream="system", pandas=False, samples=10_000),
    "pictures": {n: hashlib.sha256(open(f.download(root="got").name, "rb").read()).hexdigest()
                 for n, f in files.items() if n.startswith("media/")},
    "files": sorted(files), "summary": {name: run.summary[name] for name in ("best", "n")}, "config": run.config,
    "tags": run.tags, "name": run.name,
    "notes": run.notes, "state": run.state, "url": run.url, "metadata": run.metadata,
}))
"""


def add_run(root: Path, run_id: str, end: str = "succeeded") -> Path:
    """A run of the store with one attempt, which has ended that way ("": it goes on); its folder."""
    created = {"experiment": "quickstart", "fingerprint": "f", "code": "c", "target": "local", "total_steps": 9}
    now = time.time()
    events = [Event(run_id, "created", now, data=created), Event(run_id, "attempt_started", now, 1)]
    events.append(Event(run_id, "attempt_running", now, 1))
    if end:
        events.append(Event(run_id, "attempt_ended", now, 1, "", {"state": end}))
        events.append(Event(run_id, "ended", now, data={"state": end}))
    directory = state_dir(root) / "runs" / run_id
    (directory / "logs").mkdir(parents=True)
    with Store(state_dir(root) / "store.db") as store:
        store.append(events)
    return directory


@dataclass
class Place:
    sandbox: Sandbox
    root: Path
    folder: Path
    reads: int = 0

    def log(self, run_id: str, *parts: tuple[int, int, str]) -> Run:
        """A run of the store that has logged these parts offline, each an attempt of its own."""
        directory = add_run(self.root, run_id)
        (directory / "wandb").mkdir()
        environment = {**os.environ, "WANDB_SILENT": "true", "WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL": "0.1"}
        for first, last, how in parts:
            command = [sys.executable, "-c", LOG, run_id, str(first), str(last), how]
            done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, check=False)
            assert done.returncode == (-9 if how == "killed" else 0), done.stderr
        return get_run(run_id)

    def read(self, run_id: str) -> dict[str, Any]:
        """All that W&B has of it, by wandb's own API."""
        self.reads += 1
        path = f"sandbox/arr-coc-0-1/{run_id}"
        found = run_client(self.sandbox, self.folder / f"read{self.reads}", f"PATH = {path!r}\n{READ}")
        return json.loads(found.splitlines()[-1])


@pytest.fixture(scope="module")
def place(
    make_project: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory, sandbox_key: str
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("syncing")
    (folder / "sandbox").mkdir()
    (folder / "sandbox/key.json").write_text(sandbox_key, encoding="utf-8")
    root = make_project()
    with running(folder / "sandbox", speed=100) as sandbox, pytest.MonkeyPatch.context() as patch:
        for name in [key for key in os.environ if key.startswith(("ARRCOC_", "WANDB_"))]:
            patch.delenv(name)
        patch.setenv("ARRCOC_CLOUD_ENDPOINTS", str(folder / "sandbox"))
        patch.chdir(root)
        yield Place(sandbox, root, folder)


@pytest.fixture(autouse=True)
def _fair_weather(place: Place) -> Iterator[None]:
    yield
    place.sandbox.set_scenario([])


@dataclass(frozen=True)
class Synced:
    run: Run
    told: list[Sync]
    found: dict[str, Any]


@pytest.fixture(scope="module")
def synced(place: Place, full: bool, figures: Callable[..., None]) -> Synced:
    """A run of two attempts, the first of which was killed; its upload was killed as well, more than once."""
    run = place.log("twice", (0, 400, "killed"), (300, 1000, "whole"))
    chance = random.Random(3)
    place.sandbox.set_scenario([Latency(seconds=0.3, method="file_stream", service="wandb")])
    kills = 10 if full else 2
    for number in range(kills):
        child = start_child(run, place)
        if number % 2:  # rows are on their way; else wherever it is by then
            wait_for_rows(place, child)
        time.sleep(chance.uniform(0, 0.5 if number % 2 else 4))
        child.kill()
        child.communicate()
    place.sandbox.set_scenario([])
    told: list[Sync] = []
    assert run.sync(on_progress=told.append) == told[-1]
    found = place.read("twice")
    figures("sync killed", kills=kills, rows=len(found["rows"]))
    return Synced(run, told, found)


def test_every_row_arrives_once_and_with_its_step(synced: Synced) -> None:
    rows, done = synced.found["rows"], synced.told[-1]
    check_rows(synced.run, rows)
    assert [row["_step"] for row in rows] == list(range(0, 1000, 5))
    assert (done.rows, done.total, done.appended, done.fraction) == (200, 200, 0, 1.0)
    assert synced.told[0].state == "looking" and done.state == "done" and done.url == synced.found["url"]
    assert synced.run.wandb_url == done.url


def test_what_is_there_already_is_not_sent_again(place: Place, synced: Synced) -> None:
    before = len(place.sandbox.requests())
    assert synced.run.sync().sent == 0
    assert {row["method"] for row in place.sandbox.requests()[before:] if row["mutating"]} == set()


def check_rows(run: Run, rows: list[dict[str, Any]]) -> None:
    """The server's rows are those of the files, value by value, each once."""
    ours = Logged(run.directory)
    want = dict(ours.rows(ours.steps))
    assert [row["trainer/step"] for row in rows] == list(want)
    for row in rows:
        shown = {name: value for name, value in row.items() if name not in ("_step", "_runtime")}
        assert plain(shown) == plain(want[row["trainer/step"]])
    table = list(open_metrics(run.directory).rows())
    assert [plain(line["train/loss"]) for line in table] == [plain(row["train/loss"]) for row in rows]


def plain(value: Any) -> Any:
    """Comparable: NaN equals NaN, and a whole float is a whole number, as JSON has it."""
    if isinstance(value, float):
        return str(value) if not math.isfinite(value) else int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def start_child(run: Run, place: Place) -> subprocess.Popen[str]:
    """The process that uploads, as `Run.sync` starts it."""
    endpoints = place.sandbox.endpoints
    order = {
        "directory": str(run.directory),
        "server": endpoints.services["wandb"],
        "entity": "sandbox",
        "project": "arr-coc-0-1",
        "exit_code": 0,
    }
    key = Path(endpoints.keys["WANDB_API_KEY"]).read_text(encoding="utf-8").strip()
    child = subprocess.Popen(
        [sys.executable, "-m", "arrcoc_core.syncing.child"],
        env={**os.environ, "WANDB_API_KEY": key, "WANDB_BASE_URL": str(order["server"]), "WANDB_SILENT": "true"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    child.stdin.write(json.dumps(order) + "\n")
    child.stdin.flush()
    return child


def wait_for_rows(place: Place, child: subprocess.Popen[str]) -> None:
    before = sum(row["method"] == "file_stream" for row in place.sandbox.requests())
    deadline = time.monotonic() + 60
    while child.poll() is None and time.monotonic() < deadline:
        if sum(row["method"] == "file_stream" for row in place.sandbox.requests()) > before:
            return
        time.sleep(0.05)


def test_everything_else_of_it_is_there_too(synced: Synced) -> None:
    found, ours = synced.found, Logged(synced.run.directory)
    assert found["pictures"] == {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in ours.media.items()
    }
    assert len(found["pictures"]) > 50
    assert found["config"] == {"tokens": {"keep": 64}, "lr": 1e-4}
    assert (found["name"], found["notes"], found["state"]) == ("a name", "notes", "finished")
    assert sorted(found["tags"]) == ["t1", "t2"]
    assert found["summary"] == {"best": 7, "n": 995}
    printed = [f"printed at {step}" for step in (*range(0, 400, 50), *range(300, 1000, 50))]
    assert [line for line in found["console"] if line.startswith("printed")] == printed
    careful = [line for line in found["console"] if line.startswith("careful")]
    assert careful == [line.replace("printed", "careful") for line in printed]
    times = [round(sample["_timestamp"], 3) for sample in found["system"]]
    assert times == [round(sample.time, 3) for sample in ours.system] and len(times) > 2
    assert all(0 <= sample["_runtime"] < 3600 for sample in found["system"])
    assert not [name for name in found["files"] if "code" in name] and not found["metadata"]


@pytest.mark.long
def test_every_run_at_once_and_rows_that_were_lost_in_between(
    place: Place, synced: Synced, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after an outage: W&B has the beginning and the end of what an attempt logged, under its own `_step`."""
    place.log("holes", (0, 200, "whole"))
    online = """
        import wandb
        run = wandb.init(project="arr-coc-0-1", id="holes", name="mine", tags=["kept"])
        for step in [*range(0, 50, 5), *range(100, 150, 5)]:
            run.log({"trainer/step": step, "train/loss": 1 / (step + 1)})
        run.finish()
    """
    run_client(place.sandbox, place.folder / "online", online)
    place.sandbox.set_scenario([RateLimited(service="wandb", method="file_stream", retry_after_s=1)])
    assert main(["sync", "--all", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["run"] for line in told} == {"holes"}, "the other one is there, and nobody is asked"
    assert [told[-1][name] for name in ("state", "sent", "appended", "total")] == ["done", 20, 10, 40]
    found = place.read("holes")
    steps = [row["trainer/step"] for row in found["rows"]]
    assert steps == [*range(0, 50, 5), *range(100, 200, 5), *range(50, 100, 5)]
    behind = [(row["trainer/step"], row["_step"]) for row in found["rows"][20:30]]
    assert behind == [(step, step) for step in range(150, 200, 5)], "behind the newest row a step is its own"
    assert found["summary"]["n"] == 195, "though the row that was sent last is another"
    assert (found["name"], found["tags"]) == ("mine", ["kept"]), "what is there already is not written over"
    assert main(["sync", "--all"]) == 0
    assert "at W&B already" in capsys.readouterr().out


def test_what_is_sent_and_where() -> None:
    def steps(*values: int) -> Any:
        return np.array(values, dtype=np.int64)

    def decided(here: Any, there: Any, newest: int) -> tuple[list[int], list[int], int]:
        found = decide(here, there, newest)
        return found.steps.tolist(), found.places.tolist(), found.appended

    assert decided(steps(0, 5, 10), steps(), -1) == ([0, 5, 10], [0, 5, 10], 0)
    assert decided(steps(0, 5, 10), steps(0, 5), 5) == ([10], [10], 0)
    assert decided(steps(0, 5, 10), steps(0, 10), 1) == ([5], [2], 1)
    assert decided(steps(0, 5, 10, 15), steps(0, 10), 1) == ([15, 5], [15, 16], 1)
    # an attempt that logged rows twice has used up more steps than there are rows
    assert decided(steps(1, 2, 3, 4), steps(1, 2), 7) == ([3, 4], [8, 9], 0)
    assert decided(steps(1, 2, 3, 40), steps(1), 2) == ([2, 3, 40], [3, 4, 40], 0)
    assert decided(steps(1, 2), steps(1, 2, 3), 9) == ([], [], 0)


@pytest.mark.long
def test_bad_weather_costs_no_row(place: Place) -> None:
    run = place.log("stormy", (0, 3000, "killed"), (2500, 6000, "whole"))
    weather = [
        RateLimited(service="wandb", method="file_stream", retry_after_s=1, times=2),
        Outage(seconds=1000, service="wandb", after_calls=12),  # ten seconds, at the sandbox's speed
        Flaky(share=0.15, service="wandb", seed=5),
    ]
    place.sandbox.set_scenario(weather)
    run.sync()
    place.sandbox.set_scenario([])
    check_rows(run, place.read("stormy")["rows"])


def test_what_is_in_its_way_is_said(
    place: Place, synced: Synced, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    logged = synced.run
    add_run(place.root, "going-on", end="")
    with pytest.raises(ConfigError, match="uploaded once it has ended"):
        get_run("going-on").sync()
    add_run(place.root, "silent", end="failed")
    with pytest.raises(RunError, match="file here"):
        get_run("silent").sync()
    with pytest.raises(CloudError, match="may not write to others"):
        logged.sync(entity="others")
    place.sandbox.set_scenario([PermissionDenied(entity="sandbox-team")])
    with pytest.raises(RunError, match="permission"):
        logged.sync(entity="sandbox-team")
    place.sandbox.set_scenario([])
    assert main(["sync"]) == 2 and main(["sync", "--all", "twice"]) == 2
    bare = tmp_path / "endpoints"
    bare.mkdir()
    held = json.loads((place.sandbox.folder / "endpoints.json").read_text(encoding="utf-8"))
    (bare / "endpoints.json").write_text(json.dumps({**held, "keys": {}}), encoding="utf-8")
    monkeypatch.setenv("ARRCOC_CLOUD_ENDPOINTS", str(bare))
    with pytest.raises(CloudError, match="no W&B key") as refused:
        logged.sync()
    assert refused.value.remedy and refused.value.exit_code == 2


def test_two_uploads_of_one_run_do_not_mix(place: Place, synced: Synced) -> None:
    logged = synced.run
    place.sandbox.set_scenario([Latency(seconds=1.0, service="wandb")])
    child = start_child(logged, place)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        deadline = time.monotonic() + 20
        while not (logged.directory / "sync").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        with pytest.raises(RunError, match="by another process"):
            logged.sync()
    finally:
        child.send_signal(signal.SIGTERM)
        child.communicate()
