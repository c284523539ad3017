"""The Experiments page in the real window, on real files: reload, keys, errors in place, footer."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from waiting import LONG_MS, cell, experiments

from arrcoc_gui.experiments.rows import KEEPS, NAME, STATUS
from arrcoc_gui.experiments.sheet_view import VALUE

FATAL = QAbstractItemModelTester.FailureReportingMode.Fatal


def test_opens_on_quickstart_with_launch_focused(project: Path, open_window, qtbot: QtBot) -> None:
    window = open_window(project, "quickstart")
    page = experiments(qtbot, window)
    assert window.current == "experiments"
    assert page.tree.current_row.name == "quickstart"
    qtbot.waitUntil(lambda: QApplication.focusWidget() is page.footer.button)
    assert page.footer.button.isEnabled()
    assert page.footer.button.accessibleName() == "Launch quickstart"
    assert "nothing to build" in page.footer.headline.full_text
    # Every widget of the page by keyboard: Tab goes round and comes back.
    seen = set()
    for _ in range(60):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        seen.add(QApplication.focusWidget())
        if QApplication.focusWidget() is page.footer.button:
            break
    assert {page.search, page.tree, page.detail.compare, page.detail.place, page.footer.button} <= seen


def test_saving_a_file_flashes_what_changed_and_keeps_the_place(project: Path, open_window, qtbot: QtBot) -> None:
    many = "".join(
        f'e{i} = quickstart.but(name="other-{i:02d}", train=quickstart.train.but(seed={i}))\n' for i in range(40)
    )
    (project / "experiments" / "others.py").write_text("from experiments.quickstart import quickstart\n" + many)
    window = open_window(project, "quickstart")
    page = experiments(qtbot, window)
    for model in (page.model, page.tree.proxy, page.detail.sheet.sheet):
        QAbstractItemModelTester(model, FATAL)
    sweep = page.tree.proxy.mapFromSource(page.model.index_of(page.model.key_of("token_budget")))
    page.tree.expand(sweep)
    page.tree.select_key(page.model.key_of("token_budget/keep-8"))
    page.tree.verticalScrollBar().setValue(333)
    kept = page.tree.verticalScrollBar().value()
    assert kept > 0
    file = project / "experiments" / "quickstart.py"
    text = file.read_text()
    assert "keep=4" in text
    file.write_text(text.replace("keep=4", "keep=6"))
    qtbot.waitUntil(lambda: cell(page, "quickstart", KEEPS) == "6", timeout=LONG_MS)
    key = page.model.key_of("quickstart")
    assert {NAME, KEEPS} <= page.model.flashing()[key]
    assert page.model.key_of("token_budget/keep-8") not in page.model.flashing()
    assert page.tree.current_row.name == "token_budget/keep-8"
    assert page.tree.verticalScrollBar().value() == kept
    assert page.tree.isExpanded(page.tree.proxy.mapFromSource(page.model.index_of(page.model.key_of("token_budget"))))
    qtbot.waitUntil(lambda: not page.model.flashing(), timeout=LONG_MS)


def test_the_sheet_flashes_and_a_broken_save_shows_its_error_in_place(project: Path, open_window, qtbot: QtBot) -> None:
    window = open_window(project, "quickstart")
    page = experiments(qtbot, window)
    sheet = page.detail.sheet.sheet
    qtbot.waitUntil(lambda: bool(sheet.rows))
    file = project / "experiments" / "quickstart.py"
    text = file.read_text()
    file.write_text(text.replace("keep=4", "keep=5"))
    qtbot.waitUntil(lambda: "tokens.keep" in sheet.flashing, timeout=LONG_MS)
    row = next(i for i, r in enumerate(sheet.rows) if r.path == "tokens.keep")
    assert sheet.index(row, VALUE).data() == "5"
    file.write_text(text.replace("keep=4", "kep=4"))
    qtbot.waitUntil(
        lambda: page.model.key_of("quickstart") != "" and cell(page, "quickstart", STATUS) == "broken", timeout=LONG_MS
    )
    problem = page.detail.problem
    assert page.tree.current_row.kind == "broken"
    assert problem.isVisible()
    assert "kep" in problem.message.text()
    assert problem.where.text().startswith("experiments/quickstart.py:")
    assert not page.footer.button.isEnabled()
    opened: list[tuple[object, int]] = []
    page.state.open_in_editor = lambda file, line=1: opened.append((file, line))  # type: ignore[method-assign]
    page.edit()
    assert opened == [(page.tree.current_row.problem.file, page.tree.current_row.problem.line)]
    file.write_text(text)
    qtbot.waitUntil(lambda: page.footer.button.isEnabled(), timeout=LONG_MS)
    assert not problem.isVisible()


def test_keys_search_and_compare(project: Path, open_window, qtbot: QtBot) -> None:
    window = open_window(project, "quickstart")
    page = experiments(qtbot, window)
    qtbot.keyClick(window, Qt.Key.Key_Slash)
    assert QApplication.focusWidget() is page.search
    qtbot.keyClicks(page.search, "budget")
    assert page.tree.proxy.rowCount() == 1
    assert window.current == "experiments"  # "h" and the like are text here, not keys
    page.search.clear()
    assert page.tree.proxy.rowCount() == len(page.model.rows)
    qtbot.keyClick(window, Qt.Key.Key_L)
    page.search.clearFocus()
    page.tree.setFocus()
    page.tree.select_key(page.model.key_of("token_budget"))
    qtbot.keyClick(page.tree, Qt.Key.Key_Right)
    qtbot.keyClick(page.tree, Qt.Key.Key_Down)
    assert page.tree.current_row.name == "token_budget/keep-2"
    qtbot.keyClick(page.tree, Qt.Key.Key_Up)
    assert page.footer.button.text() == "Launch 4 runs"
    assert page.footer.headline.full_text.startswith("4 runs, one at a time · about")
    page.tree.select_key(page.model.key_of("token_budget/keep-16"))
    page.detail.compare.setCurrentIndex(page.detail.compare.findText("quickstart"))
    assert page.detail.differences.full_text == "1 in bold: different"
    qtbot.keyClick(window, Qt.Key.Key_P)
    assert page.detail.tabs.currentWidget() is page.detail.plan
    qtbot.keyClick(window, Qt.Key.Key_V)
    assert page.detail.tabs.currentWidget() is not page.detail.plan


def test_settings_that_cannot_be_read_show_in_place(project: Path, open_window, qtbot: QtBot) -> None:
    (project / ".training").write_text("LEARNING_RATTE=1\n")
    window = open_window(project, "quickstart")
    page = window.page("experiments")
    qtbot.waitUntil(lambda: page.settings_problem.isVisible(), timeout=LONG_MS)
    assert "LEARNING_RATTE" in page.settings_problem.message.text()
    assert page.settings_problem.where.text().endswith(".training:1")
    (project / ".training").unlink()
    qtbot.waitUntil(lambda: page.tree.isVisible() and bool(page.model.rows), timeout=LONG_MS)
