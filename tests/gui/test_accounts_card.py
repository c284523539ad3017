"""Who this machine is: the card on Home, and a leftover placeholder on Setup, with the sandbox's accounts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot
from test_cloud_pages import idle, press
from test_looks import cut_off, keep
from waiting import LONG_MS

from arrcoc_core.sandbox import Sandbox
from arrcoc_core.settings import load_settings
from arrcoc_gui.cloud.trouble import Fix, Trouble
from arrcoc_gui.cloud.trouble_view import TroubleView
from arrcoc_gui.window import MainWindow

Open = Callable[..., MainWindow]


def test_nobody_is_told_the_command_that_signs_in(
    project: Path,
    open_window: Open,
    qtbot: QtBot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    window = open_window(project)
    home = window.page("home")
    qtbot.waitUntil(home.welcome.isVisible, timeout=LONG_MS)
    assert not home.accounts.isVisible()  # nothing is asked while it is not wanted
    home.accounts.ask()
    qtbot.waitUntil(lambda: home.accounts.look.state == "loaded", timeout=LONG_MS)
    wandb, hub = home.accounts.shown
    assert wandb.look.word == hub.look.word == "not signed in" and hub.command == "hf auth login"
    assert home.accounts.mode.text().startswith("Runs log offline: no key")
    copy = next(b for b in home.accounts.findChildren(QPushButton) if b.accessibleName().endswith(wandb.command))
    copy.click()
    assert QGuiApplication.clipboard().text() == "wandb login --relogin"
    keep(request, window.grab().toImage(), "home-nobody")
    qtbot.waitUntil(lambda: cut_off(window) == [], timeout=LONG_MS)


def test_a_name_can_be_written_where_an_error_says_so(qtbot: QtBot) -> None:
    view = TroubleView()
    qtbot.addWidget(view)
    wanted: list[Fix] = []
    view.fix_wanted.connect(wanted.append)
    fix = Fix("Write HF_HUB_REPO_ID=sandbox/arr-coc-0-1 there.")
    view.show_trouble(Trouble("HF_HUB_REPO_ID still says YOUR_USERNAME.", "", (fix, Fix("", "wandb login"))))
    use = next(b for b in view.findChildren(QPushButton) if b.text() == "Use sandbox/arr-coc-0-1…")
    use.click()
    assert wanted == [fix]


@pytest.mark.long
def test_signed_in_and_a_placeholder_is_put_right(
    project: Path, sandbox: Sandbox, open_window: Open, qtbot: QtBot, request: pytest.FixtureRequest
) -> None:
    settings = sandbox.folder / ".training"
    held = settings.read_text(encoding="utf-8")
    held = held.replace("sandbox/arr-coc-0-1", "YOUR_USERNAME/arr-coc-0-1").replace("WANDB_MODE=offline", "WANDB_MODE=")
    settings.write_text(held, encoding="utf-8")
    window = open_window(project)
    home = window.page("home")
    home.accounts.ask()
    qtbot.waitUntil(lambda: home.accounts.look.state == "loaded", timeout=LONG_MS)
    assert all(line.good and line.words.startswith("sandbox") for line in home.accounts.shown), home.accounts.shown
    keep(request, window.grab().toImage(), "home-accounts")

    window.go("setup")
    setup = window.page("setup")
    qtbot.waitUntil(lambda: setup.regions.state == "loaded", timeout=LONG_MS)
    setup.start_dry_run()
    idle(qtbot, setup)
    shown = setup.resources.lines_by_key["hub-repository"]
    assert shown.row.trouble is not None and "YOUR_USERNAME" in shown.row.trouble.message
    qtbot.waitUntil(lambda: not shown.visibleRegion().isEmpty(), timeout=LONG_MS)  # it has been scrolled to
    keep(request, window.grab().toImage(), "setup-placeholder")
    use = next(b for b in shown.findChildren(QPushButton) if b.text() == "Use sandbox/arr-coc-0-1…")
    use.click()
    press(setup.box, "Not now")
    assert "YOUR_USERNAME" in settings.read_text(encoding="utf-8")
    use.click()
    assert "HF_HUB_REPO_ID=sandbox/arr-coc-0-1" in setup.box.informativeText()
    press(setup.box, "Write it")
    written = lambda: load_settings(project).get("HF_HUB_REPO_ID")  # noqa: E731
    qtbot.waitUntil(lambda: written() == "sandbox/arr-coc-0-1", timeout=LONG_MS)
    qtbot.waitUntil(lambda: setup.account is not None, timeout=LONG_MS)
