"""The Launch queue on Infra, with the sandbox's W&B: what waits and why, who polls, what a person can do."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from test_cloud_pages import press
from test_looks import cut_off, keep
from waiting import LONG_MS

from arrcoc_core.queue import DEFAULT_QUEUE, QueueClient, wanted_setup
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.settings import load_settings
from arrcoc_gui.infra.page import InfraPage
from arrcoc_gui.infra.queue_card import QueueCard
from arrcoc_gui.window import MainWindow

Open = Callable[..., MainWindow]
TAKEN = "far-20261122t130000-aaaa"


@pytest.fixture
def client(project: Path, sandbox: Sandbox) -> Iterator[QueueClient]:
    settings = load_settings(project)
    made = QueueClient.of(settings)
    yield made
    made.client.close()


def infra_of(window: MainWindow) -> InfraPage:
    window.go("infra")
    page = window.page("infra")
    assert isinstance(page, InfraPage)
    return page


def looked(qtbot: QtBot, page: InfraPage) -> None:
    """Its queue has been looked at, and nothing of the page is under way."""
    qtbot.waitUntil(lambda: page.queue.look.state in ("loaded", "failed") and not page.busy, timeout=LONG_MS)


def texts(page: InfraPage) -> list[tuple[str, ...]]:
    return [tuple(cell.text for cell in row.cells) for row in page.queue.items.table.rows]


def filled(client: QueueClient, project: Path) -> tuple[str, str]:
    """A queue with one item that an agent has taken and one that waits; their ids."""
    client.ensure(DEFAULT_QUEUE, wanted_setup(load_settings(project)))
    agent = client.register(DEFAULT_QUEUE, {"max_jobs": 2}, "1")
    client.heartbeat(agent, "POLLING")
    spec = {"run_id": TAKEN, "name": TAKEN, "project": "arr-coc-0-1"}
    kept, gone = client.push(DEFAULT_QUEUE, spec), client.push(DEFAULT_QUEUE, {**spec, "run_id": "", "name": "by hand"})
    client.pop(DEFAULT_QUEUE, agent)
    client.acknowledge(kept, TAKEN)
    return kept, gone


def test_the_card_says_what_waits_and_who_polls(client: QueueClient, project: Path, qtbot: QtBot) -> None:
    kept, gone = filled(client, project)
    card = QueueCard(project)
    qtbot.addWidget(card)
    card.resize(1000, 400)
    card.show()
    card.refresh()
    assert card.words.text().startswith("loading")
    qtbot.waitUntil(lambda: card.look.state == card.status.state == "loaded", timeout=LONG_MS)
    assert "1 waits" in card.words.text() and [row.key for row in card.items.table.rows] == [kept, gone]
    assert card.agents.table.rows[0].cells[4].text == "1 of 2" and card.agent_here is False
    assert card.start.isVisible() and not card.stop.isVisible() and not card.remove.isEnabled()
    card.items.select_key(gone)
    removed: list[str] = []
    card.remove_wanted.connect(removed.append)
    card.remove.click()
    assert removed == [gone]
    # Several queues: one is chosen, and is what every act is about.
    card.set_queues([DEFAULT_QUEUE, "other-queue"])
    assert card.queues.isVisible() and card.which == ["--queue", DEFAULT_QUEUE]
    card.queues.setCurrentIndex(1)
    qtbot.waitUntil(lambda: card.look.state == "failed", timeout=LONG_MS)
    assert card.which == ["--queue", "other-queue"] and "other-queue" in card.trouble.trouble.message
    card.set_queues([])  # nothing goes through a queue: nobody is troubled by one that is not there
    assert card.which == [] and "No experiment goes through a queue" in card.none.text()
    qtbot.waitUntil(lambda: card.look.state != "loading" and card.status.state != "loading", timeout=LONG_MS)
    card.forget()
    assert card.rows is None and not card.items.isVisible()
    card.shutdown()


@pytest.mark.long
def test_what_waits_says_why_and_can_be_removed(
    client: QueueClient, project: Path, open_window: Open, qtbot: QtBot, request: pytest.FixtureRequest
) -> None:
    window = open_window(project, start=False)
    page = infra_of(window)
    card = page.queue
    looked(qtbot, page)
    # There is no queue yet: the other tables do not mind, and what to do is said.
    assert card.look.state == "failed" and "arrcoc setup" in [fix.command for fix in card.trouble.trouble.fixes]
    assert page.resources.rows and not card.items.isVisible() and not card.start.isEnabled()

    kept, gone = filled(client, project)
    card.refresh()
    assert card.words.text().startswith("loading")
    looked(qtbot, page)
    first, second = texts(page)
    assert first[1:3] == ("taken", TAKEN)
    assert second[:3] == ("1.", "waiting", "by hand") and second[5]
    rows = [tuple(cell.text for cell in row.cells) for row in card.agents.table.rows]
    assert rows[0][1] == "polls" and rows[0][4] == "1 of 2" and "far-2026" in rows[0][5]
    assert card.start.isVisible() and card.start.isEnabled() and not card.stop.isVisible()
    assert not card.remove.isEnabled()
    keep(request, window.grab().toImage(), "infra-queue")
    assert cut_off(window) == []

    card.items.select_key(gone)
    page.ask_remove_item()
    assert "by hand" in page.box.text() and "nothing of it runs" in page.box.informativeText()
    press(page.box, "Leave it")
    assert not page.busy
    card.remove.click()
    press(page.box, "Remove it")
    qtbot.waitUntil(lambda: len(texts(page)) == 1, timeout=LONG_MS)
    assert [item.id for item in client.items(DEFAULT_QUEUE)] == [kept]


@pytest.mark.long
def test_an_agent_is_started_here_and_stopped(
    client: QueueClient, project: Path, open_window: Open, qtbot: QtBot, arrcoc: list[str]
) -> None:
    client.ensure(DEFAULT_QUEUE, wanted_setup(load_settings(project)))
    window = open_window(project, start=False)
    page = infra_of(window)
    card = page.queue
    looked(qtbot, page)
    # Without the runs' bucket it ends at once, and what it said is there to read.
    page.ask_start_agent()
    page.agent_request.yes.click()
    qtbot.waitUntil(lambda: card.trouble.trouble is not None, timeout=LONG_MS)
    assert "ended as soon as it was started: gs://" in card.trouble.trouble.message
    assert [fix.command for fix in card.trouble.trouble.fixes] == ["arrcoc setup"]
    subprocess.run([*arrcoc, "setup", "--yes", "--no-quota", "--json"], cwd=project, capture_output=True)
    page.refresh()
    looked(qtbot, page)
    assert card.no_agent.isVisible() and "is empty" in card.none.text()
    page.ask_start_agent()
    page.agent_request.count.setValue(3)
    page.agent_request.yes.click()
    try:
        qtbot.waitUntil(lambda: card.agent_here is True, timeout=LONG_MS)
        looked(qtbot, page)
        qtbot.waitUntil(card.stop.isEnabled, timeout=LONG_MS)
        page.ask_stop_agent()
        press(page.box, "Let it go on")
        page.ask_stop_agent()
        press(page.box, "Stop the agent")
        qtbot.waitUntil(lambda: card.agent_here is False and not page.busy, timeout=LONG_MS)
    finally:
        subprocess.run([*arrcoc, "agent", "--stop"], cwd=project, check=True, capture_output=True)
