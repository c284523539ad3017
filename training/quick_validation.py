"""Does training work here? `python training/quick_validation.py [EXPERIMENT]`: 100 samples, 10 epochs, pass or fail.

The experiment (default: quickstart) is trained as it is, only shorter and always on this machine, in a folder that is
thrown away (or `--out`): once from beginning to end, and once more killed in the middle and resumed. Checked, a line
each:

- gradients reach every trainable tensor of the selector, and the base has none;
- the loss falls;
- held-out accuracy ends above the reference lines (random and uniform selection at the same K);
- memory stays flat once it has settled;
- the base is bitwise what it was;
- the resumed run ends in the same selector, to the bit, with the same rows.

Exit codes: 0 all passed; 1 something did not; 2 the experiment cannot run here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if not __package__:  # run as a file: this folder must not be where modules are looked up, its parent must
    sys.path[0] = str(Path(__file__).resolve().parents[1])

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import argparse
import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from arrcoc_core.compute import Local
from arrcoc_core.errors import ArrcocError, ConfigError, ExperimentError, RunError, render
from arrcoc_core.experiment import Experiment
from arrcoc_core.references import judged_by
from arrcoc_core.resolved import ResolvedExperiment
from arrcoc_core.stored import save_experiment
from training.model.files import WEIGHTS

SAMPLES = 100
EPOCHS = 10
HELD_OUT = 256
GROWTH = 1.05  # of the peak memory between a third of the way and the end
_LOOK_S = 0.1
Row = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, whether it is as it should be, and what was found."""

    name: str
    passed: bool
    found: str

    def __str__(self) -> str:
        return f"{'pass' if self.passed else 'FAIL'}  {self.name}: {self.found}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Validate the experiment named on the command line; the exit code."""
    parser = argparse.ArgumentParser(description="Does training work here? A short one, with its checks.")
    parser.add_argument("experiment", nargs="?", default="quickstart", help="by name (default: quickstart)")
    parser.add_argument("--samples", type=int, default=SAMPLES, help=f"questions per epoch (default {SAMPLES})")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"default {EPOCHS}")
    parser.add_argument("--out", type=Path, help="keep the two runs in this folder")
    given = parser.parse_args(arguments)
    if given.samples < 1 or given.epochs < 1:
        parser.error(f"--samples {given.samples} --epochs {given.epochs}: both are to be at least 1")
    began = time.monotonic()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="arrcoc-quick-") as scratch:
        try:
            resolved = shortened(given.experiment, given.samples, given.epochs)
            for check in validate(resolved, given.out or Path(scratch)):
                print(check, flush=True)
                failed += not check.passed
        except ArrcocError as error:
            print(render(error), file=sys.stderr, flush=True)
            return error.exit_code
    verdict = "all passed" if not failed else f"{failed} failed"
    print(f"{verdict} in {(time.monotonic() - began) / 60:.1f} min")
    return 1 if failed else 0


def shortened(name: str, samples: int, epochs: int) -> ResolvedExperiment:
    """The experiment `name` with fewer questions, a step every 10 of them, and checkpoints and evaluations to match."""
    from arrcoc_core.discovery import discover
    from arrcoc_core.resolving import resolve
    from arrcoc_core.settings import find_root, load_settings

    root = find_root()
    entry = discover(root).find(name)
    if entry.experiment is None:
        raise ExperimentError(str(entry.error), file=entry.file, line=entry.line)
    whole = resolve(entry.experiment, load_settings(root)).experiment
    per_step = min(10, samples)
    steps = -(-samples // per_step) * epochs
    return resolve(_short(whole, samples, epochs, per_step, steps), load_settings(root))


def validate(resolved: ResolvedExperiment, folder: Path) -> Iterator[Check]:
    """All checks, each as soon as it is known. Leaves the runs `straight` and `killed` in `folder`."""
    yield from check_gradients(resolved.experiment)
    total = resolved.total_steps
    assert total is not None
    straight = _make_run(resolved, folder / "straight")
    _train(straight)
    rows = _rows(straight)
    yield check_loss(rows)
    yield check_accuracy(json.loads((straight / "summary.json").read_text(encoding="utf-8")))
    yield check_memory(rows)
    yield check_base(straight)
    killed = _make_run(resolved, folder / "killed")
    at = _train(killed, kill_at=total // 2)
    _train(killed)
    selectors = [(run / "result" / WEIGHTS).read_bytes() for run in (straight, killed)]
    yield check_resume(selectors, [rows, _rows(killed)], at)


def check_gradients(experiment: Experiment) -> Iterator[Check]:
    """Three steps on one batch through the experiment's objectives: the balancer's first layers begin to learn only
    when its last one, which begins at zero, has moved."""
    import torch

    from training.batches import Collate
    from training.data import open_samples, pin
    from training.devices import World, choose_device
    from training.model.budget import Budget
    from training.model.registry import token_side
    from training.noise import noise_seeds
    from training.objectives import find_objective
    from training.passes import Passes, new_model

    train = experiment.train
    device = choose_device(experiment.compute, World(), lambda _: None)
    model = new_model(experiment, experiment.model.revision, device)
    passes = Passes(model, train.bf16)
    budget = Budget.of(experiment.tokens)
    samples, _ = open_samples(
        experiment.data,
        pin(experiment.data.dataset),
        experiment.evaluation.samples,
        token_side(experiment.model.base),
        budget.least(train.budgets),
    )
    collate = Collate.of(model.base.tokenizer, experiment.data)
    batch = collate([samples.get(index) for index in range(min(len(samples), train.batch_size))])
    objective = find_objective(train.objective, train.first_share)
    optimizer = torch.optim.AdamW(model.selector.parameters(), lr=train.learning_rate)
    trained = dict(model.selector.named_parameters())
    reached: dict[str, bool] = {name: False for name, p in trained.items() if p.requires_grad}
    broken: set[str] = set()
    for step, progress in enumerate((0.0, 0.0, 1.0), 1):  # both objectives, where there are two
        optimizer.zero_grad()
        passes.loss(
            batch,
            objective,
            budget.in_step(step, train.budgets),
            seeds=noise_seeds(train.seed, step, 0, len(batch.questions)),
            progress=progress,
            selections=train.selections,
            recompute=train.gradient_checkpointing,
        ).backward()
        for name in reached:
            gradient = trained[name].grad
            reached[name] |= gradient is not None and bool(gradient.any())
            if gradient is not None and not bool(gradient.isfinite().all()):
                broken.add(name)
        optimizer.step()
    leaked = [name for name, p in model.base.model.named_parameters() if p.requires_grad or p.grad is not None]
    yield check_reached(reached, broken, leaked, sum(trained[name].numel() for name in reached))


def check_reached(reached: dict[str, bool], broken: set[str], leaked: Sequence[str], parameters: int) -> Check:
    """reached: trainable tensors, and whether a gradient that is not all zero came there; broken: those where one was
    not finite; leaked: tensors of the base that have one, or could."""
    missing = [name for name, came in reached.items() if not came]
    found = f"{len(reached)} trainable tensors, {parameters:,} parameters"
    if missing:
        found = f"none at {', '.join(missing)}"
    elif broken:
        found = f"not finite at {', '.join(sorted(broken))}"
    elif leaked:
        found = f"the frozen base has some at {', '.join(leaked[:3])}"
    return Check("gradients reach the selector and not the base", not (missing or broken or leaked), found)


def check_loss(rows: Sequence[Row]) -> Check:
    """The mean of the last tenth of the steps is below that of the first tenth."""
    losses = [row["train/loss"] for row in rows if "train/loss" in row]
    part = max(1, len(losses) // 10)
    first, last = sum(losses[:part]) / part, sum(losses[-part:]) / part
    return Check("the loss falls", last < first, f"{first:.4f} to {last:.4f} over {len(losses)} steps")


def check_accuracy(summary: Row) -> Check:
    """Of the held-out questions, against random and uniform selection at the same K: by the official VQA accuracy,
    where several people answered them."""
    judged = judged_by(summary)
    ours = summary[judged]
    lines = {name: summary[f"{judged}_{name}"] for name in ("random", "uniform")}
    found = f"{ours:.1%}; " + ", ".join(f"{name} {value:.1%}" for name, value in lines.items())
    return Check("accuracy rises above the reference lines", ours > max(lines.values()), found)


def check_memory(rows: Sequence[Row]) -> Check:
    """The most that was used, a third of the way and at the end."""
    used = [row["perf/memory_gb"] for row in rows if "perf/memory_gb" in row]
    settled, end = used[len(used) // 3], used[-1]
    found = f"{settled:.3f} GB after a third of the steps, {end:.3f} GB at the end"
    return Check("memory stays flat", end <= settled * GROWTH, found)


def check_base(run: Path) -> Check:
    """By the hash that the trainer took before and after."""
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    unchanged = summary.get("base/unchanged") == 1.0
    return Check("the frozen base is unchanged", unchanged, "same SHA-256" if unchanged else "another SHA-256")


def check_resume(selectors: Sequence[bytes], rows: Sequence[Sequence[Row]], at: int) -> Check:
    """Selector bytes and all rows but those of the clock; first of the straight run, then of the killed one."""
    ours, theirs = map(_comparable, rows)
    same = selectors[0] == selectors[1]
    different = next((k for k, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    if len(ours) != len(theirs):
        found = f"{len(theirs)} rows instead of {len(ours)}"
    elif different is not None:
        found = f"row {different} differs"
    else:
        found = f"killed in step {at}: {'same' if same else 'another'} selector, {len(ours)} equal rows"
    return Check("resume is exact", same and ours == theirs, found)


def _short(whole: Experiment, samples: int, epochs: int, per_step: int, steps: int) -> Experiment:
    # No more questions a pass than in the experiment, where more may not fit.
    a_pass = next(n for n in range(min(per_step, whole.train.batch_size), 0, -1) if per_step % n == 0)
    return whole.but(
        data=whole.data.but(max_train_samples=samples, num_workers=0),
        train=whole.train.but(batch_size=a_pass, gradient_accumulation_steps=per_step // a_pass, epochs=epochs),
        evaluation=whole.evaluation.but(
            every_n_steps=max(1, steps // 4), samples=min(HELD_OUT, whole.evaluation.samples), pictures=0
        ),
        checkpoints=whole.checkpoints.but(save_every_n_steps=max(1, steps // 10)),
        logging=whole.logging.but(every_n_steps=1),
        hub=whole.hub.but(repo=""),
        compute=whole.compute if isinstance(whole.compute, Local) else Local(),
    )


def _make_run(resolved: ResolvedExperiment, directory: Path) -> Path:
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(
            f"the run's folder {directory} cannot be made: {error.strerror}",
            remedy="Give --out a folder without an earlier validation, or leave it out.",
        ) from error
    save_experiment(resolved, directory)
    return directory


def _train(run: Path, kill_at: int | None = None) -> int:
    """Train in a process of its own, to the end or until it is killed after step `kill_at`; the last step seen."""
    command = [sys.executable, "-m", "training.train", str(run)]
    root = Path(__file__).resolve().parents[1]
    log = run / "train.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=root, stdout=output, stderr=output, env={**os.environ, "WANDB_MODE": "offline"}
        )
    step = 0
    try:
        while process.poll() is None:
            step = _step_of(run)
            if kill_at is not None and step >= kill_at:
                process.send_signal(signal.SIGKILL)
                process.wait()
                return step
            time.sleep(_LOOK_S)
    finally:
        if process.poll() is None:
            process.kill()
    if process.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise RunError(f"the training ended with exit code {process.returncode}:\n{tail}", remedy="See above.")
    return _step_of(run)


def _step_of(run: Path) -> int:
    try:
        return int(json.loads((run / "progress.json").read_text(encoding="utf-8")).get("step") or 0)
    except FileNotFoundError:
        return 0


def _rows(run: Path) -> list[Row]:
    from arrcoc_core.metrics import open_metrics

    return [dict(row) for row in open_metrics(run).rows()]


def _comparable(rows: Sequence[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if not name.startswith("perf/")} for row in rows]


if __name__ == "__main__":
    sys.exit(main())
