"""The walk on Google Cloud itself: `make live-check`, for whoever has an account. Capped at one dollar.

It needs a `.training` with GCP_PROJECT_ID, credentials, billing, and spot quota for one L4 in the region of
`.training`. Everything it makes carries a name of its own (PROJECT_NAME=arrcoc-live-check) and is removed at the end,
also when it fails in between.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cloud_walk import Walk, leave, walk, write_experiment

from arrcoc_core import load_settings
from arrcoc_core.cloud.names import Names

REPOSITORY = Path(__file__).resolve().parents[2]
OWNER = "arrcoc-live-check"


@pytest.mark.live
@pytest.mark.timeout(3 * 3600)
def test_the_walk_on_google_cloud(project: Path, figures: Callable[..., None]) -> None:
    assert (REPOSITORY / ".training").is_file(), "cp .training.starter .training   and set GCP_PROJECT_ID"
    shutil.copy2(REPOSITORY / ".training", project / ".training")
    environment = {"ARRCOC_PROJECT_NAME": OWNER, "ARRCOC_CLOUD_ENDPOINTS": ""}
    names = Names.of(load_settings(project, environment))
    assert names.project, "set GCP_PROJECT_ID in .training"
    write_experiment(project)
    steps = Walk(project, environment, timeout_s=2 * 3600)
    try:
        run = walk(steps)
    finally:
        leave(steps, names.owner, names.runs_bucket)
    figures("live check", cost_usd=run["cost_usd"], attempts=len(run["attempts"]), project=names.project)
