"""Projects and runs of a server: one request a page, little to keep them fresh, and an error for each thing wrong."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from run_writer import RunWriter

from arrcoc_core import ProjectRuns, get_online_run, online_projects, online_runs
from arrcoc_core.errors import ArrcocError, CloudError, ConfigError
from arrcoc_core.online.addresses import RunPath, parse_run_path
from arrcoc_core.online.servers import Server
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import NoNetwork, PermissionDenied

Write = Callable[..., RunWriter]


def asked(box: Sandbox) -> int:
    return sum(row["service"] == "wandb" and row["method"] == "ArrcocRuns" for row in box.requests())


def test_a_run_has_the_same_names_for_things_as_one_of_this_machine(server: Server, write: Write, place: str) -> None:
    from arrcoc_core import Run

    writer = write("k64", config={"name": "keep-64", "tokens": {"keep": 64}, "tags": ["a"]})
    writer.rows([{"trainer/step": i, "eval/accuracy": i / 4, "h": {"_type": "histogram", "n": 3}} for i in range(4)])
    writer.lines(["hello", "world"])
    run = get_online_run(f"sandbox/{place}/k64")
    assert (run.id, run.entity, run.project, run.path) == ("k64", "sandbox", place, writer.path)
    assert (run.state, run.finished, run.user, run.experiment) == ("running", False, "sandbox", "keep-64")
    assert run.config["tokens"] == {"keep": 64}
    assert run.summary == {"trainer/step": 3.0, "eval/accuracy": 0.75}
    assert run.whole_summary["h"] == {"_type": "histogram", "n": 3}
    assert run.series("eval/accuracy").value.tolist() == [0, 0.25, 0.5, 0.75]
    assert list(run.logs()) == ["hello", "world"]
    writer.end()
    assert (run.refresh().state, run.succeeded, run.ended_at) == ("finished", True, run.heartbeat_at)
    assert run == get_online_run(run.url)
    assert run.url.endswith(f"/sandbox/{place}/runs/k64")
    same = {"id", "experiment", "state", "finished", "succeeded", "active", "created_at", "started_at", "ended_at"}
    same |= {
        "elapsed_s",
        "summary",
        "directory",
        "target",
        "metrics",
        "series",
        "logs",
        "refresh",
        "to_json",
        "offline",
    }
    assert [name for name in same if not (hasattr(run, name) and (hasattr(Run, name) or name == "offline"))] == []


def test_lists_have_one_request_a_page(
    box: Sandbox, server: Server, write: Write, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arrcoc_core.online import listing

    for i in range(7):
        write(f"run-{i}").rows([{"x": i}])
    monkeypatch.setattr(listing, "PAGE", 3)
    sent = asked(box)
    assert [run.id for run in online_runs(project=place, limit=3)] == ["run-6", "run-5", "run-4"]
    assert asked(box) == sent + 1
    assert len(online_runs(project=place, limit=7)) == 7
    assert asked(box) == sent + 1 + 3
    assert [run.summary["x"] for run in online_runs(project=place, limit=2)] == [6.0, 5.0]


def test_a_list_is_kept_fresh_by_one_small_request(box: Sandbox, server: Server, write: Write, place: str) -> None:
    runs = [write(f"run-{i}") for i in range(40)]
    for run in runs:
        run.end()
    listed = ProjectRuns(project=place, entity="sandbox")
    before = listed.runs
    assert len(before) == listed.total == 40
    sent = asked(box)
    assert not listed.refresh()
    time.sleep(1.1)  # W&B's times are whole seconds
    new = write("new")
    runs[3].rows([{"x": 1.0}])
    assert listed.refresh()
    assert asked(box) == sent + 2
    assert listed.runs[0].id == "new"
    assert len(listed.runs) == 41
    again = next(run for run in listed.runs if run.id == "run-3")
    assert again is next(run for run in before if run.id == "run-3")
    assert (again.state, again.rows, again.summary) == ("running", 1, {"x": 1.0})
    new.end()
    runs[5].delete()
    assert listed.refresh()
    assert [run.id for run in listed.runs if run.id in ("new", "run-5")] == ["new"]
    assert listed.runs[0].state == "finished"


def test_projects_are_those_of_the_user_and_of_the_teams(server: Server, write: Write, place: str) -> None:
    write("a")
    write("b", entity="sandbox-team")
    found = {(one.entity, one.name) for one in online_projects()}
    assert {("sandbox", place), ("sandbox-team", place)} <= found
    assert {one.entity for one in online_projects(entity="sandbox-team")} == {"sandbox-team"}
    assert next(one for one in online_projects() if one.name == place).url.endswith(f"/sandbox/{place}")


@pytest.mark.parametrize(
    "text",
    [
        "team/vqa/k64",
        " team/vqa/k64 ",
        "team/vqa/runs/k64",
        "https://wandb.ai/team/vqa/runs/k64",
        "https://wandb.ai/team/vqa/runs/k64/overview?nw=1#x",
    ],
)
def test_a_run_is_named_by_its_path_or_its_page(text: str) -> None:
    assert parse_run_path(text, "https://api.wandb.ai") == RunPath("team", "vqa", "k64")


def test_names_that_the_web_spells_otherwise_are_read_and_written() -> None:
    path = parse_run_path("https://wandb.ai/team/my%20project/runs/a%2Bb", "https://api.wandb.ai")
    assert path == RunPath("team", "my project", "a+b")
    assert path.url("https://api.wandb.ai") == "https://wandb.ai/team/my%20project/runs/a%2Bb"
    assert path.url("https://wandb.my.org") == "https://wandb.my.org/team/my%20project/runs/a%2Bb"


@pytest.mark.parametrize("text", ["a/b", "a/b/c/d", "../../etc", "a/../b", "a//b", "https://wandb.ai/team/vqa"])
def test_what_names_no_run_is_said_to_name_none(text: str) -> None:
    with pytest.raises(ConfigError, match="does not name a run of W&B") as caught:
        parse_run_path(text)
    assert "entity/project/run id" in caught.value.remedy


def test_a_page_of_another_server_is_not_looked_for_on_this_one() -> None:
    with pytest.raises(ConfigError, match=r"is a page of wandb\.ai, and the W&B server here is https://wandb\.my\.org"):
        parse_run_path("https://wandb.ai/team/vqa/runs/k64", "https://wandb.my.org")


def told(caught: pytest.ExceptionInfo[ArrcocError], *words: str) -> None:
    """One message with what is wrong, and what to do."""
    assert caught.value.remedy
    assert all(word in caught.value.message for word in words), caught.value.message


def test_each_thing_wrong_has_a_message_of_its_own_with_its_repair(
    box: Sandbox, server: Server, write: Write, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("run")
    with pytest.raises(CloudError) as caught:
        get_online_run(f"sandbox/{place}/nope")
    told(caught, "no run nope", place)
    assert caught.value.scope == "not-found"
    with pytest.raises(CloudError) as caught:
        online_runs(project="nope")
    told(caught, "no project nope of sandbox")
    with pytest.raises(CloudError) as caught:
        online_runs(project=place, entity="others")
    told(caught, "sandbox may not read", "no member of others")
    assert caught.value.scope == "permission"
    box.set_scenario([PermissionDenied(entity="sandbox-team")])
    with pytest.raises(CloudError) as caught:
        online_runs(project=place, entity="sandbox-team")
    told(caught, "sandbox-team")
    for method, look in (
        ("ArrcocRun", lambda: get_online_run(f"sandbox/{place}/run")),
        ("ArrcocRuns", lambda: online_runs(project=place)),
    ):
        box.set_scenario([PermissionDenied(method=method)])  # in so many words
        with pytest.raises(CloudError) as caught:
            look()
        told(caught, f"sandbox/{place} cannot be read", "permission denied")
    box.set_scenario([NoNetwork(service="wandb")])
    monkeypatch.setattr("arrcoc_core.online.run.PATIENCE_S", 0.0)
    with pytest.raises(CloudError) as caught:
        get_online_run(f"sandbox/{place}/run")
    told(caught, "cannot be reached")
    assert caught.value.scope == "offline"


def test_a_bad_key_no_key_and_an_address_that_is_no_servers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARRCOC_CLOUD_ENDPOINTS")
    monkeypatch.setattr("arrcoc_core.online.run.PATIENCE_S", 0.0)
    with pytest.raises(CloudError, match=r"There is no W&B key for https://api\.wandb\.ai") as caught:
        get_online_run("a/b/c")
    told(caught, "wandb.ai")
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    other = HTTPServer(("127.0.0.1", 0), Other)
    thread = Thread(target=other.serve_forever)
    thread.start()
    try:
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{other.server_port}")
        with pytest.raises(CloudError) as caught:
            get_online_run("a/b/c")
        told(caught, f"127.0.0.1:{other.server_port}", "W&B")
    finally:
        other.shutdown()
        thread.join()
        other.server_close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
    with pytest.raises(CloudError) as caught:
        get_online_run("a/b/c")
    told(caught, "cannot be reached")


def test_a_wrong_key_is_told_with_the_command_that_repairs_it(box: Sandbox, server: Server, write: Write) -> None:
    run = write()
    path = Path(box.endpoints.keys["WANDB_API_KEY"])
    key = path.read_text(encoding="utf-8")
    path.write_text("0" * 40, encoding="utf-8")
    try:
        with pytest.raises(CloudError) as caught:
            get_online_run(run.path)
    finally:
        path.write_text(key, encoding="utf-8")
    told(caught, "key")
    assert caught.value.scope == "auth"
    assert "0000" not in caught.value.message + caught.value.remedy


def test_what_was_read_is_shown_while_the_server_is_away(
    box: Sandbox, server: Server, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arrcoc_core.online.run.PATIENCE_S", 0.0)
    writer = write("run", config={"a": 1})
    writer.rows([{"loss": 0.5}])
    get_online_run(writer.path).metrics()
    box.set_scenario([NoNetwork(service="wandb", times=None)])
    run = get_online_run(writer.path)
    assert run.series("loss").value.tolist() == [0.5]
    assert (run.config, run.state) == ({"a": 1}, "running")
    assert "cannot be reached" in run.offline
    assert run.behind_s > 0
    box.set_scenario([])
    writer.rows([{"loss": 0.25}])
    assert run.series("loss").value.tolist() == [0.5, 0.25]
    assert run.offline == ""
