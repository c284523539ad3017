"""Pictures of what is new with W&B, the Hub and the queue, with long names and with nothing: no text is cut off.

From plain values, so that no process is started. `--shots DIR` keeps them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot
from test_looks import colours, cut_off, keep
from test_online_models import QUEUE, a_run, told
from waiting import scaled

from arrcoc_gui.accounts.card import AccountsCard
from arrcoc_gui.accounts.standing import account_lines
from arrcoc_gui.cloud.trouble import Fix, Trouble
from arrcoc_gui.infra.queue_card import QueueCard
from arrcoc_gui.infra.queue_rows import QueueRows
from arrcoc_gui.monitor.header import RunHeader
from arrcoc_gui.monitor.online_runs import OnlineRuns, Place, online_view
from arrcoc_gui.monitor.outward_card import OutwardCard
from arrcoc_gui.monitor.project_picker import OtherProject
from arrcoc_gui.monitor.run_list import RunList
from arrcoc_gui.monitor.run_words import status_line
from arrcoc_gui.monitor.standing import Standing
from arrcoc_gui.monitor.uploads import UploadView
from arrcoc_gui.theme import theme

LONG = "selector-ablation-of-the-balancer-with-a-very-long-name-indeed-k64-lr3e-4"


def on_page(qtbot: QtBot, *widgets: QWidget, width: int, height: int) -> QWidget:
    page = QWidget()
    page.setProperty("look", "page")
    column = QVBoxLayout(page)
    for widget in widgets:
        column.addWidget(widget, 1 if isinstance(widget, RunList) else 0)
    column.addStretch(0)
    qtbot.addWidget(page)
    page.resize(theme().px(width), theme().px(height))
    page.show()
    qtbot.wait(60)
    return page


@pytest.fixture(
    params=[
        ("dark", 2.0),
        ("light", 1.0),
        pytest.param(("dark", 1.0), marks=pytest.mark.long),
        pytest.param(("light", 2.0), marks=pytest.mark.long),
    ],
    ids=lambda look: f"{look[0]}-{round(look[1] * 100)}",
)
def look(request: pytest.FixtureRequest, look: None) -> Iterator[str]:
    choice, scale = request.param
    with scaled(scale, choice):
        yield f"{choice}-{round(scale * 100)}"


def check(request: pytest.FixtureRequest, page: QWidget, name: str) -> None:
    image = page.grab().toImage()
    keep(request, image, name)
    assert colours(image) > 8
    assert cut_off(page) == []  # type: ignore[arg-type]


def test_the_queue(qtbot: QtBot, look: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    items = [*QUEUE["items"], {**QUEUE["items"][2], "id": "9", "name": LONG, "reason": "2 items are ahead " * 6}]
    full, empty, refused = QueueCard(tmp_path), QueueCard(tmp_path), QueueCard(tmp_path)
    full.rows = QueueRows({**QUEUE, "items": items})
    full.agent_here = True
    empty.rows = QueueRows({**QUEUE, "items": [], "agents": [], "headline": "empty; no agent polls it"})
    refused.look.state = "failed"
    fix = Fix("Log in:", "wandb login --relogin --host https://wandb.a-very-long-host-name.example.com")
    refused.look.trouble = Trouble("There is no W&B key for https://api.wandb.ai on this machine.", "", (fix,))
    for card in (full, empty, refused):
        card._show()
    page = on_page(qtbot, full, empty, refused, width=900, height=760)
    for card in (full, empty, refused):
        card._told_at = card._since = time.monotonic()
        card._show()
    qtbot.wait(30)
    check(request, page, f"new-queue-{look}")
    for card in (full, empty, refused):
        card.shutdown()


def test_the_run_list(qtbot: QtBot, look: str, request: pytest.FixtureRequest) -> None:
    runs = RunList(lambda run_id: theme().series_color(len(run_id)))
    views = [
        a_run("mine", summary={"eval/accuracy": 0.961}),
        online_view(told("x", name=LONG, user="a-colleague-with-a-long-name")),
        online_view(told("y", "crashed", name="baseline")),
        online_view(told("z", name="behind", summary={"eval/accuracy": 0.71})),
        online_view(told("p", "preempted", name="short", user="bo")),
    ]
    runs.set_runs(views)
    runs.set_standings({"lab/vqa/z": Standing(75.0, "cannot be reached"), "lab/vqa/x": Standing(12.0)})
    known = OnlineRuns()
    known.expect(["lab/vqa", "others/secret"])
    refused = Trouble("the key may not read others/secret", "", (Fix("Ask an admin of others for access to it."),))
    places = [
        Place("lab/vqa", "lab/vqa", "loaded", total=412, shown=100),
        Place("others/secret", "others/secret", "failed", trouble=refused),
    ]
    runs.set_places(places)
    page = on_page(qtbot, runs, width=230, height=520)
    runs.tree.expandAll()
    check(request, page, f"new-runs-{look}")


def test_header_and_result(qtbot: QtBot, look: str, request: pytest.FixtureRequest) -> None:
    upload = UploadView("uploading", "ada/arr-coc-0-1", done_bytes=3_100_000, total_bytes=12_400_000)
    failed = replace(upload, state="failed", detail="the token may only read", remedy="hf auth login --force")
    shown = [
        (a_run(state="succeeded", upload=upload), ""),
        (replace(online_view(told("x", name=LONG)), upload=None), "offline: https://api.wandb.ai cannot be reached"),
        (a_run(state="succeeded", upload=failed, wandb_url="https://wandb.ai/ada/x/runs/abcd"), ""),
    ]
    widgets: list[QWidget] = []
    for run, why in shown:
        header, card = RunHeader(), OutwardCard()
        header.show_run(run, " · ".join(part for part in (why, status_line(run)) if part))
        header.transfer.show_state(None, run.upload)
        if why:
            header.set_freshness("behind by 1 min 15 s", why)
        card.show_run(run)
        widgets += [header, card]
    page = on_page(qtbot, *widgets, width=760, height=640)
    check(request, page, f"new-header-{look}")


def test_accounts_and_the_choice_of_a_project(
    qtbot: QtBot, look: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    fix = {"text": "To log to W&B too, log in:", "command": "wandb login --relogin", "safe": False}
    error = {"message": "https://huggingface.co does not take this machine's token", "fixes": [fix]}
    card = AccountsCard(tmp_path)
    card.look.lines = [
        {
            "resource": "wandb-account",
            "state": "skipped",
            "detail": "https://api.wandb.ai: no key on this machine",
            "error": {"message": "offline", "fixes": [fix]},
        },
        {"resource": "hub-account", "state": "failed", "detail": "", "error": error},
        {"type": "wandb_mode", "mode": "offline", "why": "offline: no key for https://api.wandb.ai on this machine"},
    ]
    card.look.state = "loaded"
    card._looked()
    assert len(account_lines(card.look.lines)) == 2
    page = on_page(qtbot, card, width=260, height=330)
    check(request, page, f"new-accounts-{look}")
    other = OtherProject(page)
    other.field.setText("nonsense")
    other.open()
    other.yes.click()
    qtbot.wait(30)
    check(request, other, f"new-project-{look}")
    other.reject()
