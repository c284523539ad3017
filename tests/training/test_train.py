"""The trainer as a process: what it leaves, how it stops, and that it goes on as if it had not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from arrcoc_core.metrics import open_metrics
from training.train import rate

Start = Callable[..., Any]
MakeRun = Callable[..., Path]

METRICS = {
    "train/loss",
    "train/learning_rate",
    "eval/accuracy",
    "eval/loss",
    "eval/accuracy_random",
    "eval/accuracy_uniform",
    "eval/accuracy_full",
    "eval/accuracy_teacher",
    "eval/accuracy_shuffled_question",
    "tokens/kept",
    "tokens/total",
    "perf/samples_per_s",
    "perf/tokens_per_s",
    "perf/data_wait",
    "perf/step_s",
    "perf/memory_gb",
}


def selector_bytes(run: Path) -> bytes:
    return (run / "result" / "selector.safetensors").read_bytes()


def comparable_rows(run: Path) -> list[dict[str, Any]]:
    """All rows without what depends on the clock."""
    rows = open_metrics(run).rows()
    return [{name: v for name, v in row.items() if not name.startswith("perf/")} for row in rows]


def comparable_pictures(run: Path) -> list[tuple[int, str, str, bytes]]:
    return [(m.step, m.key, m.caption, m.path.read_bytes()) for m in open_metrics(run).media()]


def known(run: Path) -> dict[str, Any]:
    """What the record beside the selector tells, without what depends on the clock."""
    held = json.loads((run / "result" / "run.json").read_text())
    held["summary"] = {name: value for name, value in held["summary"].items() if not name.startswith("perf/")}
    shown = [(run / "result" / picture["file"]).read_bytes() for picture in held["pictures"]]
    return {**held, "shown": shown}


def committed(run: Path) -> list[str]:
    return sorted(marker.parent.name for marker in (run / "checkpoints").glob("step-*/COMMITTED"))


def wait_until(condition: Callable[[], object], trainer: Any) -> None:
    while not condition():
        assert trainer.process.poll() is None, trainer.said
        time.sleep(0.002)


def stop_inside_a_checkpoint_write(run: Path, trainer: Any) -> None:
    """Freeze the trainer while a checkpoint is half written. One is written at every step, so there are many tries."""
    while True:
        assert trainer.process.poll() is None, f"no checkpoint was caught half written\n{trainer.said}"
        half = [p for p in (run / "checkpoints").glob("step-*") if any(p.iterdir()) and not (p / "COMMITTED").exists()]
        if not half:
            continue
        trainer.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, trainer.process.pid, os.WSTOPPED)
        if half[0].is_dir() and any(half[0].iterdir()) and not (half[0] / "COMMITTED").exists():
            return
        trainer.process.send_signal(signal.SIGCONT)


def test_what_a_run_leaves(whole_run: Path) -> None:
    assert (whole_run / "result" / "DONE").exists()
    assert (whole_run / "logs" / "attempt-1.exit").read_text() == "0"
    progress = json.loads((whole_run / "progress.json").read_text())
    assert (progress["phase"], progress["step"], progress["total_steps"]) == ("done", 12, 12)
    summary = json.loads((whole_run / "summary.json").read_text())
    assert set(summary) >= METRICS and summary["base/unchanged"] == 1.0
    assert summary["tokens/kept"] == 4 and summary["tokens/total"] == 64
    assert committed(whole_run) == ["step-00000011", "step-00000012"]


@pytest.mark.long
def test_the_result_is_left_after_all_else(make_run: MakeRun, start_trainer: Start) -> None:
    run = make_run("data.max_train_samples=8", "train.batch_size=8")
    (run / "result").write_text("in the way")
    trainer = start_trainer(run)
    assert trainer.wait() == 1, trainer.said
    assert json.loads((run / "summary.json").read_text())["base/unchanged"] == 1.0
    (run / "result").unlink()
    again = start_trainer(run, attempt=2)
    assert again.wait() == 0, again.said
    assert (run / "result" / "DONE").exists()


def test_metrics_of_a_run(whole_run: Path) -> None:
    metrics = open_metrics(whole_run)
    rows = list(metrics.rows())
    assert [row["trainer/step"] for row in rows] == list(range(13))
    assert set(metrics.names) >= METRICS
    assert [row["trainer/step"] for row in rows if row.get("eval/accuracy") is not None] == [0, 5, 10, 12]
    pictures = metrics.media()
    assert [(picture.step, picture.key) for picture in pictures] == [(step, "pictures/0") for step in (0, 5, 10, 12)]
    assert pictures[0].caption.startswith("Q: ") and "| kept 4/64 | weights: propositional 0." in pictures[0].caption
    assert metrics.config["train"]["learning_rate"] == 1e-3
    assert any("step 12/12" in line.text for line in metrics.console())


def test_the_result_loads(whole_run: Path) -> None:
    import numpy as np

    from training.model.arrcoc_qwen import ArrCocQwen

    model = ArrCocQwen.from_pretrained(whole_run / "result")
    answer = model.answer(np.zeros((64, 64, 3), np.uint8), "what colour is the circle ?", keep=4)
    assert len(answer.kept) == 4
    assert "from_pretrained" in (whole_run / "result" / "README.md").read_text()


@pytest.mark.long
def test_killed_at_three_moments(whole_run: Path, make_run: MakeRun, start_trainer: Start) -> None:
    run = make_run()
    first = start_trainer(run)
    wait_until(lambda: committed(run), first)
    first.process.kill()
    first.wait()

    second = start_trainer(run, attempt=2)
    stop_inside_a_checkpoint_write(run, second)
    second.process.kill()
    second.wait()

    third = start_trainer(run, attempt=3)
    wait_until(lambda: committed(run)[-1] >= "step-00000009", third)
    third.process.kill()
    third.wait()
    # The newest one is damaged besides: the one before it takes its place.
    (run / "checkpoints" / committed(run)[-1] / "optimizer.pt").write_bytes(b"")

    last = start_trainer(run, attempt=4)
    assert last.wait() == 0, last.said
    assert "skipping checkpoint" in last.said
    assert selector_bytes(run) == selector_bytes(whole_run)
    assert comparable_rows(run) == comparable_rows(whole_run)
    assert comparable_pictures(run) == comparable_pictures(whole_run)


def test_stopped_by_signals(full: bool, whole_run: Path, make_run: MakeRun, start_trainer: Start) -> None:
    run = make_run("checkpoints.save_every_n_steps=100")
    first = start_trainer(run)
    wait_until(lambda: "step 1/12" in first.said, first)
    for _ in range(3):  # the second and third come while it is stopping
        os.killpg(first.process.pid, signal.SIGTERM)
        time.sleep(0.02)
    assert first.wait() == 75, first.said
    assert first.marker.read_text() == "75"
    assert len(committed(run)) == 1

    if full:
        second = start_trainer(run, attempt=2)
        wait_until(lambda: "going on after step" in second.said, second)
        os.killpg(second.process.pid, signal.SIGINT)
        assert second.wait() == 75, second.said

    third = start_trainer(run, attempt=3)
    assert third.wait() == 0, third.said
    assert selector_bytes(run) == selector_bytes(whole_run)
    assert comparable_rows(run) == comparable_rows(whole_run)
    ours, theirs = known(run), known(whole_run)
    assert {**ours, "fingerprint": "", "experiment": {}} == {**theirs, "fingerprint": "", "experiment": {}}


@pytest.mark.long
def test_workers_and_recomputation_do_not_change_the_result(
    whole_run: Path, make_run: MakeRun, start_trainer: Start
) -> None:
    run = make_run("data.num_workers=2", "data.prefetch_factor=3", "train.gradient_checkpointing=true")
    trainer = start_trainer(run)
    assert trainer.wait() == 0, trainer.said
    assert selector_bytes(run) == selector_bytes(whole_run)


@pytest.mark.long
def test_sizes_and_precision_arrive(make_run: MakeRun, start_trainer: Start) -> None:
    run = make_run("data.image_size=32", "tokens.keep=2", "train.bf16=true", "evaluation.pictures=0", "train.epochs=2")
    trainer = start_trainer(run)
    assert trainer.wait() == 0, trainer.said
    assert "in bfloat16" in trainer.said
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["tokens/kept"], summary["tokens/total"]) == (2, 16)
    assert open_metrics(run).steps == 25
    assert open_metrics(run).media() == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="hardware: there is a GPU here")
def test_a_gpu_that_is_not_there_is_an_error(make_run: MakeRun, start_trainer: Start) -> None:
    run = make_run("compute.device=cuda")
    trainer = start_trainer(run)
    assert trainer.wait() == 2
    assert trainer.marker.read_text() == "2"
    assert "1 GPU asked for" in trainer.said and "nvidia-smi" in trainer.said
    assert not committed(run)


def test_an_experiment_that_was_changed_under_its_checkpoints(
    make_run: MakeRun, whole_run: Path, start_trainer: Start
) -> None:
    import shutil

    run = make_run("train.seed=8")
    shutil.copytree(whole_run / "checkpoints", run / "checkpoints")
    trainer = start_trainer(run)
    assert trainer.wait() == 1
    assert "belongs to configuration" in trainer.said


@pytest.mark.long
def test_in_the_foreground_without_the_store(project: Path) -> None:
    (project / "experiments" / "short.py").write_text(
        "from arrcoc_core import Data, Evaluation, Experiment, Local\n"
        "short = Experiment(name='short', data=Data(dataset='synthetic', max_train_samples=96), "
        "evaluation=Evaluation(samples=8), compute=Local(device='cpu'))\n"
    )
    command = [sys.executable, "training/train.py"]
    done = subprocess.run([*command, "short"], cwd=project, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    (run,) = (project / ".arrcoc" / "foreground").glob("short-*")
    assert str(run) in done.stdout
    assert (run / "result" / "DONE").exists()

    unknown = subprocess.run([*command, "shrot"], cwd=project, capture_output=True, text=True, timeout=240)
    assert unknown.returncode == 2
    assert "shrot" in unknown.stderr


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [rate(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == rates[9] == rates[10] == 1
    assert all(later <= earlier for earlier, later in pairwise(rates[10:]))
    assert 0 < rates[-1] < 0.001
    assert rate(0, 100, 0.0) == 1
