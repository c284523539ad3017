"""Links and uploads of a run from the Monitor page: what is opened, what is said, what a child process does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from history import SUMMARY, add_run, log_rows
from monitoring import SLOW_MS, Show
from PySide6.QtCore import QObject, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication
from pytestqt.qtbot import QtBot
from test_looks import keep

from arrcoc_core.sandbox import Sandbox, running
from arrcoc_gui.actions import ActionTable
from arrcoc_gui.palette import entries

RUN = "quickstart-20261122t151000-abcd"
TRAINING = Path(__file__).parents[1] / "training"


class Browser(QObject):
    """Takes the pages that would be opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        for scheme in ("http", "https", "file"):
            QDesktopServices.setUrlHandler(scheme, self, "take")

    @Slot(QUrl)
    def take(self, url: QUrl) -> None:
        self.opened.append(url.toString())


@pytest.fixture
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    for scheme in ("http", "https", "file"):
        QDesktopServices.unsetUrlHandler(scheme)


def tell(directory: Path, state: str, **more: object) -> None:
    """What the trainer (or `arrcoc upload`) writes."""
    held = {"state": state, "repo": "ada/arr-coc", "at": datetime.now(UTC).isoformat(), **more}
    (directory / "upload.json").write_text(json.dumps(held))


def test_pages_are_opened_or_say_why_there_are_none(
    qtbot: QtBot, show: Show, project: Path, browser: Browser, request: pytest.FixtureRequest
) -> None:
    directory = add_run(project, RUN, end="succeeded", past=(("succeeded", 60),), summary=SUMMARY)
    page = show(project, RUN)
    by_id = {action.id: action for action in page.actions()}
    wandb, hub = by_id["monitor.wandb"], by_id["monitor.hub"]
    assert not wandb.enabled() and wandb.words() == "Open in W&B (it logs on this machine only)"
    assert not hub.enabled() and "nothing of it was uploaded" in hub.why()
    # The palette names them, too, and what is in the way.
    found = entries(ActionTable(page.actions()), "monitor", page.app_state)
    assert [(entry.kind, entry.hint) for entry in found if entry.title == "Open in W&B"] == [
        ("not now", "it logs on this machine only")
    ]
    menu = page.panes.header.links.menu()
    menu.aboutToShow.emit()
    assert menu.actions()[0].text().startswith("Open in W&&B (it logs") and not menu.actions()[0].isEnabled()

    (directory / "wandb.json").write_text(json.dumps({"url": "https://wandb.ai/ada/x/runs/abcd", "id": RUN}))
    tell(directory, "done", url="https://huggingface.co/ada/arr-coc", revision="0123456789")
    page.app_state.poll()
    qtbot.waitUntil(hub.enabled, timeout=SLOW_MS)
    qtbot.waitUntil(wandb.enabled, timeout=SLOW_MS)
    wandb.run()
    hub.run()
    by_id["monitor.copy-hub"].run()
    assert browser.opened == ["https://wandb.ai/ada/x/runs/abcd", "https://huggingface.co/ada/arr-coc"]
    assert QGuiApplication.clipboard().text() == browser.opened[1]
    # What a file calls a page is looked at before it is opened.
    tell(directory, "done", url="file:///etc/passwd")
    page.app_state.poll()
    qtbot.waitUntil(lambda: "none" in hub.why(), timeout=SLOW_MS)
    assert len(browser.opened) == 2


def test_the_header_tells_how_an_upload_stands(
    qtbot: QtBot, show: Show, project: Path, request: pytest.FixtureRequest
) -> None:
    directory = add_run(project, RUN, past=(("running", 60),))
    page = show(project, RUN)
    line = page.panes.header.transfer
    assert not line.isVisible()
    tell(directory, "uploading", done_bytes=3_100_000, total_bytes=12_400_000)
    page.app_state.poll()
    qtbot.waitUntil(line.isVisible, timeout=SLOW_MS)
    assert line.words.whole == "Uploading to ada/arr-coc: 3.1 MB of 12.4 MB (25.0 %)"
    assert line.bar.isVisible() and not line.again.isVisible() and not line.cancel.isVisible()
    keep(request, page.grab().toImage(), "upload-going-on")
    tell(directory, "failed", detail="the token may only read", remedy="hf auth login --force")
    page.app_state.poll()
    qtbot.waitUntil(line.again.isVisible, timeout=SLOW_MS)
    said: list[tuple[str, str]] = []
    page.app_state.problem.connect(lambda *told: said.append(told))
    line.why.click()
    assert said == [("The upload to ada/arr-coc failed: the token may only read", "1. hf auth login --force")]
    tell(directory, "done", url="https://huggingface.co/ada/arr-coc")
    page.app_state.poll()
    qtbot.waitUntil(lambda: not line.isVisible(), timeout=SLOW_MS)


@pytest.fixture
def hub(tmp_path: Path, sandbox_key: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    folder = tmp_path / "box"
    folder.mkdir()
    (folder / "key.json").write_text(sandbox_key, encoding="utf-8")
    monkeypatch.setenv("ARRCOC_CLOUD_ENDPOINTS", str(folder))
    monkeypatch.setenv("ARRCOC_HF_HUB_REPO_ID", "sandbox/arr-coc-0-1")
    with running(folder, speed=1) as box:
        yield box


def test_an_upload_that_fails_says_why_and_can_be_begun_again(
    qtbot: QtBot, show: Show, project: Path, hub: Sandbox, full: bool
) -> None:
    """In full also begun again, with a result there: it ends with a link."""
    directory = add_run(project, RUN, end="succeeded", past=(("succeeded", 60),), summary=SUMMARY)
    page = show(project, RUN)
    by_id = {action.id: action for action in page.actions()}
    line = page.panes.header.transfer
    by_id["monitor.upload"].run()
    assert "sandbox" not in page.outward.box.informativeText()  # nobody knows yet where it goes
    next(button for button in page.outward.box.buttons() if button.text() == "Upload").click()
    assert line.isVisible() and line.cancel.isVisible() and by_id["monitor.upload"].why() == "an upload goes on"
    qtbot.waitUntil(line.again.isVisible, timeout=SLOW_MS)
    assert "has no result to upload" in line.words.whole and line.dismiss.isVisible()
    if not full:
        line.dismiss.click()
        assert not line.isVisible()
        return

    make = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "from result_maker import make_result; make_result(Path(sys.argv[2]), run_id=sys.argv[3])"
    )
    made = project / "made"
    subprocess.run([sys.executable, "-c", make, str(TRAINING), str(made), RUN], check=True, env=os.environ)
    (made / RUN / "result").rename(directory / "result")
    line.again.click()
    qtbot.waitUntil(lambda: page.run.upload is not None and page.run.upload.state == "done", timeout=2 * SLOW_MS)
    qtbot.waitUntil(lambda: not page.transfers.going_on(RUN), timeout=SLOW_MS)
    assert line.words.whole.startswith("Uploaded to the Hub")
    line.dismiss.click()
    assert not line.isVisible() and by_id["monitor.hub"].enabled()
    assert page.run.upload.url.endswith("/sandbox/arr-coc-0-1")


@pytest.mark.long
def test_what_was_logged_offline_goes_to_wandb_and_is_opened_there(
    qtbot: QtBot, show: Show, project: Path, hub: Sandbox, browser: Browser
) -> None:
    directory = add_run(project, RUN, end="succeeded", past=(("succeeded", 60),), summary=SUMMARY)
    log_rows(directory, "--steps", "40")
    page = show(project, RUN)
    by_id = {action.id: action for action in page.actions()}
    page.set_mode("result")
    card = page.panes.result.outward
    assert "this machine only" in card.wandb.text() and card.buttons["sync"].isVisibleTo(card)
    card.buttons["sync"].click()
    assert "Nothing is sent twice" in page.outward.box.informativeText()
    next(button for button in page.outward.box.buttons() if button.text() == "Upload").click()
    line = page.panes.header.transfer
    qtbot.waitUntil(lambda: not page.transfers.going_on(RUN), timeout=2 * SLOW_MS)
    assert line.words.whole.startswith("Uploaded to W&B: ") and " rows" in line.words.whole
    qtbot.waitUntil(by_id["monitor.wandb"].enabled, timeout=SLOW_MS)
    by_id["monitor.wandb"].run()
    assert browser.opened[0].endswith(f"/runs/{RUN}")
