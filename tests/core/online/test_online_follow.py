"""The follow child reads files and servers beside each other: neither waits for the other."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from run_writer import RunWriter
from wandb_files import write_segment

from arrcoc_core import get_online_run
from arrcoc_core.metrics import Follower, open_metrics
from arrcoc_core.online.servers import Server
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import Latency, NoNetwork

Write = Callable[..., RunWriter]


class Child:
    """The child, told lines, and what it has said."""

    def __init__(self) -> None:
        self.said: queue.Queue[dict[str, Any]] = queue.Queue()
        self.follower = Follower(self.said.put)

    def tell(self, line: dict[str, Any]) -> None:
        self.follower.tell(line)

    def until(self, fits: Callable[[dict[str, Any]], object], within_s: float = 30.0) -> dict[str, Any]:
        deadline = time.monotonic() + within_s
        seen: list[dict[str, Any]] = []
        while True:
            try:
                seen.append(self.said.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                raise AssertionError(seen[-5:]) from None
            if fits(seen[-1]):
                return seen[-1]


@pytest.fixture
def child(server: Server) -> Iterator[Child]:
    found = Child()
    yield found
    found.follower.close()


def rows(first: int, last: int) -> list[dict[str, float]]:
    return [{"trainer/step": i, "loss": 1 / (i + 1)} for i in range(first, last)]


def test_a_run_of_a_server_is_followed_to_its_end(server: Server, write: Write, child: Child) -> None:
    writer = write()
    writer.rows(rows(0, 5))
    run = get_online_run(writer.path)
    child.tell(run.watch_command(system=True, console=True))
    line = child.until(lambda line: line.get("rows"))
    assert (line["run"], line["rows"], line["steps"]) == (str(run.directory), 5, 5)
    assert line["changed"] == ["loss"]
    assert (line["state"], line["done"], line["offline"]) == ("running", False, "")
    assert line["behind_s"] < 5
    metrics = open_metrics(run.directory, refresh=False)
    writer.rows(rows(5, 8))
    writer.lines(["hello"])
    writer.system([{"_timestamp": 1.0, "system.cpu": 2.0}])
    steps = 0
    while steps < 8:
        steps = child.until(lambda line: line.get("rows"))["steps"]
    writer.end()
    assert child.until(lambda line: line.get("done"))["state"] == "finished"
    metrics.refresh()
    assert metrics.series("loss").step.tolist() == list(range(8))
    assert [line.text for line in metrics.console()] == ["hello"]
    child.tell({"unwatch": str(run.directory)})


def test_files_are_read_at_once_while_a_server_is_slow_and_then_away(
    box: Sandbox, server: Server, write: Write, child: Child, tmp_path: Path
) -> None:
    writer = write()
    writer.rows(rows(0, 3))
    run = get_online_run(writer.path)
    child.tell(run.watch_command())
    child.until(lambda line: line.get("rows"))
    local = tmp_path / "local"
    path = write_segment(local, rows(0, 2), finished=False)
    child.tell({"watch": str(local), "live": True})
    child.until(lambda line: line["run"] == str(local) and line.get("rows"))
    box.set_scenario([Latency(seconds=4.0, method="ArrcocLooks")])
    late: list[float] = []
    for i in range(2, 12):
        began = time.monotonic()
        write_segment(local, rows(0, i + 1), finished=False)
        child.until(lambda line, i=i: line["run"] == str(local) and line.get("steps") == i + 1)
        late.append(time.monotonic() - began)
    assert path.exists()
    assert sorted(late)[len(late) // 2] < 2.0, late  # every look at the server takes twice as long
    box.set_scenario([NoNetwork(service="wandb")])
    line = child.until(lambda line: line["run"] == str(run.directory) and line.get("offline"))
    assert line["behind_s"] > 3
    assert "cannot be reached" in line["offline"]
    box.set_scenario([])
    writer.rows(rows(3, 9))
    back = child.until(lambda line: line["run"] == str(run.directory) and line.get("steps") == 9)
    assert (back["offline"], back["behind_s"] < 5) == ("", True)


def test_the_light_half_of_the_child_imports_nothing_of_the_online_one() -> None:
    """Every child is started for files; what servers need is loaded with the first run of one."""
    code = (
        "import sys, arrcoc_core.metrics.follow; print([m for m in sys.modules if m.startswith('arrcoc_core.online')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.replace("'", '"')) == ["arrcoc_core.online", "arrcoc_core.online.watching"]
