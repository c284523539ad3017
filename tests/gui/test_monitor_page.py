"""The Monitor page on runs with real data: selection, live growth, one cursor, questions, access."""

from __future__ import annotations

from pathlib import Path

import pytest
from history import add_run, start_logging
from monitoring import DONE, RUNNING, SLOW_MS, Show, centre, wait_for_all_of_running, wait_for_points
from PySide6.QtCore import QProcess, Qt
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QMessageBox,
    QScrollBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from arrcoc_gui.monitor.run_delegate import RunDelegate
from arrcoc_gui.theme import themes


class TestEmpty:
    def test_without_runs_it_says_what_to_do(self, show: Show, project: Path) -> None:
        page = show(project, poll=False)
        assert centre(page) is page.panes.waiting
        assert "Launch an experiment" in page.panes.waiting.accessibleDescription()
        assert "No runs yet" in page.panes.runs.empty.text() and not page.panes.header.isVisible()


class TestLive:
    def test_phases_then_a_growing_curve_and_pictures(self, qtbot: QtBot, show: Show, project: Path) -> None:
        directory = add_run(project, RUNNING, ago_s=1)
        page = show(project)
        assert centre(page) is page.panes.waiting and page.mode == "charts"
        process = start_logging(directory, "--steps", "1000", "--every", "20", "--delay", "0.02")
        try:
            wait_for_points(qtbot, page)
            qtbot.waitUntil(lambda: centre(page) is page.panes.charts)
            accuracy = page.feed.metrics(RUNNING).series("eval/accuracy")
            qtbot.waitUntil(lambda: len(accuracy) > 1, timeout=SLOW_MS)
            before = len(accuracy)
            qtbot.waitUntil(lambda: len(accuracy) > before + 1, timeout=SLOW_MS)
            # The process that reads the files dies: another one takes over.
            page.feed.findChild(QProcess).kill()
            before = len(accuracy)
            qtbot.waitUntil(lambda: len(accuracy) > before + 1, timeout=SLOW_MS)
            qtbot.waitUntil(lambda: page.panes.pictures.view.image is not None, timeout=SLOW_MS)
            assert page.panes.charts.main.keys() == [RUNNING]
            assert "train/loss" in page.panes.charts.panels
            qtbot.waitUntil(lambda: "behind" in page.panes.header.fresh.text(), timeout=SLOW_MS)
            qtbot.waitUntil(lambda: "step" in page.panes.log.last.whole, timeout=SLOW_MS)
            page.app_state.poll()
            qtbot.waitUntil(lambda: "samples/s" in page.panes.header.status.whole, timeout=SLOW_MS)
        finally:
            process.terminate()
            process.communicate()

    def test_a_run_that_ends_shows_its_result_words(self, qtbot: QtBot, show: Show, project: Path) -> None:
        add_run(project, RUNNING, ago_s=1)
        page = show(project)
        from arrcoc_core.records import Event
        from arrcoc_core.store import Store

        with Store(project / ".arrcoc" / "store.db") as store:
            ended = Event(RUNNING, "attempt_ended", 0.0, 1, "out of memory", {"state": "failed"})
            store.append([ended, Event(RUNNING, "ended", 1.0, cause="out of memory", data={"state": "failed"})])
        page.app_state.poll()
        qtbot.waitUntil(lambda: page.mode == "result", timeout=SLOW_MS)
        qtbot.waitUntil(lambda: "out of memory" in page.panes.result.sentence.text(), timeout=SLOW_MS)


class TestCursor:
    def test_moving_it_anywhere_moves_it_everywhere(self, qtbot: QtBot, show: Show, past: Path) -> None:
        page = show(past, RUNNING)
        wait_for_all_of_running(qtbot, page)
        panes = page.panes
        panes.log.set_expanded(True)
        qtbot.waitUntil(lambda: len(panes.log.reader) > 10, timeout=SLOW_MS)
        cursor = page.cursor_moment
        assert cursor.following and not panes.charts.toolbar.follow.isVisible()

        panes.charts.main.clicked.emit(40.0)
        assert cursor.step == 40.0 and panes.charts.main.cursor_x == 40.0
        assert panes.charts.panels["train/loss"].cursor_x == 40.0
        assert panes.pictures.step_label.text() == "step 40"

        def chosen() -> str:
            line = panes.log.reader.line(panes.log.view.current_line)
            return "" if line is None else line.text

        qtbot.waitUntil(lambda: "step 40:" in chosen(), timeout=SLOW_MS)
        assert panes.charts.toolbar.follow.isVisible()

        qtbot.mouseClick(panes.pictures.forward, Qt.MouseButton.LeftButton)
        assert cursor.step == 60.0 and panes.charts.main.cursor_x == 60.0

        time = page.feed.time_map(RUNNING).time_of(20)
        panes.strip.time_wanted.emit(time)
        assert cursor.step == 20.0 and panes.pictures.step_label.text() == "step 20"

        qtbot.mouseClick(panes.charts.toolbar.follow, Qt.MouseButton.LeftButton)
        assert cursor.following and panes.pictures.step_label.text() == "step 100"
        assert panes.charts.main.cursor_x is None

    def test_hovering_shows_a_moment_only_while_it_lasts(self, qtbot: QtBot, show: Show, past: Path) -> None:
        page = show(past, RUNNING)
        wait_for_all_of_running(qtbot, page)
        page.cursor_moment.set_step(60)
        page.panes.charts.panels["eval/loss"].cursor_moved.emit(20.0)
        assert page.panes.pictures.step_label.text() == "step 20" and page.panes.charts.main.cursor_x == 20.0
        page.panes.charts.panels["eval/loss"].cursor_moved.emit(None)
        assert page.panes.pictures.step_label.text() == "step 60"

    def test_by_time_too(self, qtbot: QtBot, show: Show, past: Path) -> None:
        page = show(past, RUNNING)
        wait_for_all_of_running(qtbot, page)
        charts = page.panes.charts
        charts.toolbar.x_axis.setCurrentIndex(charts.toolbar.x_axis.findData("wall"))
        time = page.feed.time_map(RUNNING).time_of(80)
        charts.main.clicked.emit(time)
        assert page.cursor_moment.step == 80 and page.panes.pictures.step_label.text() == "step 80"
        charts.next_x()
        assert charts.toolbar.x_mode == "step"


class TestRunList:
    def test_the_tree_keeps_qt_s_rules_while_it_changes(self, show: Show, past: Path) -> None:
        page = show(past, RUNNING)
        model = page.panes.runs.model
        QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
        page.panes.runs.search.setText("keep")
        assert [row.name for row in model.rows] == ["token_budget"]
        page.panes.runs.search.setText("nothing like it")
        assert not page.panes.runs.tree.isVisible() and "No run matches" in page.panes.runs.empty.text()
        page.panes.runs.search.clear()
        assert len(model.rows) == 4 and page.run.id == RUNNING

    def test_a_click_folds_a_sweep_and_opens_an_eye(self, qtbot: QtBot, show: Show, past: Path) -> None:
        page = show(past, RUNNING)
        tree, model = page.panes.runs.tree, page.panes.runs.model
        sweep = model.index_of("sweep:s1")
        assert tree.isExpanded(sweep)
        area = tree.visualRect(sweep)
        qtbot.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=RunDelegate.fold_box(area).center())
        assert not tree.isExpanded(sweep) and page.run.id == RUNNING
        qtbot.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=RunDelegate.eye_box(area).center())
        assert len(model.shown_runs()) == 4 and page.run.id == RUNNING


class TestActs:
    def test_cancel_asks_and_says_what_remains(self, qtbot: QtBot, show: Show, past: Path) -> None:
        page = show(past, RUNNING)
        qtbot.waitUntil(lambda: bool(page.presenter.details.marks(RUNNING)), timeout=SLOW_MS)
        page.panes.header.cancel.click()
        box = page.acts.box
        assert isinstance(box, QMessageBox) and "stays in the run's folder" in box.informativeText()
        assert box.defaultButton().text() == "Keep running"
        box.defaultButton().click()
        assert page.run.state == "running"

    def test_every_action_is_declared_once_and_runs(self, qtbot: QtBot, show: Show, past: Path) -> None:
        page = show(past, RUNNING)
        wait_for_points(qtbot, page)
        by_id = {action.id: action for action in page.actions()}
        for name in ("log", "x", "logy", "before", "after", "sample", "follow", "reset", "result", "charts"):
            assert by_id[f"monitor.{name}"].enabled()
            by_id[f"monitor.{name}"].run()
        assert by_id["monitor.cancel"].enabled()


class TestLooks:
    def test_every_control_has_a_name(self, show: Show, past: Path) -> None:
        page = show(past, DONE)
        nameless = []
        for widget in page.findChildren(QWidget):
            reachable = widget.focusPolicy() & Qt.FocusPolicy.TabFocus
            if not reachable or isinstance(widget, QScrollBar | QLabel) or widget.objectName().startswith("qt_"):
                continue
            text = widget.text() if isinstance(widget, QAbstractButton) else ""
            if not (widget.accessibleName() or text):
                nameless.append(f"{type(widget).__name__} in {type(widget.parent()).__name__}")
        assert nameless == []
        assert page.findChildren(QComboBox) and page.findChildren(QLineEdit)

    @pytest.mark.parametrize("scale", [1.0, 2.0])
    def test_fits_and_switches_theme_live(
        self, qtbot: QtBot, qapp: QApplication, show: Show, past: Path, scale: float
    ) -> None:
        holder = themes()
        before = (holder.choice, holder.scale)
        holder.install(qapp)
        page = show(past, RUNNING)
        wait_for_points(qtbot, page)
        try:
            holder.set_scale(scale)
            page.resize(round(1200 * scale * 0.8), round(700 * scale * 0.8))
            images = {}
            for choice in ("light", "dark"):
                holder.choose(choice)
                qtbot.wait(50)
                images[choice] = page.grab().toImage()
            light, dark = (images[name].pixelColor(3, 3).lightness() for name in ("light", "dark"))
            assert light > 200 > 60 > dark
            assert page.minimumSizeHint().width() <= 1200 * scale
        finally:
            holder.choose(before[0])
            holder.set_scale(before[1])
