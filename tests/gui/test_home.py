"""Home in the real window: a newcomer's one button, bands of what runs, last results, what needs the user."""

from __future__ import annotations

from pathlib import Path

from history import SUMMARY, add_run, log_rows
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot
from waiting import LONG_MS

from arrcoc_core.results import NextStep
from arrcoc_gui.home.cards import NextCard, act_of
from arrcoc_gui.home.loading import thinned


def test_a_newcomer_sees_one_button(project: Path, open_window, qtbot: QtBot) -> None:
    window = open_window(project)
    page = window.page("home")
    qtbot.waitUntil(lambda: page.welcome.isVisible() and page.welcome.facts.text() != "", timeout=LONG_MS)
    shown = [button for button in page.findChildren(QPushButton) if button.isVisible()]
    assert shown == [page.welcome.button]
    assert QApplication.focusWidget() is page.welcome.button
    assert "$0" in page.welcome.facts.text()
    launched: list[object] = []
    window.state.launch = lambda names, sets=(): launched.append((names, sets))  # type: ignore[method-assign]
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Space)
    assert launched == [(["quickstart"], ())]


def test_shows_what_runs_what_ended_and_what_needs_the_user(project: Path, open_window, qtbot: QtBot) -> None:
    (project / "experiments" / "wrong.py").write_text("from arrcoc_core import Experimnt\n")
    older = {**SUMMARY, "eval/accuracy": 0.9}
    add_run(
        project,
        "quickstart-20261122t100000-aaaa",
        end="succeeded",
        past=(("succeeded", 60),),
        summary=older,
        ago_s=9000,
    )
    add_run(
        project,
        "quickstart-20261122t110000-bbbb",
        end="succeeded",
        past=(("succeeded", 60),),
        summary=SUMMARY,
        ago_s=5000,
    )
    add_run(
        project,
        "default-20261122t120000-cccc",
        experiment="default",
        end="failed",
        past=(("failed", 3),),
        cause="out of memory",
        ago_s=900,
    )
    live = add_run(project, "quickstart-20261122t130000-dddd", ago_s=30)
    log_rows(live, "--steps", "60", "--stop-at", "50")
    window = open_window(project, start=False)
    window.state.discover()
    window.state.poll()  # without reconcile: nobody drives these runs
    page = window.page("home")
    qtbot.waitUntil(lambda: len(page.bands) == 1 and page.needs.isVisible(), timeout=LONG_MS)
    band = page.bands["quickstart-20261122t130000-dddd"]
    assert band.badge.word == "running"
    assert band.progress.accessibleName().startswith("Progress")
    sentences = page.results.findChildren(QPushButton)
    assert [button.objectName() for button in sentences] == [
        "default-20261122t120000-cccc",
        "quickstart-20261122t110000-bbbb",
        "quickstart-20261122t100000-aaaa",
    ]
    texts = " ".join(label.text() for label in page.results.findChildren(type(page.quiet)))
    assert "+8.4 points on the run before" in texts
    assert "out of memory" in texts
    qtbot.waitUntil(lambda: window.state.discovery is not None, timeout=LONG_MS)
    qtbot.waitUntil(lambda: len(page.needs.findChildren(QPushButton)) == 2, timeout=LONG_MS)
    needs = " ".join(label.text() for label in page.needs.findChildren(type(page.quiet)))
    assert "experiments/wrong.py:1" in needs
    assert page.next.isVisible()
    assert not page.welcome.isVisible()
    # The child that reads the metrics brings the line and the picture.
    page.refresh()
    qtbot.waitUntil(lambda: len(band.spark.values) > 1 and not band.picture.image.isNull(), timeout=LONG_MS)
    assert band.metric_name.full_text == "eval/accuracy"
    opened: list[str] = []
    window.state.run_opened.disconnect()
    window.state.run_opened.connect(opened.append)
    sentences[1].click()
    band.watch.click()
    assert opened == ["quickstart-20261122t110000-bbbb", "quickstart-20261122t130000-dddd"]


def test_the_button_of_a_step_does_what_it_says(qtbot: QtBot) -> None:
    launch = NextStep(
        "Try half as many.", "arrcoc launch quickstart --set tokens.keep=2", "quickstart", ("tokens.keep=2",)
    )
    watch = NextStep("Watch it.", "arrcoc monitor some-run", "quickstart")
    new = NextStep("Try harder data.", "arrcoc new harder --from quickstart")
    assert [act_of(step) for step in (launch, watch, new)] == ["launch", "open", "copy"]
    card = NextCard()
    qtbot.addWidget(card)
    with qtbot.waitSignal(card.launch) as launched:
        card.show_step(launch)
        card.button.click()
    assert launched.args == ["quickstart", ("tokens.keep=2",)]
    with qtbot.waitSignal(card.opened) as opened:
        card.show_step(watch)
        card.button.click()
    assert opened.args == ["some-run"]
    card.show_step(new)
    card.button.click()
    assert QApplication.clipboard().text() == "arrcoc new harder --from quickstart"


def test_a_line_keeps_its_ends() -> None:
    assert thinned([1, 2, 3], 5) == (1, 2, 3)
    many = thinned(list(range(1000)), 120)
    assert len(many) == 120
    assert (many[0], many[-1]) == (0, 999)
