"""A sandbox in which `arrcoc setup` has made everything, for tests that begin after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sandbox_settings import log_offline

from arrcoc_core.infra import World, run_setup
from arrcoc_core.sandbox import Sandbox, running
from arrcoc_core.settings import load_settings


@contextmanager
def ready_sandbox(root: Path, folder: Path) -> Iterator[Sandbox]:
    """The settings of the project `root` point at it while it lasts, and at nothing of the developer's shell.

    Runs log offline in it.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in [key for key in os.environ if key.startswith(("ARRCOC_", "WANDB_", "GOOGLE_", "CLOUDSDK_"))]:
            patch.delenv(name)
        patch.setenv("ARRCOC_CLOUD_ENDPOINTS", str(folder))
        log_offline(folder)
        with running(folder, speed=100) as box:
            run_setup(World.of(load_settings(root)), on_event=lambda event: None)
            yield box
