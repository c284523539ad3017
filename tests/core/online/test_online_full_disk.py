"""No room for what was read: one message with its repair, nothing that was counted is lost, and reading goes on later.

A full disk is played where Python hands bytes to the system: the calls fail as they fail then, with ENOSPC.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from one_reader import OneReader
from run_writer import RunWriter
from wandb_files import write_segment

from arrcoc_core.errors import MetricsError
from arrcoc_core.metrics import ingest, open_metrics
from arrcoc_core.online.addresses import parse_run_path
from arrcoc_core.online.polling import Pace, Poller
from arrcoc_core.online.servers import Server


def rows(first: int, last: int) -> list[dict[str, Any]]:
    return [{"trainer/step": i, "loss": 1 / (i + 1), "word": f"w{i}"} for i in range(first, last)]


@contextmanager
def room_for(count: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The disk takes so many more writes of any kind."""
    left = count

    def bounded(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            nonlocal left
            if left <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            left -= 1
            return real(*args, **more)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", bounded(os.pwrite))
        patch.setattr(Path, "write_text", bounded(Path.write_text))
        patch.setattr(Path, "write_bytes", bounded(Path.write_bytes))
        yield


@pytest.mark.parametrize("room", [0, 1, 2, 4, 6, 8])
def test_wherever_it_fills_up_what_was_there_stays_and_the_rest_comes_later(
    write: Callable[..., RunWriter], read: Callable[..., OneReader], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    run = write()
    run.rows(rows(0, 50))
    reader = read(run)
    reader.all()
    metrics = open_metrics(reader.directory, refresh=False)
    before = list(metrics.rows())
    run.rows([*rows(20, 30), *rows(50, 80), {"trainer/step": 7, "late": 1.0}])  # written over, behind, in between
    with room_for(room, monkeypatch), pytest.raises(MetricsError, match="The disk is full") as caught:
        reader.all()
    assert "Free some space" in caught.value.remedy
    assert list(open_metrics(reader.directory, refresh=False).rows())[: len(before)] == before
    metrics.refresh()
    assert list(metrics.rows()) == before
    reader.all()
    metrics.refresh()
    want = rows(0, 80)
    want[7] = {"trainer/step": 7, "late": 1, "loss": 1 / 8, "word": "w7"}
    assert list(metrics.rows()) == want
    assert sorted(path.name for path in reader.directory.rglob("*.json.*")) == []  # no rests of what did not fit


def test_a_file_of_this_machine_is_read_on_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_segment(tmp_path, rows(0, 50), finished=False)
    ingest(tmp_path)
    write_segment(tmp_path, rows(0, 90))
    with room_for(3, monkeypatch), pytest.raises(MetricsError, match="The disk is full"):
        ingest(tmp_path)
    assert open_metrics(tmp_path, refresh=False).steps == 50
    ingest(tmp_path)
    assert list(open_metrics(tmp_path).rows()) == rows(0, 90)


def test_the_poller_says_it_once_and_goes_on(
    write: Callable[..., RunWriter], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    said: list[dict[str, Any]] = []
    poller = Poller(said.append, pace=Pace(visible_s=0.02, busy_s=0.02, refused_s=0.2))
    try:
        run = write()
        run.rows(rows(0, 5))
        directory = tmp_path / "watched"
        poller.watch(directory, server, parse_run_path(run.path))
        deadline = time.monotonic() + 20
        while not any(line.get("rows") for line in said) and time.monotonic() < deadline:
            time.sleep(0.01)
        with room_for(0, monkeypatch):
            run.rows(rows(5, 9))
            time.sleep(0.6)
        while open_metrics(directory, refresh=False).steps < 9 and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        poller.close()
    assert [line["error"].split(":")[0] for line in said if "error" in line] == ["The disk is full"]
    assert list(open_metrics(directory, refresh=False).rows()) == rows(0, 9)
