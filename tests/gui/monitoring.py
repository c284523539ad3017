"""What the monitor's tests share: the page on a project with runs of every kind, and waiting for what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from history import SUMMARY, add_run, log_rows
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from arrcoc_gui.cloud_task import end_cloud_tasks
from arrcoc_gui.monitor.page import MonitorPage
from arrcoc_gui.prefs import Prefs
from arrcoc_gui.state import AppState

DONE = "quickstart-20261122t151000-dddd"
FAILED = "quickstart-20261122t141000-bbbb"
RUNNING = "quickstart-20261122t152000-ffff"
SLOW_MS = 30_000
"""For what a busy machine may take its time with: a child process that starts, files that are read."""

Show = Callable[..., MonitorPage]


@pytest.fixture(scope="session")
def past(make_project: Callable[[], Path]) -> Path:
    """A project with runs of every kind; the tests only read it."""
    root = make_project()
    directory = add_run(root, FAILED, past=(("failed", 3),), end="failed", cause="out of memory", ago_s=3000)
    (directory / "logs" / "attempt-1.log").write_text("step 0\nTraceback (most recent call last):\nMemoryError\n")
    for keep, accuracy in ((2, 0.91), (4, 0.984), (8, 0.985)):
        add_run(
            root,
            f"quickstart-keep-{keep}-20261122t150000-c00{keep}",
            experiment=f"quickstart/keep-{keep}",
            past=(("succeeded", 60),),
            end="succeeded",
            summary=SUMMARY | {"eval/accuracy": accuracy, "tokens/kept": float(keep)},
            sweep=("s1", "token_budget"),
            ago_s=1200 - keep,
            sets={"tokens.keep": keep},
        )
    done = add_run(root, DONE, past=(("succeeded", 60),), end="succeeded", summary=SUMMARY, ago_s=600)
    log_rows(done)
    running = add_run(root, RUNNING, past=(("preempted", 3), ("running", 0)), ago_s=10)
    log_rows(running, "--stop-at", "70", "--nan-at", "33")
    log_rows(running, "--first-step", "61", "--stop-at", "110", "--attempt", "2")
    return root


@pytest.fixture
def show(qtbot: QtBot, tmp_path: Path) -> Iterator[Show]:
    """Opens the page on a project; its state is polled once, and nothing drives the runs."""
    pages: list[MonitorPage] = []

    def open_page(root: Path, run_id: str = "", *, poll: bool = True) -> MonitorPage:
        state = AppState(root, Prefs(tmp_path / "app.json"))
        page = MonitorPage(state)
        page.app_state = state  # type: ignore[attr-defined]
        state.setParent(page)
        qtbot.addWidget(page)
        page.resize(1200, 700)
        page.show()
        if run_id:
            page.show_run(run_id)
        if poll:
            state.poll()
            qtbot.waitUntil(lambda: page.run is not None, timeout=SLOW_MS)
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.shutdown()
    end_cloud_tasks()  # as the window does


def centre(page: MonitorPage) -> QWidget:
    return page.panes.stack.currentWidget()


def wait_for_points(qtbot: QtBot, page: MonitorPage) -> None:
    qtbot.waitUntil(page.panes.charts.has_points, timeout=SLOW_MS)


def wait_for_all_of_running(qtbot: QtBot, page: MonitorPage) -> None:
    """Its last evaluation, at step 100: rows and pictures come in more than one piece on a busy machine."""
    wait_for_points(qtbot, page)
    qtbot.waitUntil(lambda: page.panes.pictures.step_label.text() == "step 100", timeout=SLOW_MS)
