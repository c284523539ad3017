"""The hard set: what the selector is worth at the same number of tokens, against its teacher and every rule."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from training.batches import Collate
from training.compare import Terms, compare
from training.comparison import Comparison
from training.data import Synthetic
from training.model.arrcoc_qwen import ArrCocQwen
from training.passes import Passes
from training.shaping import Sizing
from training.trained import load_trained

REPOSITORY = Path(__file__).resolve().parents[2]
SEEDS = 5
RULES_TO_BEAT = ("random", "uniform", "edges", "cosine", "diversity")
Record = Callable[..., None]


@pytest.mark.timeout(1800)
def test_the_hard_base_needs_the_right_tokens(full: bool) -> None:
    """What makes the set hard, of any trained selector's doing: no rule without a full pass comes near the teacher."""
    model = ArrCocQwen.from_base("tiny-hard")
    samples = Synthetic("validation", 1024 if full else 64, Sizing("square", 64), together=1, hard=True)
    collate = Collate(model.base.tokenizer, 64)
    found = compare(Passes(model), [], samples, collate, Terms(("1/8", "1/16"), seeds=1, tries=4))
    assert found.full.mean() > 0.97
    for keep in found.budgets:
        teacher = found.line("teacher").right[keep].mean()
        assert found.line("best found").right[keep].mean() >= teacher > 0.6
        for name in RULES_TO_BEAT[:4]:
            assert teacher - found.line(name).right[keep].mean() > 0.25, (name, keep)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_the_selector_goes_past_its_teacher(tmp_path: Path, figures: Record) -> None:
    found = _five_seeds(tmp_path)
    for keep in found.budgets[-2:]:  # 1/8 and 1/16
        gain = found.against("hard_seeds", "teacher", keep)
        figures(f"hard set, K={keep}, past the teacher", points=100 * gain.mean, low=100 * gain.low)
        assert gain.low > 0
        for name in RULES_TO_BEAT:
            lead = found.against("hard_seeds", name, keep)
            figures(f"hard set, K={keep}, past {name}", points=100 * lead.mean, low=100 * lead.low)
            assert lead.mean > 0.25, (name, keep)


def _five_seeds(folder: Path) -> Comparison:
    """Train `hard` with seeds 0 to 4 and compare on 1,024 held-out questions."""
    from arrcoc_core.resolving import resolve
    from arrcoc_core.settings import load_settings
    from arrcoc_core.stored import save_experiment
    from experiments.hard import hard_seeds

    runs = [folder / f"seed-{seed}" for seed in range(SEEDS)]
    for run, experiment in zip(runs, hard_seeds, strict=True):
        run.mkdir()
        save_experiment(resolve(experiment, load_settings(REPOSITORY)), run)
    with ThreadPoolExecutor(os.cpu_count()) as trainers:  # one core each: so small a base gains little from a second
        list(trainers.map(_train, runs))
    ended = load_trained(runs, torch.device("cpu"))
    samples = Synthetic("validation", 1024, Sizing("square", 64), together=1, hard=True)
    collate = Collate(ended.passes.model.base.tokenizer, 64)
    return compare(ended.passes, ended.trained, samples, collate)


def _train(run: Path) -> None:
    environment = {**os.environ, "WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "training.train", str(run)], cwd=REPOSITORY, env=environment, check=True)
