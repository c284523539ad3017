"""A launch in the cloud from the list: preflight, the question with the dollars, the run; against the sandbox."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot
from waiting import LONG_MS, experiments

from arrcoc_core import api
from arrcoc_core.sandbox import Sandbox
from arrcoc_gui.experiments.page import ExperimentsPage
from arrcoc_gui.window import MainWindow

Open = Callable[..., MainWindow]
RUN_MS = 180_000
FAR = """
from arrcoc_core import Vertex, sweep
from experiments.quickstart import quickstart

far = quickstart.but(
    name="far",
    data=quickstart.data.but(max_train_samples=480),
    evaluation=quickstart.evaluation.but(samples=16),
    compute=Vertex(gpu="L4", spot=True, regions=("us-central1", "us-west4"), max_cost_usd=5.0),
)
budgets = sweep(far, {"tokens.keep": [2, 4]}, name="budgets")
"""


@pytest.fixture
def ready(project: Path, sandbox: Sandbox, arrcoc: list[str]) -> Iterator[Path]:
    """A project with an experiment for the cloud, set up in the sandbox; nothing of it runs when the test has ended."""
    (project / "experiments" / "far.py").write_text(FAR)
    subprocess.run([*arrcoc, "--json", "setup", "--yes"], cwd=project, check=True, capture_output=True)
    yield project
    left = [run for run in api.runs(root=project) if not run.finished]
    for run in left:
        run.cancel()
    for run in left:
        run.wait(timeout=120)


def select(qtbot: QtBot, window: MainWindow, name: str) -> ExperimentsPage:
    page = experiments(qtbot, window)
    qtbot.waitUntil(lambda: page.model.index_of(page.model.key_of(name)).isValid(), timeout=LONG_MS)
    window.state.show_experiment(name)
    qtbot.waitUntil(lambda: page.tree.current_row is not None and page.tree.current_row.name == name, timeout=LONG_MS)
    return page


def answer(box: object, words: str) -> None:
    next(button for button in box.buttons() if button.text() == words).click()


def test_without_a_project_it_is_blocked_and_offers_the_rehearsal(
    project: Path, open_window: Open, qtbot: QtBot
) -> None:
    (project / "experiments" / "far.py").write_text(FAR)
    window = open_window(project, start=False)
    window.state.discover()
    page = select(qtbot, window, "far")
    qtbot.waitUntil(lambda: page.detail.rehearse.isVisible(), timeout=LONG_MS)
    assert not page.footer.button.isEnabled() and not page.tree.current_row.in_cloud
    page = select(qtbot, window, "quickstart")
    assert not page.detail.rehearse.isVisible() and page.footer.button.text() == "Launch"


def test_nothing_is_launched_before_the_dollars_are_agreed_to(ready: Path, open_window: Open, qtbot: QtBot) -> None:
    window = open_window(ready, start=False)
    window.state.discover()
    page = select(qtbot, window, "far")
    qtbot.waitUntil(page.footer.button.isEnabled, timeout=LONG_MS)
    pane, row = page.detail.cloud, page.tree.current_row
    assert row.in_cloud and page.footer.button.text() == "Launch…"
    assert [cells.cells[1].text for cells in pane.ladder.table.rows][:2] == ["us-central1", "us-west4"]
    assert "cap" in " ".join(words for words, _ in pane.view.notes()).lower()
    assert '"gcloud' not in pane.request.toPlainText() and "machineSpec" in pane.request.toPlainText()

    page.footer.button.click()
    assert page.footer.button.text() == "Checking …" and page.detail.tabs.currentWidget() is page.detail.plan
    qtbot.waitUntil(lambda: page.cloud.box is not None, timeout=LONG_MS)
    rows = pane.preflight.rows
    assert [row.key for row in rows][:3] == ["credentials", "project", "billing"]
    assert not rows.troubles() and {row.state for row in rows} <= {"passed", "unknown"}
    box = page.cloud.box
    assert box.text() == "Launch far in the sandbox?" and "cancelled at $5.00" in box.informativeText()
    assert box.defaultButton().text() == "Not now"
    answer(box, "Not now")
    qtbot.waitUntil(lambda: page.cloud.box is None, timeout=LONG_MS)
    assert api.runs(root=ready) == [] and page.footer.button.isEnabled()

    # The same question from every door: the monitor, the palette and Home launch through the state.
    window.go("home")
    window.state.launch(["budgets"])
    qtbot.waitUntil(lambda: page.cloud.box is not None, timeout=LONG_MS)
    assert window.current == "experiments" and page.cloud.box.text().startswith("Launch 2 runs of budgets")
    answer(page.cloud.box, "Not now")
    assert api.runs(root=ready) == []


def test_what_is_missing_stops_it_with_its_repair(
    project: Path, sandbox: Sandbox, open_window: Open, qtbot: QtBot
) -> None:
    (project / "experiments" / "far.py").write_text(FAR)
    window = open_window(project, start=False)
    window.state.discover()
    page = select(qtbot, window, "far")
    qtbot.waitUntil(page.footer.button.isEnabled, timeout=LONG_MS)
    page.footer.button.click()
    qtbot.waitUntil(lambda: page.footer.button.text() == "Launch…", timeout=LONG_MS)
    rows = page.detail.cloud.preflight.rows
    assert page.cloud.box is None and rows["APIs"].state == "failed"
    fix = next(fix for fix in rows["APIs"].trouble.fixes if fix.runnable)
    line = page.detail.cloud.preflight.lines_by_key["APIs"]
    next(button for button in line.findChildren(QPushButton) if button.text() == "Run…").click()
    assert window.current == "setup" and window.page("setup").box.informativeText() == fix.command
    answer(window.page("setup").box, "Not now")
    assert api.runs(root=project) == []


def test_agreed_it_is_launched_and_watched(ready: Path, open_window: Open, qtbot: QtBot) -> None:
    window = open_window(ready)
    page = select(qtbot, window, "far")
    qtbot.waitUntil(page.footer.button.isEnabled, timeout=LONG_MS)
    page.footer.button.click()
    qtbot.waitUntil(lambda: page.cloud.box is not None, timeout=LONG_MS)
    answer(page.cloud.box, "Launch in the sandbox")
    qtbot.waitUntil(lambda: window.current == "monitor", timeout=LONG_MS)
    monitor = window.page("monitor")
    qtbot.waitUntil(lambda: monitor.run is not None and monitor.run.experiment == "far", timeout=LONG_MS)
    assert monitor.run.sandbox and monitor.run.in_cloud
    assert monitor.panes.header.sandbox.word == "sandbox"
    qtbot.waitUntil(lambda: bool(monitor.run.attempts) or monitor.run.finished, timeout=RUN_MS)
    assert not monitor.run.finished, monitor.run.cause
    monitor.set_mode("attempts")
    view = monitor.panes.attempts
    qtbot.waitUntil(lambda: bool(view.table.table.rows), timeout=LONG_MS)
    assert view.table.table.rows[0].cells[2].text == "us-central1" and "so far" in view.money.text()
    qtbot.waitUntil(view.console.isVisible, timeout=LONG_MS)
    qtbot.waitUntil(lambda: monitor.run.state == "running" or monitor.run.finished, timeout=RUN_MS)
    assert not monitor.run.finished, monitor.run.cause
