"""The real window with real local runs: launch from the list, the curve grows, a picture appears, cancel, reopen.

The runs are the shipped tiny model on the synthetic questions, with few samples, started by the app as a user
would and driven by the real supervisor in processes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from waiting import LONG_MS, experiments

from arrcoc_core import api
from arrcoc_core.lease import driven
from arrcoc_core.settings import state_dir
from arrcoc_core.store import Store
from arrcoc_gui.monitor.page import MonitorPage
from arrcoc_gui.window import MainWindow

RUN_MS = 180_000
"""For a run on a machine that other tests share."""
SMALL = """
from arrcoc_core import sweep
from experiments.quickstart import quickstart

brief = quickstart.but(
    name="brief",
    data=quickstart.data.but(max_train_samples=48),
    train=quickstart.train.but(batch_size=8),
    evaluation=quickstart.evaluation.but(every_n_steps=3, samples=16, pictures=1),
)
long = brief.but(name="long", data=brief.data.but(max_train_samples=8000))
budgets = sweep(brief, {"tokens.keep": [2, 4]}, name="budgets")
"""

Open = Callable[..., MainWindow]


@pytest.fixture
def small(project: Path) -> Iterator[Path]:
    """A project with small experiments; nothing of it runs any more when the test has ended."""
    (project / "experiments" / "small.py").write_text(SMALL)
    yield project
    left = [run for run in api.runs(root=project) if not run.finished]
    for run in left:
        run.cancel()
    for run in left:
        run.wait(timeout=120)
    with Store(state_dir(project) / "store.db") as store:
        while driven(store):
            QApplication.processEvents()


def monitor(window: MainWindow) -> MonitorPage:
    page = window.page("monitor")
    assert isinstance(page, MonitorPage)
    return page


def launch(qtbot: QtBot, window: MainWindow, name: str) -> MonitorPage:
    """Select the experiment in the list and press Enter on Launch, as a user does."""
    page = experiments(qtbot, window)
    qtbot.waitUntil(lambda: page.model.index_of(page.model.key_of(name)).isValid(), timeout=LONG_MS)
    window.state.show_experiment(name)
    qtbot.waitUntil(lambda: page.footer.button.accessibleName() == f"Launch {name}", timeout=LONG_MS)
    qtbot.waitUntil(page.footer.button.isEnabled, timeout=LONG_MS)
    page.footer.button.setFocus()
    qtbot.keyClick(page.footer.button, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.current == "monitor", timeout=LONG_MS)
    return monitor(window)


def test_launch_watch_leave_come_back_and_cancel(small: Path, open_window: Open, qtbot: QtBot) -> None:
    window = open_window(small, "long")
    page = launch(qtbot, window, "long")
    qtbot.waitUntil(lambda: page.run is not None and page.run.experiment == "long", timeout=LONG_MS)
    panes = page.panes
    # The first seconds say what happens in them.
    assert panes.stack.currentWidget() is panes.waiting and panes.waiting.lines
    qtbot.waitUntil(lambda: panes.stack.currentWidget() is panes.charts, timeout=RUN_MS)
    run_id = page.run.id
    accuracy = page.feed.metrics(run_id).series("eval/accuracy")
    qtbot.waitUntil(lambda: len(accuracy) >= 2, timeout=RUN_MS)
    before = len(accuracy)
    qtbot.waitUntil(lambda: len(accuracy) > before, timeout=RUN_MS)
    qtbot.waitUntil(lambda: panes.pictures.view.image is not None, timeout=RUN_MS)
    assert panes.pictures.question.text() and "of 64 tokens" in panes.pictures.kept.text()
    qtbot.waitUntil(lambda: "step" in panes.header.status.whole, timeout=RUN_MS)
    qtbot.waitUntil(lambda: bool(panes.log.last.whole), timeout=RUN_MS)

    # Closing the window leaves the run alive; a new window shows it whole.
    window.close()
    assert not api.get_run(run_id, root=small).finished
    again = open_window(small)
    again.go("monitor")
    page = monitor(again)
    page.show_run(run_id)
    qtbot.waitUntil(lambda: page.panes.charts.has_points(), timeout=RUN_MS)
    seen = page.feed.metrics(run_id).series("eval/accuracy")
    qtbot.waitUntil(lambda: len(seen) > before, timeout=RUN_MS)
    steps = seen.step.tolist()
    assert steps == sorted(set(steps)) and steps[0] == 0

    qtbot.waitUntil(page.panes.header.cancel.isVisible, timeout=LONG_MS)
    qtbot.mouseClick(page.panes.header.cancel, Qt.MouseButton.LeftButton)
    box = page.acts.box
    assert box is not None
    next(button for button in box.buttons() if button.text() == "Cancel this run").click()
    qtbot.waitUntil(lambda: page.run is not None and page.run.state == "cancelled", timeout=RUN_MS)
    assert not page.panes.header.cancel.isVisible() and page.panes.header.again.isVisible()
    qtbot.waitUntil(lambda: page.panes.strip.timeline.spans[-1].kind == "cancelled", timeout=LONG_MS)


@pytest.mark.long
def test_a_sweep_from_the_list_to_its_result(small: Path, open_window: Open, qtbot: QtBot) -> None:
    window = open_window(small, "budgets")
    page = launch(qtbot, window, "budgets")
    qtbot.waitUntil(lambda: bool(page.panes.runs.model.rows), timeout=LONG_MS)
    row = next(row for row in page.panes.runs.model.rows if row.is_sweep)
    assert len(row.children) == 2
    # What was launched as a whole is shown as a whole.
    qtbot.waitUntil(lambda: page.panes.header.name.whole == "budgets", timeout=LONG_MS)
    view = page.panes.sweep
    qtbot.waitUntil(lambda: "2 of 2 runs ended" in page.panes.header.status.whole, timeout=RUN_MS)
    page.set_mode("result")
    qtbot.waitUntil(lambda: "best" in view.sentence.text(), timeout=LONG_MS)
    assert view.model.rowCount() == 2 and view.model.horizontalHeaderItem(0).text() == "tokens.keep"
    assert sum("best" in view.model.item(number, 1).text() for number in range(2)) == 1

    # One of its runs: result, the way to load it, what to try next.
    page.show_run(row.children[0].key)
    result = page.panes.result
    qtbot.waitUntil(lambda: result.facts is not None and result.facts.run_id == row.children[0].key, timeout=LONG_MS)
    assert result.facts.summary.selector_path.exists()
    assert result.lollipop.accessibleDescription().startswith("this selector")
