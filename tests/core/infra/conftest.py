"""A world in a fresh sandbox, with every API on unless a test turns them off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from arrcoc_core.cloud.names import Names
from arrcoc_core.infra.events import Event
from arrcoc_core.infra.running import Outcome, run_setup
from arrcoc_core.infra.services import APIS
from arrcoc_core.infra.world import World
from arrcoc_core.sandbox import Sandbox

PROJECT = "arrcoc-sandbox"


@pytest.fixture
def world(sandbox: Sandbox) -> World:
    usage = sandbox.box.service("serviceusage")
    with sandbox.box.state.transaction():
        for api in APIS:
            usage.switch(api, True)
    return World(sandbox.cloud(), Names(PROJECT, "us-central1", "mine"), request_quota=True)


@pytest.fixture
def set_up() -> Callable[..., Outcome]:
    """Run setup quietly; `events` collects what is told."""

    def run(world: World, events: list[Event] | None = None, **changes: Any) -> Outcome:
        kept = events if events is not None else []
        return run_setup(replace(world, **changes), on_event=kept.append)

    return run
