"""The command line on runs of a server: the same commands, given entity/project/run or the address of a page."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_writer import RunWriter

from arrcoc_core import Experiment, get_online_run, launch
from arrcoc_core.cli import main
from arrcoc_core.online.servers import Server
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import NoNetwork

Write = Callable[..., RunWriter]
Capture = pytest.CaptureFixture[str]


def said(capsys: Capture, *argv: str, code: int = 0) -> str:
    assert main(list(argv)) == code, capsys.readouterr()
    return capsys.readouterr().out


def loaded(capsys: Capture, *argv: str) -> Any:
    return json.loads(said(capsys, *argv, "--json"))


def logged(write: Write, run_id: str = "k64") -> RunWriter:
    run = write(run_id, config={"name": "keep-64", "tokens": {"keep": 64}, "seed": 1})
    values = [{"trainer/step": i, "loss": 1 / (i + 1), "odd": math.nan if i == 1 else -math.inf} for i in range(4)]
    run.rows([*values[:3], {**values[3], "word": "done", "eval/accuracy": 0.75}])
    run.lines(["one", "two"])
    run.end()
    return run


def test_lists_and_projects(server: Server, write: Write, place: str, capsys: Capture) -> None:
    run = logged(write)
    out = said(capsys, "runs", "--online", "--project", place)
    assert out.splitlines()[0].split() == ["run", "experiment", "state", "accuracy", "took", "by", "launched"]
    assert run.path in out
    assert "75.0 %" in out
    rows = loaded(capsys, "runs", "--online", "--project", place, "-n", "5")
    assert [(row["path"], row["state"], row["user"]) for row in rows] == [(run.path, "finished", "sandbox")]
    assert rows[0]["summary"]["odd"] is None  # JSON has no infinity
    assert place in said(capsys, "runs", "--projects")
    assert {"sandbox"} == {row["entity"] for row in loaded(capsys, "runs", "--projects", "--entity", "sandbox")}


def test_everything_that_can_be_asked_of_a_run(server: Server, write: Write, capsys: Capture) -> None:
    run = logged(write)
    page = get_online_run(run.path).url
    shown = said(capsys, "show", page)
    assert all(part in shown for part in ("tokens.keep", "64", "eval/accuracy", "75.0 %", "finished", page))
    assert loaded(capsys, "show", run.path)["config"]["tokens"] == {"keep": 64}
    assert "loss" in said(capsys, "metrics", run.path)
    table = list(csv.DictReader(io.StringIO(said(capsys, "metrics", run.path, "--csv"))))
    assert [float(row["loss"]) for row in table] == [1, 1 / 2, 1 / 3, 1 / 4]
    assert [row["odd"] for row in table] == ["-inf", "nan", "-inf", "-inf"]
    assert table[3]["word"] == "done"
    assert [row["trainer/step"] for row in loaded(capsys, "metrics", run.path)] == [0, 1, 2, 3]
    assert said(capsys, "logs", run.path) == "one\ntwo\n"
    assert said(capsys, "logs", run.path, "-f") == "one\ntwo\n"
    assert said(capsys, "monitor", run.path).splitlines()[-1].startswith(f"{run.path}: finished  4 steps")
    assert loaded(capsys, "monitor", run.path)["state"] == "finished"
    other = write("k8", config={"name": "keep-8", "tokens": {"keep": 8}, "seed": 1})
    other.rows([{"trainer/step": 0, "eval/accuracy": 0.5}])
    told = loaded(capsys, "diff", run.path, other.path)
    assert told["differences"] == [{"path": "tokens.keep", "a": 64, "b": 8}]
    assert {"metric": "eval/accuracy", "a": 0.75, "b": 0.5} in told["results"]


def test_a_run_that_failed_ends_the_watch_with_one(server: Server, write: Write, capsys: Capture) -> None:
    run = write()
    run.rows([{"loss": 1.0}])
    run.end(1)
    assert "failed" in said(capsys, "monitor", run.path, code=1)


def test_what_is_wrong_is_one_message_with_its_repair(server: Server, write: Write, capsys: Capture) -> None:
    run = write()
    for argv, words in (
        (("metrics", f"{run.path}x"), ("has no run runx", "arrcoc runs --online --entity sandbox --project")),
        (("show", "sandbox/nope/x"), ("has no project nope", "--projects")),
        (("logs", "others/p/x"), ("no member of others", "Ask an admin of others")),
        (("monitor", "https://wandb.ai/a/b/runs/c"), ("is a page of wandb.ai", "WANDB_BASE_URL")),
        (("diff", run.path, "a/../b"), ("does not name a run", "entity/project/run id")),
        (("runs", "--online", "--entity", "others"), ("no member of others",)),
    ):
        assert main(list(argv)) == 2
        told = capsys.readouterr()
        assert told.err.startswith("error: ")
        assert all(word in told.err for word in words), told.err
        assert "→" in told.err


def test_while_the_server_is_away_what_was_read_is_shown_and_how_old_it_is(
    box: Sandbox, server: Server, write: Write, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arrcoc_core.online.run.PATIENCE_S", 0.0)
    run = write()
    run.rows([{"loss": 0.5}])
    before = said(capsys, "metrics", run.path, "--csv")
    box.set_scenario([NoNetwork(service="wandb", times=None)])
    assert main(["metrics", run.path, "--csv"]) == 0
    told = capsys.readouterr()
    assert told.out == before
    assert told.err.startswith("behind by ")
    assert "cannot be reached" in told.err


def test_a_run_of_this_project_that_logs_online_is_there_once(
    fake_project: Path,
    box: Sandbox,
    write: Write,
    place: str,
    capsys: Capture,
    experiment: Callable[..., Experiment],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ARRCOC_CLOUD_ENDPOINTS", str(box.folder))
    own = launch(experiment("mine", steps=2, step_s=0.01), root=fake_project).wait(60)
    write(own.id).end()
    write("theirs").end()
    rows = loaded(capsys, "runs", "--all", "--project", place)
    assert {(row["id"], row["target"]) for row in rows} == {(own.id, "local"), ("theirs", "wandb")}
    out = said(capsys, "runs", "--all", "--project", place)
    assert out.count(own.id) == 1
    assert f"sandbox/{place}/theirs" in out


def test_tab_completes_runs_that_were_read_here_and_asks_nobody(
    box: Sandbox, server: Server, write: Write, capsys: Capture
) -> None:
    run = logged(write)
    said(capsys, "metrics", run.path)
    asked = len(box.requests())
    assert run.path in said(capsys, "completion", "--names", "run").splitlines()
    assert len(box.requests()) == asked
    assert "--online" in said(capsys, "completion", "bash")
