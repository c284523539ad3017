"""The panes of the Monitor on runs with real data: charts, pictures, results."""

from __future__ import annotations

from pathlib import Path

import pytest
from history import SUMMARY, add_run, log_rows
from log_run import by_people
from monitoring import DONE, FAILED, RUNNING, SLOW_MS, Show, centre, wait_for_points
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot
from test_looks import keep


class TestCharts:
    def test_a_panel_for_every_metric_and_references_in_the_large_one(
        self, qtbot: QtBot, show: Show, past: Path
    ) -> None:
        page = show(past, RUNNING)
        wait_for_points(qtbot, page)
        charts = page.panes.charts
        assert list(charts.panels) == [
            "train/loss",
            "eval/loss",
            "train/learning_rate",
            "perf/samples_per_s",
            "perf/step_s",
            "perf/memory_gb",
        ]
        shown = {action.text(): action for action in charts.toolbar.menu.actions()}
        shown["tokens/kept"].trigger()
        shown["perf/step_s"].trigger()
        assert "tokens/kept" in charts.panels and "perf/step_s" not in charts.panels
        assert charts.settings()["metrics"] == {"tokens/kept": True, "perf/step_s": False}

    def test_an_open_eye_keeps_a_run_in_the_charts(self, qtbot: QtBot, show: Show, past: Path) -> None:
        page = show(past, RUNNING)
        wait_for_points(qtbot, page)
        runs = page.panes.runs
        runs.tree.setFocus()
        qtbot.keyClick(runs.tree, Qt.Key.Key_Space)
        page.show_run(DONE)
        page.set_mode("charts")
        qtbot.waitUntil(lambda: set(page.panes.charts.main.keys()) == {RUNNING, DONE}, timeout=SLOW_MS)
        assert page.color_of(RUNNING) != page.color_of(DONE)
        runs.choose(RUNNING)
        qtbot.keyClick(runs.tree, Qt.Key.Key_Space)
        runs.choose(DONE)
        assert page.panes.charts.main.keys() == [DONE]

    def test_settings_and_sizes_are_remembered(self, qtbot: QtBot, show: Show, past: Path) -> None:
        page = show(past, RUNNING)
        page.panes.charts.toolbar.smooth.setValue(60)
        page.panes.charts.next_x()
        page.shutdown()
        saved = page.app_state.prefs.get("monitor.charts")
        assert saved["smoothing"] == 60 and saved["x"] == "relative"
        assert set(page.app_state.prefs.get("monitor.sizes")) == {"runs", "pictures", "log"}


class TestByPeople:
    """A run on a data set where several people answered each question."""

    def test_the_vqa_accuracy_is_the_large_chart_and_the_result(
        self, qtbot: QtBot, show: Show, project: Path, request: pytest.FixtureRequest
    ) -> None:
        summary = by_people(SUMMARY)
        log_rows(add_run(project, DONE, past=(("succeeded", 60),), end="succeeded", summary=summary), "--by-people")
        log_rows(add_run(project, RUNNING, ago_s=10), "--stop-at", "40")
        page = show(project, DONE)
        view = page.panes.result
        qtbot.waitUntil(lambda: view.facts is not None, timeout=SLOW_MS)
        assert view.sentence.text().endswith("(all of them: 99.6 %), by the VQA accuracy.")
        assert view.accuracies.findChild(QLabel, "heading").text() == "VQA accuracy on held-out questions"
        assert "another question" not in view.lollipop.accessibleDescription()
        keep(request, page.grab().toImage(), "vqa-result")
        page.set_mode("charts")
        charts = page.panes.charts
        qtbot.waitUntil(lambda: charts.main.accessibleName() == "eval/vqa_accuracy", timeout=SLOW_MS)
        assert {key: line.value for key, line in charts.main.model.references.items()} == {
            "full": 0.996,
            "uniform": 0.344,
            "random": 0.31,
            "teacher": 0.993,
        }
        assert {"eval/accuracy", "eval/vqa_accuracy/yes_no"} <= set(charts.panels)
        assert not any(name.endswith(("_full", "_random")) for name in charts.panels)
        keep(request, page.grab().toImage(), "vqa-charts")
        # Beside a run that has exact matches only, those are what both have.
        qtbot.keyClick(page.panes.runs.tree, Qt.Key.Key_Space)
        page.show_run(RUNNING)
        qtbot.waitUntil(lambda: charts.main.accessibleName() == "eval/accuracy", timeout=SLOW_MS)
        assert set(charts.main.keys()) == {RUNNING, DONE} and "eval/vqa_accuracy" in charts.panels
        keep(request, page.grab().toImage(), "vqa-beside")


class TestPictures:
    def test_keys_walk_steps_and_samples(self, qtbot: QtBot, show: Show, past: Path) -> None:
        page = show(past, DONE)
        pane = page.panes.pictures
        qtbot.waitUntil(lambda: pane.view.image is not None, timeout=SLOW_MS)
        assert pane.step_label.text() == "step 200" and pane.sample.count() == 4
        assert pane.question.text() == "what colour is the ring?" and "of 64 tokens" in pane.kept.text()
        qtbot.keyClick(pane, Qt.Key.Key_Left)
        assert pane.step_label.text() == "step 180"
        qtbot.keyClick(pane, Qt.Key.Key_Home)
        assert pane.step_label.text() == "step 0" and not pane.back.isEnabled()
        assert "right" in pane.answer.text() or "wrong" in pane.answer.text()
        qtbot.keyClick(pane, Qt.Key.Key_Down)
        assert "digit" in pane.question.text()
        qtbot.keyClick(pane, Qt.Key.Key_End)
        assert page.cursor_moment.following


class TestResults:
    def test_of_a_success(self, qtbot: QtBot, show: Show, past: Path) -> None:
        page = show(past, DONE)
        view = page.panes.result
        qtbot.waitUntil(lambda: view.facts is not None, timeout=SLOW_MS)
        assert centre(page) is view and "98.4 %" in view.sentence.text()
        assert view.lollipop.accessibleDescription().startswith("this selector 98.4 %; all tokens 99.6 %")
        assert "full pass" in view.teacher.text()
        view.copy_code.click()
        assert QGuiApplication.clipboard().text().count("\n") == 2
        view.copy_path.click()
        assert QGuiApplication.clipboard().text().endswith("result/selector.safetensors")
        page.set_mode("charts")
        assert "98.4 %" in page.panes.header.status.whole

    def test_the_next_step_asks_before_it_launches(self, qtbot: QtBot, show: Show, past: Path) -> None:
        page = show(past, DONE)
        qtbot.waitUntil(lambda: page.panes.result.facts is not None, timeout=SLOW_MS)
        started: list[list[str]] = []
        page.acts.ask_launch_again()
        assert page.acts.box.text() == "Launch quickstart again?"
        page.acts.box.defaultButton().click()
        page.app_state.launch_started.connect(started.append)
        page.panes.result.launch.click()
        box = page.acts.box
        assert box is not None and "tokens.keep=2" in box.text() and box.defaultButton().text() == "Not now"
        box.defaultButton().click()
        assert started == []

    def test_of_a_failure_cause_first_then_the_log_s_end(self, qtbot: QtBot, show: Show, past: Path) -> None:
        page = show(past, FAILED)
        view = page.panes.result
        qtbot.waitUntil(lambda: view.facts is not None, timeout=SLOW_MS)
        assert "out of memory" in view.sentence.text()
        assert view.tail.toPlainText().endswith("MemoryError") and view.trouble.isVisible()
        assert not view.loading.isVisible() and not view.accuracies.isVisible()
        view.open_log.click()
        assert page.panes.log.expanded

    def test_of_a_sweep_only_what_was_swept_the_best_marked(self, qtbot: QtBot, show: Show, past: Path) -> None:
        page = show(past, RUNNING)
        page.panes.runs.choose("sweep:s1")
        view = page.panes.sweep
        qtbot.waitUntil(lambda: view.model.rowCount() == 3, timeout=SLOW_MS)
        assert centre(page) is view
        headers = [view.model.horizontalHeaderItem(column).text() for column in range(view.model.columnCount())]
        assert headers == ["tokens.keep", "eval/accuracy", "state"]
        assert [view.model.item(row, 1).text() for row in range(3)] == ["91.0 %", "98.4 %", "98.5 %   best"]
        assert "8 tokens 98.5 %, best" in view.chart.accessibleDescription()
        view.table.selectRow(1)
        view.table.activated.emit(view.model.index(1, 0))
        assert page.run.experiment == "quickstart/keep-4"
