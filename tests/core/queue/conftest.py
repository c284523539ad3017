"""A sandbox whose W&B has our queue, for the tests of one module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from arrcoc_core.queue.client import QueueClient
from arrcoc_core.queue.shape import wanted_setup
from arrcoc_core.sandbox import Sandbox, running
from arrcoc_core.settings import Settings, load_settings
from tests.core.queue.bench import QUEUE

SPEED = 1000
"""A lease of a minute ends after 60 ms."""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory, sandbox_key: str) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("sandbox")
    (folder / "key.json").write_text(sandbox_key, encoding="utf-8")
    with running(folder, speed=SPEED) as made:
        yield made


@pytest.fixture
def settings(box: Sandbox, tmp_path: Path) -> Settings:
    return load_settings(tmp_path, {"ARRCOC_CLOUD_ENDPOINTS": str(box.folder)})


@pytest.fixture
def client(box: Sandbox, settings: Settings) -> Iterator[QueueClient]:
    """Of an entity whose queue is there and empty, with no faults."""
    made = QueueClient.of(settings)
    made.delete(QUEUE)
    made.ensure(QUEUE, wanted_setup(settings))
    yield made
    box.set_scenario([])
    made.client.close()
