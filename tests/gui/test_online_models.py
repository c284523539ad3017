"""What the app shows of W&B, the Hub and the Launch queue, as plain values: links, places, rows, words; no window."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from arrcoc_core.metrics import index
from arrcoc_core.metrics.cache import DIRECTORY
from arrcoc_gui.accounts.standing import account_lines, mode_words
from arrcoc_gui.cloud.trouble import Fix
from arrcoc_gui.infra.queue_rows import QueueRows, ended_at_once, removal_question
from arrcoc_gui.links import web_address
from arrcoc_gui.monitor.console_log import ConsoleDocument
from arrcoc_gui.monitor.focus import first_view, possible_view
from arrcoc_gui.monitor.online_runs import OWN, OnlineRuns, online_view, parse_place, side_by_side
from arrcoc_gui.monitor.run_links import hub_link, sync_obstacle, upload_obstacle, wandb_link
from arrcoc_gui.monitor.run_rows import build_rows
from arrcoc_gui.monitor.run_values import flat, matching
from arrcoc_gui.monitor.run_view import PreparationView, RunView
from arrcoc_gui.monitor.run_words import phase_lines, phase_of, status_line
from arrcoc_gui.monitor.standing import CAUGHT_UP, Standing
from arrcoc_gui.monitor.transfers import Transfer
from arrcoc_gui.monitor.uploads import UploadView

START = datetime(2026, 11, 22, 15, 20, tzinfo=UTC)


def a_run(run_id: str = "a", state: str = "running", **more: object) -> RunView:
    finished = state in ("succeeded", "failed", "cancelled")
    values = {
        "cause": "",
        "created_at": START,
        "started_at": START,
        "ended_at": START + timedelta(seconds=60) if finished else None,
        "directory": Path("/nowhere"),
        "finished": finished,
    } | more
    return RunView(id=run_id, experiment="quickstart", state=state, **values)  # type: ignore[arg-type]


def told(run_id: str, state: str = "running", **more: object) -> dict[str, Any]:
    """A run as the listing child tells it."""
    path = f"lab/vqa/{run_id}"
    held = {
        "id": run_id,
        "path": path,
        "name": f"name of {run_id}",
        "state": state,
        "entity": "lab",
        "project": "vqa",
        "user": "ada",
        "created_at": "2026-11-22T15:21:00.000Z",
        "heartbeat_at": "2026-11-22T16:21:00.000Z",
        "ended_at": None,
        "summary": {"loss": 0.5, "note": "text"},
        "rows": 340,
        "tags": ["baseline"],
        "url": f"https://wandb.ai/lab/vqa/runs/{run_id}",
        "directory": f"/state/online/{path}",
        "watch": {"watch": "/x", "online": {"path": path, "root": "/p", "only": True}},
    }
    return held | more


class TestLinks:
    def test_pages_are_opened_and_nothing_else_is(self) -> None:
        for text in ("https://wandb.ai/a/b/runs/c", "http://127.0.0.1:8080/a?x=1#y", " https://hf.co/a/b "):
            assert web_address(text) == text.strip()
        for text in (
            "",
            "wandb.ai/a/b",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://",
            "https:///no/host",
            "http://[::1",
            "https://a b/",
            "https://a\nb",
            "vscode://file/x",
        ):
            assert web_address(text) == "", text

    def test_a_run_s_page_or_why_there_is_none(self) -> None:
        page = "https://wandb.ai/a/b/runs/c"
        assert wandb_link(a_run(wandb_url=page)).url == page
        assert wandb_link(a_run(wandb_url="file:///etc/passwd")).why
        assert "this machine only" in wandb_link(a_run()).why
        assert "not reached W&B yet" in wandb_link(a_run(logs_online=True)).why
        assert "never reached" in wandb_link(a_run(state="succeeded", logs_online=True)).why

    def test_the_hub_s_page_is_that_of_the_last_upload_that_was_complete(self) -> None:
        upload = UploadView("failed", "me/x", url="https://huggingface.co/me/x", detail="cut off")
        assert hub_link(a_run(upload=upload)).url == "https://huggingface.co/me/x"
        assert hub_link(a_run(upload=replace(upload, url=""))).why == "the upload failed"
        assert "yet" in hub_link(a_run()).why and "yet" not in hub_link(a_run(state="succeeded")).why

    def test_what_can_be_uploaded(self) -> None:
        assert upload_obstacle(a_run(state="succeeded")) == ""
        assert upload_obstacle(a_run()) and upload_obstacle(a_run(state="failed"))
        going = UploadView("uploading", "me/x")
        assert upload_obstacle(a_run(state="succeeded", upload=going)) == "the upload goes on"
        assert sync_obstacle(a_run(state="failed")) == "" and sync_obstacle(a_run())
        assert (
            sync_obstacle(a_run(state="failed", wandb_url="https://wandb.ai/a/b/runs/c")) == ""
        )  # rows may be lacking
        other = online_view(told("x", "finished"))
        assert upload_obstacle(other) and sync_obstacle(other) and hub_link(other).why


class TestUploads:
    def test_says_bytes_and_share(self) -> None:
        view = UploadView("uploading", "ada/arr-coc", done_bytes=3_100_000, total_bytes=12_400_000)
        assert view.words() == "Uploading to ada/arr-coc: 3.1 MB of 12.4 MB (25.0 %)"
        assert view.going_on and view.trouble() is None
        assert "looking" in replace(view, total_bytes=0).words()

    def test_a_failure_tells_what_to_do_and_that_the_old_one_is_there(self) -> None:
        view = UploadView("failed", "me/x", detail="the token may only read", remedy="hf auth login --force", url="u")
        trouble = view.trouble()
        assert trouble is not None and trouble.fixes[0].command == "hf auth login --force"
        assert "still there" in trouble.cause and "may only read" in trouble.message

    def test_a_transfer_of_ours(self) -> None:
        one = Transfer("upload").told({"done_bytes": 1_000_000, "total_bytes": 4_000_000})
        assert one.fraction == 0.25 and "1.0 MB of 4.0 MB (25.0 %)" in one.words()
        assert "goes on from there" in replace(one, state="stopped").words()
        sync = Transfer("sync")
        assert sync.words() == "Uploading to W&B: looking at what is there"
        sync = sync.told({"state": "uploading", "rows": 1200, "total": 2000})
        assert sync.words() == "Uploading to W&B: 1,200 of 2,000 rows (60.0 %)"
        sync = sync.told({"state": "checking", "rows": 2000, "total": 2000})
        assert sync.words() == "Uploading to W&B: checking that all has arrived"
        assert replace(sync, state="done").words() == "Uploaded to W&B: 2,000 of 2,000 rows"


class TestStanding:
    def test_behind_and_offline_are_said_until_it_has_caught_up(self) -> None:
        late = Standing.of({"behind_s": 12.4, "offline": "https://api.wandb.ai cannot be reached"})
        assert late.words() == "behind by 12 s" and late.short() == "offline 12 s" and not late.caught_up
        assert late.reason() == "offline: https://api.wandb.ai cannot be reached"
        assert Standing.of({"behind_s": 0.4, "offline": ""}).caught_up and CAUGHT_UP.words() == ""
        refused = Standing.of({"error": "no permission", "remedy": "ask"})
        assert refused.short() == "cannot be read" and "no permission" in refused.reason()

    def test_the_row_shows_it_beside_the_state_and_who_logged_it(self) -> None:
        rows = build_rows([online_view(told("x")), a_run()], standings={"lab/vqa/x": Standing(12.0, "gone")})
        assert (rows[0].user, rows[0].place, rows[0].note) == ("ada", "lab/vqa", "offline 12 s")
        assert rows[0].value == "340 rows" and rows[1].note == rows[1].place == ""


class TestPlaces:
    def test_lines_become_runs_and_what_is_known_stays_while_the_server_is_away(self) -> None:
        online = OnlineRuns()
        online.expect([OWN, "lab/vqa"])
        assert [place.words() for place in online.places.values()] == [
            "the project of .training: loading …",
            "lab/vqa: loading …",
        ]
        line = {"type": "place", "asked": "lab/vqa", "place": "lab/vqa", "total": 412, "whole": True}
        assert online.take({**line, "runs": [told("x"), told("y", "crashed")]})
        assert {view.id: view.state for view in online.views()} == {"lab/vqa/x": "running", "lab/vqa/y": "crashed"}
        assert online.places["lab/vqa"].words() == "lab/vqa: the newest 2 of 412 runs"
        away = {"type": "place", "asked": "lab/vqa", "behind_s": 12.0, "offline": "cannot be reached"}
        assert online.take(away) and len(online.views()) == 2
        assert online.places["lab/vqa"].words() == "lab/vqa: offline, behind by 12 s (cannot be reached)"
        assert online.take({**line, "total": 2, "whole": False, "runs": [told("x", "finished")]})
        assert online.places["lab/vqa"].words() == "" and online.views()[0].finished
        assert not online.take({**line, "total": 2, "whole": False, "runs": []})  # nothing new: nothing is drawn anew
        assert not online.take({"type": "place", "asked": "somewhere/else", "runs": []})
        online.expect([OWN])
        assert online.views() == []

    def test_a_refused_project_says_why(self) -> None:
        online = OnlineRuns()
        online.expect(["lab/vqa"])
        trouble = {"message": "the key may not read it", "fixes": [{"text": "Ask an admin", "command": ""}]}
        assert online.take({"type": "place", "asked": "lab/vqa", "trouble": trouble})
        assert "may not read it" in online.places["lab/vqa"].words()
        assert online.places["lab/vqa"].trouble.fixes[0].text == "Ask an admin"  # type: ignore[union-attr]

    def test_runs_of_our_own_store_are_there_once_and_all_are_newest_first(self) -> None:
        ours = a_run("k64-1", created_at=START + timedelta(hours=1))
        both = side_by_side([ours, a_run("old")], [online_view(told("k64-1")), online_view(told("x"))])
        assert [view.id for view in both] == ["k64-1", "lab/vqa/x", "old"]

    def test_what_a_person_may_type_for_a_project(self) -> None:
        for text, place in (
            ("lab/vqa", "lab/vqa"),
            (" lab/vqa/ ", "lab/vqa"),
            ("https://wandb.ai/lab/vqa/runs/k64?nw=x", "lab/vqa"),
            ("http://127.0.0.1:8080/lab/my%20project/workspace", "lab/my project"),
        ):
            assert parse_place(text) == place
        for text in ("", "lab", "lab/", "../..", "lab/a:b"):
            with pytest.raises(ValueError, match="entity/project"):
                parse_place(text)

    def test_an_online_run_is_only_looked_at(self) -> None:
        view = online_view(told("x", "crashed"))
        assert view.read_only and view.finished and not view.in_cloud and view.summary == {"loss": 0.5}
        assert status_line(view) == "read-only · by ada · lab/vqa · 340 rows · took 1 h 00 min · baseline"
        assert first_view(view) == "charts" and possible_view(view, "result", sweep=False) == "values"
        assert possible_view(a_run(), "values", sweep=True) == "charts"
        assert view.remote["path"] == "lab/vqa/x" and wandb_link(view).url.endswith("/runs/x")


class TestAccounts:
    def test_signed_in_or_the_command_that_does_it(self) -> None:
        fix = {"text": "To log to W&B too, log in:", "command": "wandb login --relogin", "safe": False}
        lines = [
            {"resource": "wandb-account", "state": "checking", "detail": ""},
            {
                "resource": "wandb-account",
                "state": "skipped",
                "detail": "https://api.wandb.ai: no key on this machine",
                "error": {"message": "offline", "fixes": [fix]},
            },
            {"resource": "hub-account", "state": "ok", "detail": "https://huggingface.co: ada, in lab; may write"},
            {"resource": "credentials", "state": "ok", "detail": "ada@x"},
            {"type": "wandb_mode", "mode": "offline", "why": "offline: no key"},
        ]
        wandb, hub = account_lines(lines)
        assert (wandb.title, wandb.command) == ("W&B", "wandb login --relogin") and not wandb.good
        assert wandb.words == "no key on this machine" and wandb.look.word == "not signed in"
        assert wandb.where == "https://api.wandb.ai"
        assert hub.good and hub.words == "ada, in lab; may write" and hub.command == ""
        assert mode_words(lines) == "Runs log offline: no key." and account_lines(lines[:1]) == []

    def test_no_token_and_offline_by_choice(self) -> None:
        token = {
            "resource": "hub-account",
            "state": "skipped",
            "detail": "https://huggingface.co: no token on this machine",
        }
        (hub,) = account_lines([token])
        assert hub.command == "hf auth login" and hub.look.word == "not signed in"
        chosen = "https://api.wandb.ai: WANDB_MODE=offline: runs log to this machine"
        (wandb,) = account_lines([{"resource": "wandb-account", "state": "skipped", "detail": chosen}])
        assert (wandb.look.word, wandb.command) == ("not used", "") and wandb.words.startswith("WANDB_MODE=offline")

    def test_a_key_that_does_not_work_is_said_in_its_own_words(self) -> None:
        error = {
            "message": "the Hub does not take this token",
            "fixes": [{"text": "", "command": "hf auth login --force"}],
        }
        (line,) = account_lines([{"resource": "hub-account", "state": "failed", "detail": "x", "error": error}])
        assert line.look.role == "bad" and line.words.startswith("the Hub does not") and line.command.startswith("hf ")


class TestQueueStage:
    def test_the_phase_is_the_queue_with_its_reason(self) -> None:
        detail = "2nd in the queue vertex-ai-queue: no agent polls the queue"
        waits = PreparationView("working", detail, 0, 0, position=2, todo="arrcoc agent --detach   starts one")
        run = a_run(state="preparing", target="wandb-launch", preparation=waits)
        assert phase_of(run) == "in the queue" and status_line(run).startswith(detail)
        now = [line for line in phase_lines(run) if line.state == "now"]
        assert [(line.name, line.detail) for line in now] == [("in the queue", detail)]
        straight = a_run(state="preparing", target="vertex", preparation=PreparationView("working", "x", 1, 3))
        assert "in the queue" not in [line.name for line in phase_lines(straight)]


QUEUE = {
    "name": "vertex-ai-queue",
    "entity": "sandbox",
    "url": "http://127.0.0.1:1/sandbox/launch",
    "headline": "1 waits, 1 running; no agent polls it",
    "items": [
        {"id": "1", "state": "done", "run": "old", "waits_s": None, "position": 0, "reason": "", "agent": "a"},
        {"id": "2", "state": "running", "run": "k64", "waits_s": None, "position": 0, "reason": "", "agent": "a"},
        {
            "id": "3",
            "state": "waiting",
            "run": "",
            "name": "from the web",
            "waits_s": 75.0,
            "position": 1,
            "reason": "no agent polls the queue",
            "remedy": "arrcoc agent --detach   starts one on this machine",
        },
        {"id": "4", "state": "failed", "run": "bad", "waits_s": None, "position": 0, "reason": "no such experiment"},
    ],
    "agents": [
        {"id": "a", "name": "arrcoc", "host": "desk", "state": "busy", "heard_s": 4.0, "slots": 2, "busy": ["k64"]},
        {"id": "b", "name": "old", "host": "gone", "state": "gone", "heard_s": 900.0, "slots": None, "busy": []},
    ],
}


class TestQueue:
    def test_rows_say_state_wait_and_reason_and_grow_older(self) -> None:
        rows = QueueRows(QUEUE)
        texts = [tuple(cell.text for cell in row.cells) for row in rows.item_rows(age_s=60)]
        assert texts[2] == ("1.", "waiting", "from the web", "2 min", "", "no agent polls the queue")
        assert texts[3][1::4] == ("failed", "no such experiment")
        agents = [tuple(cell.text for cell in row.cells) for row in rows.agent_rows(age_s=1)]
        assert agents[0] == ("arrcoc", "busy", "desk", "5 s ago", "1 of 2", "k64")
        assert agents[1][1:5] == ("gone", "gone", "15 min ago", "")
        assert rows.trouble is not None and rows.trouble.message == "from the web waits: no agent polls the queue."
        assert rows.trouble.fixes == (Fix("Starts one on this machine:", "arrcoc agent --detach"),)
        assert rows.lively and rows.title == "sandbox/vertex-ai-queue"

    def test_of_what_has_ended_the_newest_are_shown(self) -> None:
        items = [{"id": f"{n}", "state": "done", "run": f"r{n}", "waits_s": None} for n in range(20)]
        rows = QueueRows({**QUEUE, "items": items, "agents": []})
        assert [row.key for row in rows.item_rows()] == [f"{n}" for n in range(12, 20)] and rows.older == 12
        assert not rows.lively

    def test_an_agent_that_ended_at_once_has_said_why(self) -> None:
        log = "2026-11-28T16:25:28.221Z gs://x is not there: runs could not be taken.\n  → arrcoc setup   makes it\n"
        trouble = ended_at_once(f"2026-11-28T16:25:27.000Z begins\n{log}")
        assert trouble.message.endswith("started: gs://x is not there: runs could not be taken.")
        assert trouble.fixes[0].command == "arrcoc setup" and "wrote nothing" in ended_at_once("").message

    def test_a_removal_says_what_goes_on(self) -> None:
        rows = QueueRows(QUEUE)
        assert "nothing of it runs" in removal_question(rows.item("3"), rows.title)[1]  # type: ignore[arg-type]
        title, text = removal_question(rows.item("2"), rows.title)  # type: ignore[arg-type]
        assert "k64" in title and "goes on" in text


class TestConsole:
    def write(self, directory: Path, pieces: list[tuple[str, str]], *, epoch: str = "e") -> None:
        folder = directory / DIRECTORY
        folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(
            json.dumps({"time": 100.0 + n, "stream": stream, "text": text}) + "\n"
            for n, (stream, text) in enumerate(pieces)
        )
        (folder / "console.jsonl").write_text(lines)
        state = index.Index(epoch=epoch)
        state.bytes_of["console.jsonl"] = len(lines.encode())
        index.save(folder, state)

    def test_pieces_become_lines_piece_by_piece(self, tmp_path: Path) -> None:
        pieces = [("stdout", "step 1\nstep"), ("stderr", "oops\n"), ("stdout", " 2\n"), ("stdout", "10%\r20%")]
        document = ConsoleDocument(tmp_path)
        assert not document.advance() and len(document) == 0
        self.write(tmp_path, pieces[:1])
        assert document.advance() and [line.text for line in document.lines(0, 9)] == ["step 1", "step"]
        self.write(tmp_path, pieces)
        assert document.advance(limit=60) and not document.complete()
        while not document.complete():
            document.advance(limit=60)
        assert [line.text for line in document.lines(0, 9)] == ["step 1", "oops", "step 2", "20%"]
        assert document.find("STEP") == [0, 2] and document.line_at(101.5) == 2 and document.line_at(0) == 0
        assert not document.advance()
        # Begun anew: the cache was thrown away.
        self.write(tmp_path, [("stdout", "again\n")], epoch="f")
        assert document.advance() and [line.text for line in document.lines(0, 9)] == ["again"]

    def test_a_progress_bar_of_a_day_holds_one_line(self, tmp_path: Path) -> None:
        self.write(tmp_path, [("stdout", f"\r{n}%") for n in range(5000)])
        document = ConsoleDocument(tmp_path)
        document.advance()
        assert [line.text for line in document.lines(0, 9)] == ["4999%"]
        assert max(len(text) for _, text in document._open.values()) < 10


class TestValues:
    def test_nested_values_by_path_and_none_of_wandb_s_own(self) -> None:
        values = {"tokens": {"keep": 64}, "_wandb": {"x": 1}, "empty": {}, "list": [1, 2]}
        assert dict(flat(values)) == {"tokens.keep": 64, "empty": {}, "list": [1, 2]}
        rows = (("tokens.keep", "64"), ("model.base", '"tiny"'))
        assert matching(rows, "tok 64") == (rows[0],) and matching(rows, "") == rows
