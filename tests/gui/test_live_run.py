"""The whole way in the real app with real training: launch from the list, watch, cancel, reopen; a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from waiting import experiments

from arrcoc_gui.experiments.rows import STATUS
from arrcoc_gui.window import MainWindow

SMALL = """from arrcoc_core import Experiment, sweep
from experiments.quickstart import quickstart

small = quickstart.but(
    name="small",
    data=quickstart.data.but(max_train_samples=19200),
    train=quickstart.train.but(batch_size=8),
    evaluation=quickstart.evaluation.but(every_n_steps=10, samples=16, pictures=2),
)
two = sweep(small.but(data=small.data.but(max_train_samples=16)), {"tokens.keep": [4, 8]}, name="two")
"""
LAUNCH_MS, RUN_MS = 60_000, 200_000


@pytest.fixture
def small(project: Path) -> Path:
    (project / "experiments" / "small.py").write_text(SMALL)
    return project


def launch(window: MainWindow, name: str, qtbot: QtBot) -> str:
    """Press Enter on the Launch button; gives the id of the run the monitor opened."""
    page = experiments(qtbot, window)
    window.go("experiments")
    page.tree.select_key(page.model.key_of(name))
    qtbot.waitUntil(lambda: page.footer.button.isEnabled(), timeout=LAUNCH_MS)
    page.footer.button.setFocus()
    opened: list[str] = []
    window.state.run_opened.connect(opened.append)
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(opened), timeout=LAUNCH_MS)
    assert window.current == "monitor"
    return opened[0]


def ended(window: MainWindow) -> bool:
    return bool(window.state.runs) and all(run.finished for run in window.state.runs)


@pytest.mark.long
def test_launch_watch_cancel_reopen(small: Path, open_window, qtbot: QtBot) -> None:
    window = open_window(small, "small")
    run_id = launch(window, "small", qtbot)
    monitor = window.page("monitor")

    def points() -> int:
        metrics = monitor.feed.metrics(run_id)
        return 0 if metrics is None else len(metrics.series("train/loss"))

    qtbot.waitUntil(lambda: points() > 2, timeout=RUN_MS)
    before = points()
    qtbot.waitUntil(lambda: points() > before, timeout=RUN_MS)
    qtbot.waitUntil(lambda: len(monitor.feed.metrics(run_id).media()) > 0, timeout=RUN_MS)
    window.go("home")
    home = window.page("home")
    qtbot.waitUntil(lambda: run_id in home.bands and not home.bands[run_id].picture.image.isNull(), timeout=RUN_MS)
    window.state.cancel(run_id)
    qtbot.waitUntil(lambda: ended(window), timeout=RUN_MS)
    assert window.state.find_run(run_id).state == "cancelled"
    window.close()
    again = open_window(small, "small")
    qtbot.waitUntil(lambda: again.state.runs_loaded, timeout=LAUNCH_MS)
    assert again.state.find_run(run_id).state == "cancelled"
    again.go("monitor")
    again.page("monitor").show_run(run_id)
    feed = again.page("monitor").feed
    qtbot.waitUntil(
        lambda: feed.metrics(run_id) is not None and len(feed.metrics(run_id).series("train/loss")) >= before,
        timeout=LAUNCH_MS,
    )


@pytest.mark.long
def test_a_sweep_goes_on_when_the_window_closes(small: Path, open_window, qtbot: QtBot) -> None:
    window = open_window(small, "two")
    page = experiments(qtbot, window)
    assert page.footer.headline.full_text.startswith("2 runs, one at a time")
    launch(window, "two", qtbot)
    qtbot.waitUntil(lambda: len(window.state.runs) == 2, timeout=LAUNCH_MS)
    window.close()
    again = open_window(small, "two")
    qtbot.waitUntil(lambda: ended(again), timeout=RUN_MS)
    assert [run.state for run in again.state.runs] == ["succeeded", "succeeded"]
    page = experiments(qtbot, again)
    qtbot.waitUntil(
        lambda: page.model.index_of(page.model.key_of("two")).siblingAtColumn(STATUS).data() == "ran", timeout=LAUNCH_MS
    )
