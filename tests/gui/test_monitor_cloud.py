"""Runs in the cloud on the Monitor page: attempts with place and price, the image while it is built, what is wrong."""

from __future__ import annotations

import time
from pathlib import Path

from history import CloudAttempt, add_cloud_run
from monitoring import SLOW_MS, Show, centre
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from arrcoc_gui.monitor.run_words import cancel_question, phase_lines, status_line

RUN = "far-20261122t130000-aaaa"
STOCKOUT = "Resources are insufficient in region: us-central1. Please try a different region"


def test_attempts_with_where_how_long_and_for_how_much(qtbot: QtBot, show: Show, project: Path) -> None:
    attempts = [
        CloudAttempt("preempted", 900, cause="preempted after step 40"),
        CloudAttempt("failed", 30, cause=STOCKOUT),
        CloudAttempt("running", 300, region="us-west4", how="flex", usd_per_h=0.68),
    ]
    add_cloud_run(project, RUN, attempts=attempts, ago_s=1700)
    page = show(project, RUN)
    page.set_mode("attempts")
    view, header = page.panes.attempts, page.panes.header
    assert centre(page) is view and header.attempts.isChecked() and not page.panes.picture_card.isVisible()
    rows = [tuple(cell.text for cell in row.cells) for row in view.table.table.rows]
    assert [row[:5] for row in rows] == [
        ("1.", "preempted", "us-central1", "g2-standard-8", "spot"),
        ("2.", "failed", "us-central1", "g2-standard-8", "spot"),
        ("3.", "running", "us-west4", "g2-standard-8", "flex start"),
    ]
    assert rows[0][6:] == ("15 min", "$0.41", "$0.10", "preempted after step 40")
    assert rows[1][9] == STOCKOUT
    assert "so far" in view.money.text() and "cap $5.00" in view.money.text()
    assert header.sandbox.word == "sandbox" and "so far" in header.status.whole
    assert "in the sandbox" in page.panes.runs.model.data(page.panes.runs.model.index_of(RUN), 11)
    # The console page is that of the chosen attempt, else of the newest.
    assert view.console.isVisible() and view.console.toolTip().endswith("/3")
    view.table.selectRow(0)
    assert view.console.toolTip().endswith("/1")
    question = cancel_question(page.run, (), [page.run])
    assert "machine given back" in question.text and "so far" in question.text


def test_while_the_image_is_built_its_log_shows(qtbot: QtBot, show: Show, project: Path) -> None:
    told = {"state": "working", "detail": "building: step 2 of 3", "step": 2, "of_steps": 3}
    directory = add_cloud_run(project, RUN, preparation=told)
    (directory / "logs" / "build.log").write_text("Step #1: FROM python\nStep #2: RUN pip install\n")
    page = show(project, RUN)
    assert page.run.state == "preparing" and centre(page) is page.panes.waiting
    now = [line for line in phase_lines(page.run) if line.state == "now"]
    assert [(line.name, line.detail) for line in now] == [("preparing", "building: step 2 of 3")]
    assert "building: step 2 of 3" in page.panes.header.status.whole
    qtbot.waitUntil(lambda: "pip install" in page.panes.log.last.whole, timeout=SLOW_MS)
    heading = page.panes.log.reader._document.lines(0, 1)[0]
    assert heading.heading and heading.text == "building the image"
    page.set_mode("attempts")
    view = page.panes.attempts
    assert view.image.isVisible() and view.image_progress.accessibleName() == "Progress 67%"
    assert view.none.isVisible() and not view.table.isVisible() and not view.console.isVisible()
    view.image_log.click()
    assert page.panes.log.expanded


def test_waiting_for_a_machine_says_where_and_what_comes_next(qtbot: QtBot, show: Show, project: Path) -> None:
    add_cloud_run(project, RUN, attempts=[CloudAttempt("starting")])
    page = show(project, RUN)
    where = "spot g2-standard-8 in us-central1, up to 30 min, then 2 more places"
    assert where in status_line(page.run)
    page.set_mode("attempts")
    assert page.panes.attempts.where.text() == f"Waits for a machine: {where}"


def test_what_cannot_be_seen_and_what_failed_say_what_to_do(qtbot: QtBot, show: Show, project: Path) -> None:
    gone = "Google Cloud cannot be reached"
    add_cloud_run(project, RUN, attempts=[CloudAttempt("running")], out_of_sight=gone, sandbox=False)
    failed = RUN.replace("aaaa", "bbbb")
    add_cloud_run(
        project,
        failed,
        attempts=[CloudAttempt("failed", 5, cause="Quota")],
        end="failed",
        cause="Quota: 0 granted",
        remedy="arrcoc infra --request L4=1@us-central1   asks Google for it\nOr take another region.",
        sandbox=False,
    )
    page = show(project, RUN)
    page.set_mode("attempts")
    trouble = page.panes.attempts.trouble
    assert gone in trouble.trouble.message and "goes on" in trouble.trouble.cause
    assert page.panes.header.sandbox.word == "" and gone in page.panes.header.status.whole
    page.show_run(failed)
    page.set_mode("attempts")
    assert trouble.trouble.message == "Quota: 0 granted"
    assert [fix.runnable for fix in trouble.trouble.fixes] == [True, False]
    wanted: list[object] = []
    page.app_state.fix_wanted.connect(wanted.append)
    next(button for button in trouble.findChildren(QPushButton) if button.text() == "Run…").click()
    assert wanted == [trouble.trouble.fixes[0]]


def test_a_run_on_this_machine_costs_nothing_and_keeps_its_words(qtbot: QtBot, show: Show, past: Path) -> None:
    page = show(past)
    page.set_mode("attempts")
    view = page.panes.attempts
    assert "costs nothing" in view.money.text() and not view.image.isVisible() and not view.console.isVisible()
    assert {row.cells[2].text for row in view.table.table.rows} == {"here"}
    assert "so far" not in status_line(page.run)


def test_in_a_launch_queue_it_says_where_it_stands_and_what_helps(qtbot: QtBot, show: Show, project: Path) -> None:
    detail = "2nd in the queue vertex-ai-queue: no agent polls the queue"
    told = {"state": "working", "detail": detail, "built": True, "position": 2, "queued_at": time.time() - 300}
    todo = "arrcoc agent --detach   starts one on this machine"
    add_cloud_run(project, RUN, target="wandb-launch", preparation={**told, "why": "no agent", "todo": todo})
    page = show(project, RUN)
    assert page.run.state == "preparing" and page.panes.header.status.whole.startswith(detail)
    now = [line for line in phase_lines(page.run) if line.state == "now"]
    assert [(line.name, line.detail) for line in now] == [("in the queue", detail)]
    page.set_mode("attempts")
    view = page.panes.attempts
    assert view.image.isVisible() and view.image.heading.text() == "Launch queue"
    assert view.image_words.text() == detail and not view.image_progress.isVisible()
    assert [fix.command for fix in view.trouble.trouble.fixes] == ["arrcoc agent --detach"]
    assert (
        "in the Launch queue" in page.panes.strip.toolTip()
        or "in the Launch queue" in page.panes.strip.accessibleDescription()
    )
