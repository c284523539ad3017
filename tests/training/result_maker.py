"""A run that has ended, without a training: its folder with a selector, a record and pictures."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image
from small_experiment import SMALL

from arrcoc_core.paths import with_assignments
from arrcoc_core.resolving import resolve
from arrcoc_core.settings import load_settings
from arrcoc_core.stored import save_experiment
from training.hub.history import History
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.budget import Budget
from training.model.processing import Processor
from training.results import Results
from training.shaping import Sizing
from training.tracking import Picture, Row

SUMMARY = {
    "eval/accuracy": 0.9765625,
    "eval/accuracy_full": 0.9983723958333334,
    "eval/accuracy_random": 0.234375,
    "eval/accuracy_shuffled_question": 0.2578125,
    "eval/accuracy_teacher": 0.98828125,
    "eval/accuracy_uniform": 0.25,
    "eval/loss": 0.12345678901234568,
    "tokens/kept": 4.0,
    "tokens/total": 64.0,
    "train/loss": 0.1 + 0.2,
    "cost/usd": 1.2345,
}
RUN = "small-20261122t152001-ab12"


def make_result(runs: Path, *assignments: str, run_id: str = RUN, seed: int = 0, **summary: float) -> Path:
    """The folder of the run; `seed` is that of the selector's weights, `summary` what differs from SUMMARY."""
    run = runs / run_id
    run.mkdir(parents=True)
    resolved = resolve(with_assignments(SMALL, assignments), load_settings(runs, {}))
    save_experiment(resolved, run)
    values = {**SUMMARY, **summary}
    (run / "summary.json").write_text(json.dumps(values))
    model = ArrCocQwen.from_base("tiny", seed=seed)
    model.processor = Processor(Sizing("square", 64), visual_tokens=64, max_seq_length=64, budget=Budget(4))
    data = resolved.experiment.data.dataset
    results = Results(run_id, resolved, model, None, total_steps=12, dataset=data, base_sha256="f" * 64)
    fill(results.history)
    results.leave(run / "result", 12, values)
    return run


def fill(history: History, steps: int = 12) -> None:
    """A course of that many steps, evaluated at every third, with two pictures."""
    shown = tuple(
        Picture.encode(f"pictures/{k}", Image.new("RGB", (528, 256), (40 * k, 90, 160)), f"Q: what | is <b>{k}</b>?")
        for k in range(2)
    )
    for step in range(steps + 1):
        values = {"train/loss": 1.0 / (step + 1)}
        if step % 3 == 0:
            values |= {"eval/accuracy": step / (steps + 1), "eval/loss": 2.0 / (step + 1)}
        history.add(Row(step, values, shown if step % 3 == 0 else ()))
