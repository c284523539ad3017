"""The child that keeps lists of projects fresh for the app: what it says, also of what is refused or away."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from run_writer import RunWriter

from arrcoc_core.online.servers import Server
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import NoNetwork

COMMAND = [sys.executable, "-m", "arrcoc_core.online.listed"]
PATIENCE_S = 60.0


class Child:
    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True)
        self._lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def line(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The next line that is wanted."""
        while not wanted(found := self._lines.get(timeout=PATIENCE_S)):
            continue
        return found

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    made: list[Child] = []

    def start(*arguments: str) -> Child:
        made.append(Child(*arguments))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_a_list_is_told_whole_and_then_what_changes_and_what_is_in_the_way(
    box: Sandbox, server: Server, write: Callable[..., RunWriter], place: str, child: Callable[..., Child]
) -> None:
    first, second = write("one", config={"name": "k64"}), write("two")
    first.rows([{"trainer/step": 0, "loss": 1.0}])
    told = child("runs", "--every", "0.3", f"sandbox/{place}", "sandbox/is-not-there")
    whole = told.line(lambda line: line.get("whole"))
    assert (whole["asked"], whole["place"], whole["total"]) == (f"sandbox/{place}", f"sandbox/{place}", 2)
    run = next(run for run in whole["runs"] if run["id"] == "one")
    assert run["summary"]["loss"] == 1.0 and run["user"] == "sandbox" and run["url"].endswith("/runs/one")
    assert run["watch"]["online"]["path"] == first.path and run["watch"]["online"]["only"]
    refused = told.line(lambda line: line["asked"].endswith("is-not-there"))
    assert "is-not-there" in refused["trouble"]["message"] and refused["trouble"]["fixes"]

    second.end()
    changed = told.line(lambda line: line.get("runs"))
    assert not changed["whole"] and [(one["id"], one["state"]) for one in changed["runs"]] == [("two", "finished")]
    box.set_scenario([NoNetwork(service="wandb")])
    away = told.line(lambda line: line.get("offline"))
    assert away["asked"] == f"sandbox/{place}" and away["behind_s"] > 0
    box.set_scenario([])
    back = told.line(lambda line: "total" in line)
    assert back["runs"] == [] and not back.get("offline")  # nothing has changed: it has caught up


def test_projects_are_listed(server: Server, write: Callable[..., RunWriter], place: str) -> None:
    write("one")
    done = subprocess.run([*COMMAND, "projects"], capture_output=True, text=True, check=True)
    listed = [json.loads(line) for line in done.stdout.splitlines()]
    assert ("sandbox", place) in [(one["entity"], one["name"]) for one in listed]
