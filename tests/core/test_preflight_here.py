"""A launch on this machine that logs online or uploads: looked at for three seconds, and stopped by few things."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session
from sandbox_settings import log_as_found, log_online

from arrcoc_core import Experiment, Hub, Local
from arrcoc_core.api import stage
from arrcoc_core.errors import PlanError
from arrcoc_core.facts import Check
from arrcoc_core.sandbox import Sandbox, running
from arrcoc_core.sandbox.faults import Latency, NoNetwork, RevokedCredentials
from arrcoc_core.staging import Staged

HERE = Experiment(name="here", hub=Hub(repo=""), compute=Local())


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, sandbox_key: str) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    (folder / "key.json").write_text(sandbox_key, encoding="utf-8")
    with running(folder, speed=100) as sandbox:
        yield sandbox
        close_session()


@pytest.fixture
def staged(box: Sandbox, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Staged]]:
    """A launch up to where something would be created, with its key found or WANDB_MODE=online."""
    monkeypatch.setenv("ARRCOC_CLOUD_ENDPOINTS", str(box.folder))

    def make(experiment: Experiment = HERE, *, asked: bool = False, more: str = "") -> Staged:
        (log_online if asked else log_as_found)(box.folder)
        with (box.folder / ".training").open("a", encoding="utf-8") as own:
            own.write(more)
        return stage(experiment)

    yield make
    box.set_scenario([])


def looked(staged: Staged) -> dict[str, Check]:
    rows: list[Check] = []
    staged.look(rows.append)
    return {row.name: row for row in rows}


def test_a_key_that_is_taken_says_whose_the_run_is(box: Sandbox, staged: Callable[..., Staged]) -> None:
    launch = staged()
    assert looked(launch) == {"W&B": Check("W&B", True, "sandbox may write to sandbox/arr-coc-0-1")}
    assert launch.checked and launch.plans[0].environment["WANDB_ENTITY"] == "sandbox"
    before = len(box.requests())
    looked(staged())
    assert len(box.requests()) == before, "found out a moment ago"


def test_a_key_that_is_not_taken_stops_only_who_asked_for_online(box: Sandbox, staged: Callable[..., Staged]) -> None:
    box.set_scenario([RevokedCredentials(service="wandb", times=None)])
    launch = staged()
    row = looked(launch)["W&B"]
    assert row.unknown and "does not take this machine's W&B key" in row.detail and "this run logs beside" in row.detail
    assert launch.checked and launch.plans[0].environment["WANDB_MODE"] == "offline"
    assert "it logs offline" in launch.plans[0].warnings[-1]
    with pytest.raises(PlanError, match="does not take this machine's W&B key") as raised:
        staged(asked=True).check()
    assert "arrcoc sandbox start" in raised.value.remedy


def test_an_entity_without_a_right_is_named_with_what_would_do(staged: Callable[..., Staged]) -> None:
    with pytest.raises(PlanError, match="sandbox may not write to others") as raised:
        staged(asked=True, more="WANDB_ENTITY=others\n").check()
    assert "WANDB_ENTITY=sandbox in .training" in raised.value.remedy
    launch = staged(more="WANDB_ENTITY=others\n")
    assert looked(launch)["W&B"].unknown and launch.plans[0].environment["WANDB_MODE"] == "offline"


@pytest.mark.parametrize("fault", [NoNetwork(service="wandb"), Latency(service="wandb", seconds=30.0)])
def test_a_server_that_does_not_answer_costs_three_seconds_and_no_launch(
    box: Sandbox, staged: Callable[..., Staged], fault: NoNetwork | Latency
) -> None:
    box.set_scenario([fault])
    for asked in (False, True):
        launch = staged(asked=asked)
        begun = time.monotonic()
        row = looked(launch)["W&B"]
        assert time.monotonic() - begun < 6, "three seconds, and what a busy machine adds"
        assert row.unknown and launch.checked
        assert launch.plans[0].environment["WANDB_MODE"] == "online", "the trainer tries for itself when it starts"


def test_where_the_result_cannot_go_is_said_before_it_is_trained(box: Sandbox, staged: Callable[..., Staged]) -> None:
    mine = Experiment(name="here", hub=Hub(repo="sandbox/result", private=True, at_best=False), compute=Local())
    assert looked(staged(mine))["Hub"] == Check("Hub", True, "sandbox/result: is made by the upload")
    for repo, says in (("YOUR_USERNAME/x", "still says YOUR_USERNAME"), ("others/x", "may not write to others/x")):
        with pytest.raises(PlanError, match=says):
            staged(mine.but(hub=mine.hub.but(repo=repo))).check()
    box.set_scenario([NoNetwork(service="huggingface")])
    launch = staged(mine)
    assert looked(launch)["Hub"].unknown and launch.checked
