"""A run of this project that logs online from elsewhere: its mirror and its W&B server bring the same rows, whichever
comes first, and the row that was logged last counts."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from one_reader import OneReader
from run_writer import RunWriter
from wandb_files import write_segment

from arrcoc_core.api import get_run
from arrcoc_core.metrics import ingest, open_metrics
from arrcoc_core.online.own import OwnFeed
from arrcoc_core.online.servers import Server
from arrcoc_core.records import Event
from arrcoc_core.run import Run
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import NoNetwork
from arrcoc_core.settings import state_dir
from arrcoc_core.store import Store

Row = dict[str, object]


def attempt(first: int, last: int, scale: float, start: float) -> list[Row]:
    """What one attempt logs: numbers, a word, a picture."""
    return [
        {
            "trainer/step": i,
            "loss": scale / (i + 1),
            "word": f"w{scale}",
            "_timestamp": start + i - first,
            **({"p": {"_type": "image-file", "path": f"media/images/p_{i}.png"}} if i % 5 == 0 else {}),
        }
        for i in range(first, last)
    ]


# The second attempt logs again what the kill may have swallowed, and goes on.
ATTEMPTS = [(attempt(0, 40, 1.0, 1_000.0), 1_000.0), (attempt(25, 70, 2.0, 2_000.0), 2_000.0)]


def nested(row: Row) -> dict[tuple[str, ...] | str, object]:
    items: dict[tuple[str, ...] | str, object] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            items |= {(key, name): inner for name, inner in value.items()}
        else:
            items[key] = value
    return items


def mirror(directory: Path, which: int) -> None:
    rows, start = ATTEMPTS[which]
    write_segment(directory, [nested(row) for row in rows], start=start)


def upload(run: RunWriter, which: int) -> None:
    run.rows(ATTEMPTS[which][0])


@pytest.mark.parametrize("seed", range(6))
def test_any_order_of_the_two_ends_in_the_same_rows(
    write: Callable[..., RunWriter], read: Callable[..., OneReader], tmp_path: Path, seed: int
) -> None:
    run = write()
    reader = read(run, "both", mirrored=True)
    reader.directory.mkdir()
    acts = [
        ("mirror", lambda: mirror(reader.directory, 0)),
        ("mirror", lambda: mirror(reader.directory, 1)),
        ("server", lambda: upload(run, 0)),
        ("server", lambda: upload(run, 1)),
    ]
    # Each source brings its attempts in their order; one of them may be behind by all of it.
    chance = random.Random(seed)
    order = chance.sample([0, 0, 2, 2], 4)
    counts = {0: 0, 2: 0}
    for which in order:
        acts[which + counts[which]][1]()
        counts[which] += 1
        if chance.random() < 0.7:
            ingest(reader.directory)
        if chance.random() < 0.7:
            reader.all()
    ingest(reader.directory)
    reader.all()
    want = write_segments(tmp_path / "alone")
    got = open_metrics(reader.directory, refresh=False)
    assert list(got.rows()) == list(want.rows())
    for name in ("loss", "trainer/step"):
        assert got.series(name).value.tolist() == want.series(name).value.tolist()
    assert got.series("loss").time.tolist() == want.series("loss").time.tolist()
    assert [(one.step, one.key) for one in got.media()] == [(one.step, one.key) for one in want.media()]
    assert got.steps == 70


def write_segments(directory: Path) -> object:
    for which in (0, 1):
        mirror(directory, which)
    return open_metrics(directory)


def test_rows_of_the_server_are_there_before_the_mirror_has_any(
    write: Callable[..., RunWriter], read: Callable[..., OneReader]
) -> None:
    run = write()
    reader = read(run, "both", mirrored=True)
    reader.directory.mkdir()
    metrics = open_metrics(reader.directory)
    upload(run, 0)
    reader.all()
    metrics.refresh()
    assert metrics.series("loss").step.tolist() == list(range(40))
    epoch = json.loads((reader.directory / "metrics" / "index.json").read_text())["epoch"]
    mirror(reader.directory, 0)
    ingest(reader.directory)
    metrics.refresh()
    assert metrics.series("loss").rewritten == 0  # the same rows by another way change nothing
    assert json.loads((reader.directory / "metrics" / "index.json").read_text())["epoch"] == epoch
    assert metrics.media()[0].path.is_relative_to(reader.directory.resolve())


def own_run(server: Server, box: Sandbox, run: RunWriter) -> Run:
    """A run of the store that trains in the cloud of this sandbox and logs online."""
    state = state_dir(server.root)
    with Store(state / "store.db") as store:
        about = {"experiment": "mine", "fingerprint": "f", "code": "c", "target": "vertex"}
        store.append([Event(run.run_id, "created", 1.0, data=about)])
    directory = state / "runs" / run.run_id
    directory.mkdir(parents=True)
    (directory / "plan.json").write_text(json.dumps({"cloud": {"endpoints": str(box.folder)}}))
    place = {"url": "x", "entity": run.entity, "project": run.project, "id": run.run_id}
    (directory / "wandb.json").write_text(json.dumps(place))
    return get_run(run.run_id, root=server.root)


def test_a_run_of_the_store_shows_what_its_server_has(
    write: Callable[..., RunWriter], server: Server, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARRCOC_CLOUD_ENDPOINTS")  # it goes by those that it was launched with
    monkeypatch.setattr("arrcoc_core.online.own._PATIENCE_S", 0.0)
    writer = write("own")
    upload(writer, 0)
    run = own_run(server, box, writer)
    assert run.metrics().series("loss").step.tolist() == list(range(40))
    assert run.offline == ""
    box.set_scenario([NoNetwork(service="wandb", times=None)])
    mirror(run.directory, 0)
    mirror(run.directory, 1)
    assert run.metrics().series("loss").step.tolist() == list(range(70))
    assert "cannot be reached" in run.offline
    box.set_scenario([])


def test_it_is_fed_for_as_long_as_somebody_watches(
    write: Callable[..., RunWriter], server: Server, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARRCOC_CLOUD_ENDPOINTS")
    monkeypatch.setattr("arrcoc_core.online.own.BEHIND_S", 0.5)
    writer = write("own")
    upload(writer, 0)
    run = own_run(server, box, writer)
    feed = OwnFeed()
    try:
        metrics = open_metrics(run.directory)

        def until(fits: Callable[[], object]) -> None:
            deadline = time.monotonic() + 30
            while not fits():
                assert time.monotonic() < deadline
                time.sleep(0.05)
                said.append(feed.watch(run))
                metrics.refresh()

        said: list[str] = []
        until(lambda: metrics.steps == 40)
        box.set_scenario([NoNetwork(service="wandb", times=None)])
        until(lambda: any("behind W&B by" in one for one in said))
        box.set_scenario([])
        upload(writer, 1)
        until(lambda: metrics.steps == 70 and said[-1] == "")
    finally:
        feed.close()
