"""The window: keys, palette, help, accessible names, banners, what it remembers, and how it closes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from history import add_run
from PySide6.QtCore import Qt, SignalInstance
from PySide6.QtGui import QAccessible, QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QAbstractScrollArea, QApplication, QComboBox, QLabel, QWidget
from pytestqt.exceptions import capture_exceptions
from pytestqt.qtbot import QtBot
from waiting import LONG_MS, experiments

from arrcoc_core.errors import StoreError
from arrcoc_gui.actions import key_text
from arrcoc_gui.errors import ErrorDialog, ExceptHook, app_log
from arrcoc_gui.farewell import Farewell
from arrcoc_gui.help_sheet import HelpSheet
from arrcoc_gui.palette import CommandPalette
from arrcoc_gui.prefs import Prefs
from arrcoc_gui.theme import themes
from arrcoc_gui.widgets.banner import MOST


def test_keys_go_to_the_pages(project: Path, open_window, qtbot: QtBot) -> None:
    window = open_window(project)
    keys = {"2": "experiments", "1": "monitor", "3": "setup", "4": "teardown", "5": "infra", "H": "home"}
    for key, page in ((getattr(Qt.Key, f"Key_{name}"), page) for name, page in keys.items()):
        qtbot.keyClick(window, key)
        assert window.current == page
        assert window.rail.buttons[page].isChecked()
        assert window.stack.currentWidget() is window.page(page)
    # Up and down on the rail as well.
    window.rail.buttons["home"].setFocus()
    qtbot.keyClick(window.rail.buttons["home"], Qt.Key.Key_Down)
    assert QApplication.focusWidget() is window.rail.buttons["experiments"]


def test_keys_work_at_once_on_the_page_of_last_time(project: Path, open_window, qtbot: QtBot) -> None:
    window = open_window(project, page="monitor")
    qtbot.waitUntil(lambda: window.current == "monitor", timeout=LONG_MS)
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_2)
    assert window.current == "experiments"


def test_help_lists_every_action_and_its_keys(project: Path, open_window, qtbot: QtBot) -> None:
    window = open_window(project)
    qtbot.keyClick(window, Qt.Key.Key_Question)
    sheet = next(child for child in window.children() if isinstance(child, HelpSheet))
    texts = {label.text() for label in sheet.findChildren(QLabel)}
    assert {action.scope for action in window.table} == {"window", *window.pages}
    for action in window.table:
        assert action.title in texts
        assert not action.keys or "   ".join(map(key_text, action.keys)) in texts
    in_menus = {
        action.text().replace("&&", "&") for menu in window.menuBar().actions() for action in menu.menu().actions()
    }
    assert {action.title for action in window.table if action.menu} == in_menus
    qtbot.keyClick(sheet, Qt.Key.Key_Escape)
    assert not sheet.isVisible()


def test_palette_finds_actions_experiments_and_runs(project: Path, open_window, qtbot: QtBot) -> None:
    add_run(project, "quickstart-20261122t110000-bbbb", end="succeeded", past=(("succeeded", 60),))
    window = open_window(project, start=False)
    window.state.discover()
    window.state.poll()
    qtbot.waitUntil(lambda: window.state.discovery is not None and window.state.runs_loaded, timeout=LONG_MS)
    qtbot.keyClick(window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    palette = next(child for child in window.children() if isinstance(child, CommandPalette))
    titles = {entry.title for entry, _ in palette.model.rows}
    assert {"Home", "Show experiment token_budget", "Launch quickstart", "Infra: resources, quota, cost"} <= titles
    assert "Sandbox: rehearse without the cloud, W&B and the Hub" in titles
    assert "Open run quickstart-20261122t110000-bbbb" in titles
    qtbot.keyClicks(palette.line, "show expe")
    assert palette.model.rows[0][0].title.startswith("Show experiment")
    palette.line.setText("show default")
    qtbot.keyClick(palette.line, Qt.Key.Key_Return)
    page = experiments(qtbot, window)
    assert window.current == "experiments"
    qtbot.waitUntil(lambda: page.tree.current_row is not None and page.tree.current_row.name == "default")
    window.open_palette()
    palette = [child for child in window.children() if isinstance(child, CommandPalette) and child.isVisible()][-1]
    palette.line.setText("zzz")
    assert palette.none.isVisible()
    qtbot.keyClick(palette.line, Qt.Key.Key_Escape)


def test_everything_that_takes_focus_has_a_name(project: Path, open_window, qtbot: QtBot) -> None:
    window = open_window(project, "quickstart")
    experiments(qtbot, window)
    window.build_all()
    nameless = []
    for widget in window.findChildren(QWidget):
        inner = isinstance(widget.parent(), QAbstractScrollArea | QComboBox) or widget.objectName().startswith("qt_")
        empty = isinstance(widget, QLabel) and not widget.text()
        if widget.focusPolicy() == Qt.FocusPolicy.NoFocus or inner or empty:
            continue
        if not QAccessible.queryAccessibleInterface(widget).text(QAccessible.Text.Name):
            nameless.append(f"{type(widget).__name__} in {type(widget.parent()).__name__}")
    assert nameless == []


def test_no_attribute_hides_a_method_of_qt(project: Path, open_window, qtbot: QtBot) -> None:
    # `self.metric = QLabel()` would be called by Qt as QPaintDevice.metric().
    window = open_window(project)
    window.build_all()
    for widget in [window, *window.findChildren(QWidget)]:
        base = next(cls for cls in type(widget).__mro__ if cls.__module__.startswith("PySide6"))
        hidden = {
            name for name, held in vars(widget).items() if hasattr(base, name) and not isinstance(held, SignalInstance)
        }
        assert hidden == set(), type(widget)


def test_banners_copy_dismiss_and_do_not_pile_up(project: Path, open_window, qtbot: QtBot) -> None:
    window = open_window(project, start=False)
    window.state.report(StoreError("The store cannot be read.", remedy="Move it away."))
    window.state.report(StoreError("The store cannot be read.", remedy="Move it away."))
    (banner,) = window.banners.banners
    assert (banner.message, banner.remedy) == ("The store cannot be read.", "Move it away.")
    copy = next(b for b in banner.findChildren(QAbstractButton) if b.text() == "Copy")
    copy.click()
    assert QGuiApplication.clipboard().text() == "The store cannot be read.\nMove it away."
    for number in range(5):
        window.banners.show_problem(f"Problem {number}")
    assert [b.message for b in window.banners.banners][-1] == "Problem 4"
    assert len(window.banners.banners) == MOST
    for banner in window.banners.banners:
        banner.dismiss.click()
    assert not window.banners.isVisible()


def test_a_failure_in_the_background_is_a_banner_and_in_the_log(
    project: Path, open_window, qtbot: QtBot, monkeypatch
) -> None:
    from arrcoc_gui.background import run_in_background

    monkeypatch.setattr(app_log, "path", project / ".arrcoc" / "app.log")
    window = open_window(project, start=False)

    def fail() -> None:
        raise RuntimeError("something unforeseen")

    run_in_background(fail)
    qtbot.waitUntil(lambda: bool(window.banners.banners))
    assert "something unforeseen" in window.banners.banners[0].message
    assert "app.log" in window.banners.banners[0].remedy
    assert "in fail" in app_log.path.read_text()


def test_what_escapes_opens_a_dialog_that_can_be_copied(qtbot: QtBot, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(app_log, "path", tmp_path / "app.log")
    hook = ExceptHook()
    try:
        raise KeyError("nobody caught this")
    except KeyError:
        hook.handle(*sys.exc_info())
    qtbot.waitUntil(lambda: hook.dialog is not None)
    dialog = hook.dialog
    assert isinstance(dialog, ErrorDialog)
    assert not dialog.isModal()
    assert "nobody caught this" in dialog.text
    next(b for b in dialog.findChildren(QAbstractButton) if b.text() == "Copy").click()
    assert QGuiApplication.clipboard().text() == dialog.text
    assert "Traceback" in (tmp_path / "app.log").read_text()
    dialog.close()
    qtbot.waitUntil(lambda: hook.dialog is None)


def test_the_hook_catches_what_a_slot_raises(qtbot: QtBot) -> None:
    from PySide6.QtCore import QTimer

    with capture_exceptions() as caught:
        QTimer.singleShot(0, lambda: 1 / 0)
        qtbot.wait(50)
    assert [kind for kind, *_ in caught] == [ZeroDivisionError]


def test_remembers_page_size_selection_theme(project: Path, open_window, qtbot: QtBot) -> None:
    window = open_window(project)
    page = experiments(qtbot, window)
    window.go("experiments")
    page.tree.select_key(page.model.key_of("default"))
    window.resize(790, 650)
    themes().choose("dark")
    themes().set_scale(1.25)
    window.close()
    stored = json.loads((project / ".arrcoc" / "app.json").read_text())
    assert (stored["page"], stored["selection"], stored["theme"], stored["scale"]) == (
        "experiments",
        "default",
        "dark",
        1.25,
    )
    from arrcoc_gui.app import make_window

    again = make_window(project, Prefs(project / ".arrcoc" / "app.json"))
    qtbot.addWidget(again)
    assert (again.current, again.state.selection) == ("experiments", "default")
    assert (again.width(), again.height()) == (790, 650)
    again.close()


def test_damaged_memory_is_said_and_started_anew(project: Path, qtbot: QtBot) -> None:
    from arrcoc_gui.app import make_window

    (project / ".arrcoc").mkdir(exist_ok=True)
    (project / ".arrcoc" / "app.json").write_text("{")
    prefs = Prefs(project / ".arrcoc" / "app.json")
    window = make_window(project, prefs)
    qtbot.addWidget(window)
    assert "app.json" in window.banners.banners[0].message
    assert Prefs(project / "none.json").problem == ""
    prefs.set("scale", "large")
    assert prefs.get("scale", 1.0) == 1.0
    window.close()


def test_closing_says_what_goes_on_and_does_not_wait(project: Path, open_window, qtbot: QtBot, capsys) -> None:
    add_run(project, "quickstart-20261122t130000-dddd", ago_s=30)
    window = open_window(project, start=False, farewell_said=False)
    window.prefs.set("farewell_said", False)
    window.state.poll()
    qtbot.waitUntil(lambda: bool(window.state.active_runs), timeout=LONG_MS)
    qtbot.waitUntil(lambda: "goes on when this window closes" in window._running.full_text)
    window.close()
    assert not window.isVisible()
    assert "quickstart-20261122t130000-dddd" in capsys.readouterr().err
    farewell = next(top for top in QApplication.topLevelWidgets() if isinstance(top, Farewell) and top.isVisible())
    assert any("quickstart-20261122t130000-dddd" in label.text() for label in farewell.findChildren(QLabel))
    farewell.close()
    assert Prefs(project / ".arrcoc" / "app.json").get("farewell_said", False)
