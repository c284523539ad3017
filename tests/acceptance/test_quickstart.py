"""The main job: one launch of `quickstart` a seed, on questions about pictures that nothing was trained on."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from arrcoc_core import get_run
from arrcoc_core.metrics import open_metrics

# Chart and picture deadlines and the bound on all three launches hold for 2 quiet cores: judged only at full size.
REDUCED = ("data.max_train_samples=4800", "evaluation.samples=256", "evaluation.every_n_steps=100")
FIRST_POINT_S, FIRST_PICTURE_S, THREE_LAUNCHES_S = 10, 20, 12 * 60


@pytest.mark.timeout(1500)
def test_quickstart_learns(full: bool, project: Path, arrcoc: list[str], figures: Callable[..., None]) -> None:
    total = 0.0
    for seed in (0, 1, 2) if full else (0,):
        launched_at = time.time()
        sets = [] if full else ["--set", *REDUCED]
        command = [*arrcoc, "launch", "quickstart", "--set", f"train.seed={seed}", *sets, "--watch"]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        took = time.time() - launched_at
        total += took
        assert done.returncode == 0, done.stdout + done.stderr

        listed = subprocess.run([*arrcoc, "runs", "--json"], cwd=project, capture_output=True, text=True, check=True)
        row = json.loads(listed.stdout)[0]
        summary = row["summary"]
        assert row["state"] == "succeeded"
        run = get_run(row["id"], root=project)
        assert run.resolved.experiment.evaluation.samples == (1024 if full else 256)
        assert run.resolved.experiment.tokens.keep == 4
        assert (summary["tokens/kept"], summary["tokens/total"]) == (4, 64)

        metrics = open_metrics(run.directory)
        first_point = min(metrics.series(name).time[0] for name in metrics.names) - launched_at
        pictures = [media for media in metrics.media() if media.key.startswith("pictures/")]
        first_picture = min(media.path.stat().st_mtime for media in pictures) - launched_at
        figures(
            f"quickstart/seed-{seed}",
            **{name: summary[name] for name in sorted(summary) if name.startswith("eval/")},
            seconds=round(took, 1),
            first_point_s=round(first_point, 2),
            first_picture_s=round(first_picture, 2),
        )

        assert summary["eval/accuracy_full"] >= 0.99
        assert summary["eval/accuracy"] >= (0.98 if full else 0.9)
        assert summary["eval/accuracy_random"] < 0.40
        assert summary["eval/accuracy_uniform"] < 0.40
        assert summary["eval/accuracy_shuffled_question"] <= summary["eval/accuracy"] - 0.25
        assert summary["base/unchanged"] == 1.0
        if full:
            assert first_point <= FIRST_POINT_S
            assert first_picture <= FIRST_PICTURE_S
    figures("quickstart/all", seconds=round(total, 1))
    if full:
        assert total <= THREE_LAUNCHES_S
