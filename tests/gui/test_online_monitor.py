"""Runs of W&B projects on the Monitor page, beside this project's own, from the sandbox's W&B."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from history import add_run, log_rows
from monitoring import RUNNING, SLOW_MS, Show, centre
from PIL import Image
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot
from run_writer import RunWriter
from test_looks import keep

from arrcoc_core.sandbox import Sandbox, running
from arrcoc_core.sandbox.faults import NoNetwork, PermissionDenied
from arrcoc_gui.monitor.page import MonitorPage

PLACE = "sandbox/vqa"
OTHER = f"{PLACE}/k64-of-someone"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, sandbox_key: str) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("box")
    (folder / "key.json").write_text(sandbox_key, encoding="utf-8")
    with running(folder, speed=1) as found:
        yield found


@pytest.fixture(scope="module")
def root(make_project: Callable[[], Path]) -> Path:
    """A project with one run of its own, which goes on."""
    made = make_project()
    directory = add_run(made, RUNNING, past=(("running", 0),), ago_s=10)
    log_rows(directory, "--stop-at", "70")
    return made


@pytest.fixture
def wandb(box: Sandbox, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The sandbox's W&B is the one of the settings."""
    for name in [key for key in os.environ if key.startswith(("ARRCOC_", "WANDB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ARRCOC_CLOUD_ENDPOINTS", str(box.folder))
    monkeypatch.chdir(root)
    yield box
    box.set_scenario([])


def writer_of(box: Sandbox, run_id: str, project: str = "vqa", **more: object) -> RunWriter:
    url = box.endpoints.services["wandb"]
    key = Path(box.endpoints.keys["WANDB_API_KEY"]).read_text(encoding="utf-8").strip()
    return RunWriter(url, key, run_id, project=project, **more)  # type: ignore[arg-type]


def row(step: int) -> dict[str, object]:
    return {"trainer/step": step, "eval/accuracy": 0.4 + step / 200, "train/loss": 1 / (step + 1)}


def a_picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (528, 256), (40, 90, 160)).save(data, "PNG")
    return data.getvalue()


def texts(page: MonitorPage) -> dict[str, tuple[str, str, str]]:
    return {row.key: (row.state, row.user, row.note) for row in page.panes.runs.model.rows}


def test_local_and_online_side_by_side(
    qtbot: QtBot, show: Show, wandb: Sandbox, root: Path, request: pytest.FixtureRequest
) -> None:
    writer = writer_of(wandb, "k64-of-someone", config={"name": "k64", "tokens": {"keep": 64}})
    picture = {"_type": "image-file", "path": "media/images/sample_3.png", "caption": "a street"}
    writer.rows([*(row(step) for step in range(40)), {**row(40), "sample": picture}])
    writer.system([{"_timestamp": 1001.0 + n, "system.cpu": 10.0 + n} for n in range(5)])
    writer.lines(["loading", "step 40"])
    writer.file("media/images/sample_3.png", a_picture())
    crashed = writer_of(wandb, "crashed-of-someone")
    crashed.rows([{"trainer/step": 0, "train/loss": 9.0}])
    crashed.end(1)
    ours = writer_of(wandb, RUNNING)  # one of our own store that logs online, too
    ours.rows([row(0)])

    page = show(root, RUNNING)
    page.projects.choose(here=True, chosen=[PLACE])
    assert page.panes.picker.accessibleDescription() == f"This project and {PLACE}"
    qtbot.waitUntil(lambda: OTHER in texts(page), timeout=SLOW_MS)
    listed = texts(page)
    assert listed[OTHER] == ("running", "sandbox", "") and listed[f"{PLACE}/crashed-of-someone"][0] == "failed"
    # Once, as the store's: it knows more of it.
    assert RUNNING in listed and f"{PLACE}/{RUNNING}" not in listed and page.run.id == RUNNING
    page.panes.runs.search.setText("someone sandbox")
    assert len(page.panes.runs.model.rows) == 2
    page.panes.runs.search.clear()

    # In one chart, each with its own colour.
    model = page.panes.runs.model
    model.toggle_eye(model.index_of(OTHER))
    main = page.panes.charts.main
    qtbot.waitUntil(lambda: set(main.keys()) == {RUNNING, OTHER}, timeout=SLOW_MS)
    assert page.color_of(RUNNING) != page.color_of(OTHER)
    assert len(page.feed.metrics(OTHER).series("eval/accuracy")) == 41
    keep(request, page.grab().toImage(), "online-beside-local")

    # Looked at: the same panes, and nothing that could change it.
    page.show_run(OTHER)
    qtbot.waitUntil(lambda: page.run.id == OTHER)
    header, panes = page.panes.header, page.panes
    assert not (header.cancel.isVisible() or header.again.isVisible() or header.attempts.isVisible())
    assert "read-only · by sandbox · sandbox/vqa" in header.status.whole
    qtbot.waitUntil(lambda: "step 40" in panes.log.last.whole, timeout=SLOW_MS)
    qtbot.waitUntil(lambda: panes.pictures.view.image is not None, timeout=SLOW_MS)
    assert panes.pictures.sample.currentText() == "sample" and panes.pictures.question.text() == "a street"
    panes.charts.toolbar.metric_toggled.emit("system/cpu", True)
    qtbot.waitUntil(lambda: panes.charts.panels["system/cpu"].keys() == [OTHER], timeout=SLOW_MS)
    # By step there is none for what the machine did: those charts go by time, and the cursor all the same by moments.
    panes.charts.panels["system/cpu"].clicked.emit(3.0)
    assert page.cursor_moment.step == 3.0 and main.cursor_x == 3.0
    page.cursor_moment.follow()
    page.set_mode("result")  # there is none of ours: its values
    assert centre(page) is panes.values and page.mode == "values"
    qtbot.waitUntil(lambda: "tokens.keep\t64" in panes.values.config.text(), timeout=SLOW_MS)
    assert "train/loss" in panes.values.last.text() and "cpu" in panes.values.system.text()
    assert OTHER in panes.values.about.text()
    keep(request, page.grab().toImage(), "online-values")
    page.set_mode("charts")
    by_id = {action.id: action for action in page.actions()}
    assert by_id["monitor.wandb"].enabled() and not by_id["monitor.cancel"].enabled()
    by_id["monitor.copy-wandb"].run()
    assert QGuiApplication.clipboard().text().endswith("/sandbox/vqa/runs/k64-of-someone")
    assert by_id["monitor.sync"].why() == "it is read from W&B"

    # Live, and calm about a server that is away.
    writer.rows([row(41)])
    qtbot.waitUntil(lambda: len(page.feed.metrics(OTHER).series("eval/accuracy")) == 42, timeout=SLOW_MS)
    wandb.set_scenario([NoNetwork(service="wandb")])
    qtbot.waitUntil(lambda: "behind by" in header.fresh.text(), timeout=SLOW_MS)
    assert "offline: " in header.status.whole
    qtbot.waitUntil(lambda: "offline" in texts(page)[OTHER][2], timeout=SLOW_MS)
    keep(request, page.grab().toImage(), "online-behind")
    wandb.set_scenario([])
    writer.rows([row(42)])
    qtbot.waitUntil(lambda: not texts(page)[OTHER][2], timeout=SLOW_MS)
    qtbot.waitUntil(lambda: len(page.feed.metrics(OTHER).series("eval/accuracy")) == 43, timeout=SLOW_MS)
    qtbot.waitUntil(lambda: "offline" not in header.status.whole, timeout=SLOW_MS)

    # What is refused is said once, with what to do.
    said: list[tuple[str, str]] = []
    page.app_state.problem.connect(lambda *told: said.append(told))
    wandb.set_scenario([PermissionDenied(entity="sandbox")])
    qtbot.waitUntil(lambda: bool(said), timeout=SLOW_MS)
    assert "the key may not read it" in said[0][0] and "arrcoc runs --online --projects" in said[0][1]
    qtbot.waitUntil(lambda: texts(page)[OTHER][2] == "cannot be read", timeout=SLOW_MS)
    wandb.set_scenario([])

    # Not listed any more: what is shown is one of ours again.
    page.projects.toggle(PLACE)
    qtbot.waitUntil(lambda: page.run is not None and page.run.id != OTHER, timeout=SLOW_MS)
    assert OTHER not in texts(page)
    for made in (writer, crashed, ours):
        made.close()
