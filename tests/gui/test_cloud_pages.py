"""Setup, Infra and Teardown in the real window, with the real command line in child processes, against the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from history import CloudAttempt, add_cloud_run
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton, QWidget
from pytestqt.qtbot import QtBot
from waiting import LONG_MS

from arrcoc_core.sandbox import Sandbox
from arrcoc_gui.cloud.trouble import Fix
from arrcoc_gui.cloud_task import cloud_tasks
from arrcoc_gui.sandbox_switch import VARIABLE, WORDS
from arrcoc_gui.window import MainWindow

Open = Callable[..., MainWindow]
PAGES = ("home", "experiments", "monitor", "setup", "infra", "teardown")


def idle(qtbot: QtBot, page: QWidget) -> None:
    """Its command has ended."""
    qtbot.waitUntil(lambda: not page.busy, timeout=LONG_MS)


def press(box: object, words: str) -> None:
    """The button of a question."""
    next(button for button in box.buttons() if button.text() == words).click()


def press_key(qtbot: QtBot, window: MainWindow, key: Qt.Key) -> None:
    """A key of the window, which is in front again after a question."""
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=LONG_MS)
    qtbot.keyClick(window, key)


def states(page: QWidget) -> dict[str, str]:
    return {row.key: row.state for row in page.resources.rows}


class TestWithoutAnAccount:
    @pytest.fixture(autouse=True)
    def nobody(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """No credentials anywhere, and no metadata server to wait for."""
        monkeypatch.setenv("NO_GCE_CHECK", "true")
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)

    def test_pages_say_what_to_do_and_offer_the_rehearsal(self, project: Path, open_window: Open, qtbot: QtBot) -> None:
        window = open_window(project, start=False)
        for key, name in ((Qt.Key.Key_5, "infra"), (Qt.Key.Key_4, "teardown")):
            qtbot.keyClick(window, key)
            page = window.page(name)
            qtbot.waitUntil(page.no_account.isVisible, timeout=LONG_MS)
            assert window.current == name and not page.inside.isVisible() and not page.busy
            shown = [b.text() for b in page.findChildren(QPushButton) if b.isVisible()]
            assert shown == ["Rehearse in the sandbox", "Open Setup"]
        page.no_account.setup.click()
        setup = window.page("setup")
        assert window.current == "setup"
        qtbot.waitUntil(lambda: setup.list_trouble.trouble is not None, timeout=LONG_MS)
        commands = [fix.command for fix in setup.list_trouble.trouble.fixes]
        assert "gcloud auth application-default login" in commands
        qtbot.waitUntil(lambda: setup.regions.state != "loading", timeout=LONG_MS)
        assert setup.rehearse.isVisible()
        copy = next(b for b in setup.list_trouble.findChildren(QPushButton) if b.text() == "Copy")
        copy.click()
        assert QGuiApplication.clipboard().text() in commands


class TestSwitch:
    @pytest.fixture
    def stopped(self, project: Path, arrcoc: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """A project whose sandbox does not outlive the test."""
        monkeypatch.setenv(VARIABLE, "")  # so that what the switch sets is taken back
        monkeypatch.delenv(VARIABLE)
        yield project
        subprocess.run([*arrcoc, "sandbox", "stop"], cwd=project, check=True, capture_output=True)

    def test_on_and_off_with_a_banner_on_every_page(self, stopped: Path, open_window: Open, qtbot: QtBot) -> None:
        window = open_window(stopped, start=False)
        switch = window.state.sandbox
        assert not window.sandbox_banner.isVisible() and not window.sandbox_button.isChecked()
        qtbot.mouseClick(window.sandbox_button, Qt.MouseButton.LeftButton)
        assert switch.state == "starting" and window.sandbox_banner.isVisible()
        assert os.environ[VARIABLE] == str(stopped / ".arrcoc" / "sandbox")
        qtbot.waitUntil(lambda: switch.state == "on", timeout=LONG_MS)
        for page in PAGES:
            window.go(page)
            assert window.sandbox_banner.isVisible() and window.sandbox_banner.words.text() == WORDS
        assert window.sandbox_button.isChecked() and "(sandbox)" in window.windowTitle()
        page = window.page("teardown")
        qtbot.waitUntil(lambda: page.inventory.known, timeout=LONG_MS)
        assert "Nothing of ours" in page.none.text()
        window.close()
        assert json.loads((stopped / ".arrcoc" / "app.json").read_text())["sandbox"] is True

        # Remembered; the server that still runs is used again.
        del os.environ[VARIABLE]
        again = open_window(stopped)
        qtbot.waitUntil(lambda: again.state.sandbox.state == "on", timeout=LONG_MS)
        again.sandbox_banner.button.click()
        assert VARIABLE not in os.environ and not again.sandbox_banner.isVisible()
        assert not again.sandbox_button.isChecked()
        again.sandbox_button.click()  # and at once on again
        qtbot.waitUntil(lambda: again.state.sandbox.state == "on", timeout=LONG_MS)
        # What this window started ends with it when it leaves; nothing runs in it.
        again.sandbox_button.click()
        again.sandbox_button.click()
        assert again.state.sandbox.state == "starting"
        qtbot.waitUntil(lambda: again.state.sandbox.state == "on", timeout=LONG_MS)
        again.state.sandbox.turn_off()

    def test_one_that_does_not_start_says_why(self, stopped: Path, open_window: Open, qtbot: QtBot) -> None:
        (stopped / ".arrcoc").mkdir(exist_ok=True)
        (stopped / ".arrcoc" / "sandbox").write_text("in the way")
        window = open_window(stopped, start=False)
        window.state.sandbox.turn_on()
        qtbot.waitUntil(lambda: window.state.sandbox.state == "failed", timeout=LONG_MS)
        assert window.banners.banners and "does not run" in window.sandbox_banner.words.text()
        (stopped / ".arrcoc" / "sandbox").unlink()
        window.state.sandbox.turn_off()


@pytest.mark.long
def test_from_an_empty_project_to_an_empty_project(
    project: Path, sandbox: Sandbox, open_window: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = (sandbox.folder / "wandb.key").read_text(encoding="utf-8").strip()  # the sandbox's own
    window = open_window(project, start=False)
    assert window.sandbox_banner.isVisible()  # it came from the shell

    # Look: nothing is created.
    qtbot.keyClick(window, Qt.Key.Key_3)
    setup = window.page("setup")
    qtbot.waitUntil(lambda: setup.regions.state == setup.keys.state == "loaded", timeout=LONG_MS)
    assert setup.chosen_project == "arrcoc-sandbox" and setup.chosen_region == "us-central1"
    assert setup.table.isVisible() and setup.gpu.currentText() == "L4"
    assert key not in setup.key_boxes["WANDB_API_KEY"].text()
    setup.dry_run.click()
    qtbot.waitUntil(lambda: setup.resources.rows.live or bool(states(setup)), timeout=LONG_MS)
    assert setup.cancel.isVisible() and not setup.set_up.isEnabled()
    idle(qtbot, setup)
    assert states(setup)["runs-bucket"] == "missing"
    assert not [call for call in sandbox.requests() if call["mutating"]]

    # Create, after one question; the key only with its box ticked.
    setup.key_boxes["WANDB_API_KEY"].setChecked(True)
    setup.set_up.click()
    assert "W&B API key" in setup.box.informativeText()
    press(setup.box, "Not now")
    assert not setup.busy
    setup.set_up.click()
    press(setup.box, "Set up")
    assert setup.changing
    idle(qtbot, setup)
    made = states(setup)
    assert made["runs-bucket"] == made["secret-wandb-api-key"] == "created", made
    assert "failed" not in made.values()

    # See: resources, quotas, costs, each in its own time.
    press_key(qtbot, window, Qt.Key.Key_5)
    infra = window.page("infra")
    qtbot.waitUntil(lambda: infra.busy, timeout=LONG_MS)
    idle(qtbot, infra)
    assert not {"failed", "unknown", "different"} & set(states(infra).values()), states(infra)
    assert {state.state for state in infra.tables.states.values()} == {"loaded"}
    assert "a month to keep" in infra.costs.words.text()
    assert infra.quotas.table.table.rows

    # Ask for more of a quota: how many, then a confirmation.
    key = next(q.key for q in infra.tables.quotas.values() if q.gpu == "T4" and q.kind == "spot")
    infra.everything.setChecked(True)
    infra.quotas.table.select_key(key)
    infra.wanted.click()
    infra.request.count.setValue(4)
    infra.request.yes.click()
    qtbot.waitUntil(lambda: infra.busy, timeout=LONG_MS)
    qtbot.waitUntil(lambda: not infra.busy and infra.tables.quotas[key].pending != "", timeout=LONG_MS)
    assert "4 asked for" in infra.tables.quotas[key].pending

    # Remove: typed, and only then.
    press_key(qtbot, window, Qt.Key.Key_4)
    teardown = window.page("teardown")
    qtbot.waitUntil(lambda: teardown.inventory.known, timeout=LONG_MS)
    idle(qtbot, teardown)
    assert len(teardown.inventory.removed) > 3 and not teardown.remove.isEnabled()
    assert "runs" in {item.name.rsplit("-", 1)[-1] for item in teardown.inventory.kept} or not teardown.inventory.kept
    teardown.word.setText("arr-coc")
    assert not teardown.remove.isEnabled()
    teardown.word.setText(teardown.inventory.word)
    assert teardown.remove.isEnabled()
    teardown.remove.click()
    idle(qtbot, teardown)
    assert {row.state for row in teardown.progress.rows} <= {"removed", "kept"}, teardown.progress.rows.sentence()
    qtbot.waitUntil(lambda: not teardown.busy and teardown.inventory.known, timeout=LONG_MS)
    assert not teardown.inventory.removed


def test_the_app_itself_never_loads_a_client_library(project: Path, sandbox: Sandbox) -> None:
    """All pages, a poll of runs in the cloud and a planned launch, in a process that is looked into afterwards."""
    add_cloud_run(project, "far-20261122t130000-aaaa", attempts=[CloudAttempt("running")])
    done = subprocess.run([sys.executable, "-c", PROBE, str(project)], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"loaded": [], "asked": True, "runs": 1}


PROBE = """
import json, sys, time
from pathlib import Path
root = Path(sys.argv[1])
(root / "experiments" / "far.py").write_text(
    "from arrcoc_core import Vertex\\n"
    "from experiments.quickstart import quickstart\\n"
    "far = quickstart.but(name='far', compute=Vertex(gpu='L4'))\\n"
)
from arrcoc_gui.app import make_app, make_window
from arrcoc_gui.cloud_task import end_cloud_tasks
from arrcoc_gui.prefs import Prefs
prefs = Prefs(root / "app.json")
prefs.set("farewell_said", True)
app = make_app(prefs)
window = make_window(root, prefs)
window.show()
asked = []
window.state.cloud_launch_wanted.connect(lambda *_: asked.append(True))
window.state.discover()
window.state.poll()
for page in window.pages:
    window.go(page)
window.state.launch(["far"])
end = time.monotonic() + 60
while not (asked and window.state.runs_loaded) and time.monotonic() < end:
    app.processEvents()
    time.sleep(0.01)
# google.cloud alone is the empty package that says which of its libraries are installed.
heavy = ("google.cloud.", "google.auth", "google.api_core", "grpc", "torch", "wandb", "huggingface_hub", "requests")
loaded = [name for name in sys.modules if name.startswith(heavy)]
print(json.dumps({"loaded": loaded, "asked": bool(asked), "runs": len(window.state.runs)}), flush=True)
window.close()
end_cloud_tasks()
import os
os._exit(0)
"""


def test_what_changes_something_asks_before_it_is_stopped(
    project: Path, sandbox: Sandbox, open_window: Open, qtbot: QtBot
) -> None:
    window = open_window(project, start=False)
    window.go("setup")
    setup = window.page("setup")
    qtbot.waitUntil(lambda: setup.regions.state == "loaded", timeout=LONG_MS)
    setup.ask_set_up()
    press(setup.box, "Set up")
    qtbot.waitUntil(lambda: bool(states(setup)), timeout=LONG_MS)
    # Closing the window asks, and so does Cancel; both can be declined.
    window.close()
    assert window.isVisible() and window._ask_before_close is not None
    press(window._ask_before_close, "Keep the window")
    assert setup.busy
    setup.cancel.click()
    press(setup.box, "Let it finish")
    assert setup.busy
    setup.cancel.click()
    press(setup.box, "Stop it")
    idle(qtbot, setup)
    assert setup.trouble.trouble is None and not setup.resources.rows.live
    assert set(states(setup).values()) & {"skipped", "unknown"}
    # It can be run again, and the window closes while it is under way: nothing is left behind.
    setup.ask_set_up()
    press(setup.box, "Set up")
    qtbot.waitUntil(lambda: setup.changing, timeout=LONG_MS)
    window.close()
    press(window._ask_before_close, "Stop it and close")
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=LONG_MS)
    assert cloud_tasks() == []


def test_a_repair_is_run_after_asking(project: Path, sandbox: Sandbox, open_window: Open, qtbot: QtBot) -> None:
    window = open_window(project, start=False)
    window.go("setup")
    setup = window.page("setup")
    qtbot.waitUntil(lambda: setup.regions.state == "loaded", timeout=LONG_MS)
    window.state.fix_wanted.emit(Fix("Look first", "arrcoc setup --dry-run"))
    assert setup.box.text() == "Run this command?" and setup.box.informativeText() == "arrcoc setup --dry-run"
    press(setup.box, "Not now")
    assert not setup.busy
    window.state.fix_wanted.emit(Fix("Look first", "arrcoc setup --dry-run"))
    press(setup.box, "Run it")
    assert setup.busy
    before = len(sandbox.requests())
    idle(qtbot, setup)
    assert len(sandbox.requests()) > before
