"""The trainer's tracking online, with wandb's real client and the sandbox's W&B: no row is lost, and no run for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arrcoc_core.accounts.wandb_client import WandbClient
from arrcoc_core.metrics import open_metrics
from arrcoc_core.observing import EXIT_CANCELLED
from arrcoc_core.sandbox import Sandbox, running
from arrcoc_core.sandbox.faults import NoNetwork
from training.signals import CANCELLED_EXIT_CODE, STOPPED_EXIT_CODE, StopRequest

PRELUDE = """
import json, os, signal, sys, time
from pathlib import Path
from training.tracking import Row, Tracker

def row(step):
    return Row(step, {"train/loss": 1.0 / (step + 1), "eval/accuracy": step / 7})

def tracker(name, **more):
    said = []
    made = Tracker(name, Path(sys.argv[1]), {"lr": 0.1}, say=said.append, **more)
    return made, said

def until(true):
    deadline = time.monotonic() + 90
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)

def tell(**values):
    print("TOLD " + json.dumps(values), flush=True)
"""
ROWS = """query Rows($name: String!, $project: String!, $run: String!) {
  project(name: $project, entityName: $name) { run(name: $run) {
    id state summaryMetrics history(minStep: 0, maxStep: 100000, samples: 100000)
  } } }"""
STOP = "mutation StopRun($id: ID!) { stopRun(input: {id: $id}) { success } }"


class Server:
    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox, self.folder = sandbox, folder
        self.url = sandbox.endpoints.services["wandb"]
        self.key = Path(sandbox.endpoints.keys["WANDB_API_KEY"]).read_text(encoding="utf-8").strip()
        self.client = WandbClient(self.url, self.key)

    def start(self, script: str, directory: Path, **environment: str) -> subprocess.Popen[str]:
        """Python with the trainer's tracking, as an attempt has it."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("ARRCOC_", "WANDB_"))}
        own = {"WANDB_MODE": "online", "WANDB_BASE_URL": self.url, "WANDB_API_KEY": self.key}
        return subprocess.Popen(
            [sys.executable, "-c", PRELUDE + script, str(directory)],
            env={**clean, **own, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str, directory: Path, **environment: str) -> tuple[int, list[dict[str, Any]], str]:
        """To its end: exit code, what was told, and everything it printed."""
        child = self.start(script, directory, **environment)
        out, error = child.communicate(timeout=120)
        return child.returncode, told(out), out + error

    def at_server(self, run: str, project: str = "arr-coc-0-1") -> dict[str, Any]:
        held = self.client.execute(ROWS, {"name": "sandbox", "project": project, "run": run})
        return held["project"]["run"]

    def rows(self, run: str) -> dict[int, dict[str, Any]]:
        """trainer/step -> the last row of it."""
        lines = [json.loads(line) for line in self.at_server(run)["history"]]
        return {line["trainer/step"]: line for line in lines}


def told(out: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("TOLD ")) for line in out.splitlines() if line.startswith("TOLD ")]


def read_here(directory: Path) -> dict[int, float]:
    """trainer/step -> train/loss, as our reader finds it in the files."""
    series = open_metrics(directory).series("train/loss")
    return dict(zip(series.step.tolist(), series.value.tolist(), strict=True))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, sandbox_key: str) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("online")
    (folder / "sandbox").mkdir()
    (folder / "sandbox" / "key.json").write_text(sandbox_key, encoding="utf-8")
    with running(folder / "sandbox") as sandbox:
        held = Server(sandbox, folder)
        yield held
        held.client.close()


@pytest.fixture(autouse=True)
def no_faults(server: Server) -> Iterator[None]:
    yield
    server.sandbox.set_scenario([])


KILLED = """
made, said = tracker("killed")
for step in range(40):
    made.log(row(step))
    if step == 19:
        kept = made.rows_to_save()  # a checkpoint of step 19
        made.mark_saved(kept)
        Path(sys.argv[1], "kept.json").write_text(json.dumps([one.step for one in kept]))
        tell(url=made.url)
os.kill(os.getpid(), signal.SIGKILL)
"""
RESUMED = """
made, said = tracker("killed")
kept = [row(step) for step in json.loads(Path(sys.argv[1], "kept.json").read_text())]
made.log_again(kept)
for step in range(20, 30):
    made.log(row(step))
made.finish({"eval/accuracy": 0.5}, 75, within_s=20.0)
"""
ENDED = """
made, said = tracker("killed")
made.log_again([row(step) for step in range(25, 30)])
for step in range(30, 40):
    made.log(row(step))
made.finish({"eval/accuracy": 0.75}, 0)
tell(said=said)
"""


def test_a_run_killed_and_stopped_is_one_run_with_every_row(server: Server, tmp_path: Path) -> None:
    code, said, _ = server.run(KILLED, tmp_path)
    assert code == -9 and said[0]["url"] == f"{server.url}/sandbox/arr-coc-0-1/runs/killed"
    place = json.loads((tmp_path / "wandb.json").read_text(encoding="utf-8"))
    assert (place["mode"], place["url"], place["note"]) == ("online", said[0]["url"], "")
    assert (place["entity"], place["project"], place["id"]) == ("sandbox", "arr-coc-0-1", "killed")
    code, _, text = server.run(RESUMED, tmp_path)
    assert code == 0 and server.at_server("killed")["state"] == "preempted", text
    code, said, text = server.run(ENDED, tmp_path)
    assert code == 0 and said == [{"said": []}], text
    rows = server.rows("killed")
    expected = {step: 1.0 / (step + 1) for step in range(40)}
    assert {step: line["train/loss"] for step, line in rows.items()} == expected
    assert read_here(tmp_path) == expected, "the file beside the run has them, too"
    held = server.at_server("killed")
    assert held["state"] == "finished" and json.loads(held["summaryMetrics"])["eval/accuracy"] == 0.75


REFUSED = """
import training.tracking as tracking

begun = time.monotonic()
made, said = tracker("refused")
made.log(row(0))
made.finish({}, 0)
tell(said=said, took=time.monotonic() - begun, online=made.online, url=made.url)
os.environ |= {"WANDB_BASE_URL": sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:9", "WANDB_INIT_TIMEOUT": "1"}
os.environ["WANDB_API_KEY"] = "0" * 40
os.environ["WANDB_MODE"] = "online"
made, said = tracker("refused")
made.log(row(1))
made.finish({}, 0)
tell(said=said, online=made.online)
"""


def test_a_key_that_is_not_taken_or_a_server_that_is_not_there_costs_no_run(server: Server, tmp_path: Path) -> None:
    code, said, text = server.run(REFUSED, tmp_path, WANDB_API_KEY="f" * 40)
    assert code == 0, text
    first, second = said
    assert not first["online"] and first["url"] == "" and first["took"] < 25
    assert first["said"][0].startswith(f"not logging to W&B: {server.url}: ") and "401" in first["said"][0]
    assert first["said"][0].endswith("arrcoc sync refused uploads it")
    assert not second["online"] and "http://127.0.0.1:9: " in second["said"][0]
    assert read_here(tmp_path) == {0: 1.0, 1: 0.5}
    place = json.loads((tmp_path / "wandb.json").read_text(encoding="utf-8"))
    assert (place["mode"], place["url"]) == ("offline", "") and "refused" in place["note"]
    assert "f" * 40 not in text


NO_KEY = """
made, said = tracker("no-key")
made.log(row(0))
made.finish({}, 0)
tell(said=said)
"""


def test_without_a_key_nobody_is_asked_for_one(server: Server, tmp_path: Path) -> None:
    code, said, text = server.run(NO_KEY, tmp_path, WANDB_API_KEY="")
    assert code == 0 and f"there is no key for {server.url}" in said[0]["said"][0], text


CUT = """
import inspect
from wandb.sdk.lib import run_stopping

run_stopping.RunStopChecker.__init__.__kwdefaults__["poll_interval"] = 0.2
asked = []
made, said = tracker("cut", stopped=lambda: asked.append(time.monotonic()))
made.log(row(0))
tell(started=True)
until(lambda: asked)
tell(stopped=bool(asked))
until(Path(sys.argv[1], "cut").exists)
for step in range(1, 50):
    made.log(row(step))
begun = time.monotonic()
made.finish({"eval/accuracy": 0.5}, 75, within_s=1.0)
tell(took=time.monotonic() - begun, said=said)
"""


@pytest.mark.long
def test_stopped_on_its_page_and_then_cut_off_it_ends_in_time_with_every_row_here(
    server: Server, tmp_path: Path
) -> None:
    child = server.start(CUT, tmp_path)
    assert child.stdout is not None and child.stderr is not None
    lines: Iterator[dict[str, Any]] = (one for line in child.stdout for one in told(line))
    assert next(lines) == {"started": True}
    deadline = time.monotonic() + 30
    while not server.rows("cut"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    server.client.execute(STOP, {"id": server.at_server("cut")["id"]})
    assert next(lines) == {"stopped": True}
    server.sandbox.set_scenario([NoNetwork(service="wandb")])
    (tmp_path / "cut").touch()
    last = next(lines)
    error = child.stderr.read()
    child.stdout.close()
    child.stderr.close()
    assert child.wait(timeout=60) == 0 and "Traceback" not in error, error
    assert last["took"] < 6 and "arrcoc sync uploads the rest" in last["said"][-1]
    assert read_here(tmp_path) == {step: 1.0 / (step + 1) for step in range(50)}


@pytest.mark.long
def test_rows_are_kept_for_longer_online(server: Server, tmp_path: Path) -> None:
    script = """
from dataclasses import replace
for mode in ("online", "offline"):
    os.environ["WANDB_MODE"] = mode
    made, said = tracker(f"kept-{mode}")
    now = time.time()
    ages = (700, 500, 70, 50, 0)
    made.log_again([replace(row(step), logged_at=now - age) for step, age in enumerate(ages)])
    tell(kept=[ages[one.step] for one in made.rows_to_save()])
    made.finish({}, 0)
"""
    code, said, text = server.run(script, tmp_path)
    assert code == 0 and [one["kept"] for one in said] == [[500, 70, 50, 0], [50, 0]], text


@pytest.mark.long
def test_a_training_stopped_on_its_page_ends_for_good_after_a_checkpoint(
    server: Server, make_run: Callable[..., Path], start_trainer: Callable[..., Any]
) -> None:
    directory = make_run("train.epochs=1000", "checkpoints.save_every_n_steps=1000")
    online = {"WANDB_MODE": "online", "WANDB_BASE_URL": server.url, "WANDB_API_KEY": server.key}
    trainer = start_trainer(directory, **online)
    deadline = time.monotonic() + 120
    while "saved" not in trainer.said and "step 5/" not in trainer.said:
        assert trainer.process.poll() is None and time.monotonic() < deadline, trainer.said
        time.sleep(0.2)
    assert f"logging to {server.url}/sandbox/arr-coc-0-1/runs/small-run" in trainer.said
    server.client.execute(STOP, {"id": server.at_server("small-run")["id"]})
    assert trainer.wait() == CANCELLED_EXIT_CODE, trainer.said
    assert "stopped by its page at W&B after step" in trainer.said
    (marker,) = (directory / "checkpoints").glob("step-*/COMMITTED")
    step = int(marker.parent.name.removeprefix("step-"))
    assert sorted(server.rows("small-run")) == list(range(step + 1))
    assert server.at_server("small-run")["state"] == "killed"


def test_whoever_asks_first_decides_whether_it_is_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: dict[int, Callable[..., None]] = {}
    monkeypatch.setattr("signal.signal", lambda number, handler: handlers.setdefault(number, handler))
    stop = StopRequest()
    assert not stop.agreed() and stop.exit_code == STOPPED_EXIT_CODE
    stop.cancel("its page at W&B")
    handlers[15](15, None)
    assert stop.agreed() and stop.for_good and (stop.name, stop.exit_code) == ("its page at W&B", CANCELLED_EXIT_CODE)
    other = StopRequest()
    other._note(15, None)
    other.cancel("its page at W&B")
    assert other.name == "SIGTERM" and other.exit_code == STOPPED_EXIT_CODE
    assert CANCELLED_EXIT_CODE == EXIT_CANCELLED
