"""`arrcoc watch` and `arrcoc adopt` where there is nothing, and what they say of events."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from arrcoc_core.cli.watch import line
from arrcoc_core.records import Event
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.settings import state_dir
from arrcoc_core.store import Store


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Event("r", "preparation", 0.0, data={"state": "working", "detail": "step 2"}), "r  preparing: step 2"),
        (
            Event("r", "attempt_started", 0.0, 1, data={"region": "us-east1", "provisioning": "spot"}),
            "r  attempt 1: us-east1, spot",
        ),
        (
            Event("r", "attempt_ended", 0.0, 1, "taken away", {"state": "preempted", "cost_usd": 0.25}),
            "r  attempt 1 preempted, $0.2500: taken away",
        ),
        (Event("r", "out_of_sight", 0.0, cause="no network"), "r  cannot be observed just now: no network"),
        (Event("r", "ended", 0.0, cause="", data={"state": "succeeded"}), "r  succeeded"),
    ],
)
def test_each_event_is_a_line(event: Event, said: str) -> None:
    assert line(event).partition("  ")[2] == said


def arrcoc_says(arrcoc: list[str], root: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run([*arrcoc, *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_where_no_run_is_going_watch_ends_at_once(project: Path, arrcoc: list[str]) -> None:
    assert arrcoc_says(arrcoc, project, "watch") == (0, "No run is going in the cloud.\n")
    state_dir(project).mkdir()
    Store(state_dir(project) / "store.db").close()
    assert arrcoc_says(arrcoc, project, "watch") == (0, "No run is going in the cloud.\n")
    assert arrcoc_says(arrcoc, project, "watch", "--json") == (0, "")


def test_a_run_that_is_nowhere_cannot_be_adopted(project: Path, arrcoc: list[str], sandbox: Sandbox) -> None:
    for service in ("storage",):
        sandbox.box.service("serviceusage").switch(f"{service}.googleapis.com", True)
    code, said = arrcoc_says(arrcoc, project, "adopt", "nowhere")
    assert code == 2 and "nowhere" in said and "Traceback" not in said
