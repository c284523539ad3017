"""No training key of `.training` is decorative: each is edited, `default` is launched, and the trainer did it.

Every check looks at what the trainer left behind (rows, optimizer state, checkpoints, its log), never at the
experiment that it was given. At full size each key has a launch of its own; else those of most of them that do not
hide one another share one, one more arrives with the data set, and the others are left to `make acceptance`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import datasets
import pytest
import torch
from PIL import Image

from arrcoc_core import Run, launch
from arrcoc_core.errors import SettingsError
from arrcoc_core.settings_keys import SETTING_PATHS
from training.tiny.synthetic import picture, questions

# A launch of `default` in seconds: 6 steps of 8 questions.
SMALL = {
    "MAX_TRAIN_SAMPLES": "48",
    "BATCH_SIZE": "8",
    "EVAL_SAMPLES": "16",
    "EVAL_EVERY_N_STEPS": "6",
    "SAVE_EVERY_N_STEPS": "1",
    "SAVE_TOTAL_LIMIT": "3",
}


def log(run: Run) -> str:
    return "\n".join(run.logs())


def kept_checkpoints(run: Run) -> list[int]:
    return sorted(int(path.parent.name.split("-")[1]) for path in run.directory.glob("checkpoints/step-*/COMMITTED"))


def optimizer(run: Run) -> dict[str, float]:
    newest = sorted((run.directory / "checkpoints").glob("step-*/optimizer.pt"))[-1]
    return torch.load(newest, weights_only=True)["adamw"]["param_groups"][0]


def steps_with(run: Run, metric: str) -> list[int]:
    return [int(step) for step in run.series(metric).step]


def evaluated(run: Run) -> list[int]:
    return steps_with(run, "eval/accuracy")


Check = Callable[[Run], bool]
CHECKS: dict[str, tuple[str, Check]] = {
    "NUM_VISUAL_TOKENS": ("6", lambda run: run.summary["tokens/kept"] == 6 and "from 6 of" in log(run)),
    "LEARNING_RATE": ("0.0123", lambda run: max(run.series("train/learning_rate").value) == pytest.approx(0.0123)),
    "WEIGHT_DECAY": ("0.07", lambda run: optimizer(run)["weight_decay"] == 0.07),
    # Half of 6 steps: the rate still rises at the third row.
    "WARMUP_RATIO": ("0.5", lambda run: int(run.series("train/learning_rate").value.argmax()) in (2, 3)),
    "BATCH_SIZE": ("4", lambda run: "12 steps of 4 questions" in log(run)),
    "GRADIENT_ACCUMULATION_STEPS": ("2", lambda run: "2 forward passes" in log(run) and "3 steps of 16" in log(run)),
    "NUM_EPOCHS": ("2", lambda run: steps_with(run, "train/loss")[-1] == 12),
    "MAX_TRAIN_SAMPLES": ("32", lambda run: "32 questions to train on" in log(run)),
    "SAVE_EVERY_N_STEPS": ("2", lambda run: kept_checkpoints(run) == [2, 4, 6]),
    "SAVE_TOTAL_LIMIT": ("2", lambda run: kept_checkpoints(run) == [5, 6]),
    "EVAL_EVERY_N_STEPS": ("2", lambda run: evaluated(run) == [0, 2, 4, 6]),
    "EVAL_SAMPLES": ("24", lambda run: "24 held out" in log(run)),
    "BF16": ("true", lambda run: "in bfloat16" in log(run)),
    # The first step, every third, and those with an evaluation.
    "LOGGING_STEPS": ("3", lambda run: set(steps_with(run, "train/loss")) - set(evaluated(run)[:-1]) == {1, 3, 6}),
    "SEED": ("11", lambda run: run.resolved.experiment.train.seed == 11 and "seed 11" in log(run)),
    "IMAGE_SIZE": ("48", lambda run: run.summary["tokens/total"] == 36),
    "NUM_WORKERS": ("1", lambda run: "1 loader process" in log(run)),
    "PREFETCH_FACTOR": ("3", lambda run: "3 batches ahead" in log(run)),
    "GRADIENT_CHECKPOINTING": ("true", lambda run: "activations recomputed" in log(run)),
}
# These end the run or need something beside them, and are looked at alone below.
ALONE = {
    "BASE_MODEL",
    "FREEZE_BASE_MODEL",
    "DATASET_NAME",
    "DATASET_SPLIT_TRAIN",
    "DATASET_SPLIT_VAL",
    "MAX_SEQ_LENGTH",
}
# Where it runs and where its result goes, not how it trains: their arrival in the plan is tested with the settings.
PLACEMENT = {
    *("TRAINING_GPU", "TRAINING_GPU_NUMBER", "TRAINING_GPU_IS_PREEMPTIBLE", "WANDB_LAUNCH_QUEUE_NAME"),
    *("HF_HUB_REPO_ID", "HF_HUB_PRIVATE"),
}
# None of these changes what the checks of the others look at.
TOGETHER = (
    *("NUM_VISUAL_TOKENS", "LEARNING_RATE", "WEIGHT_DECAY", "WARMUP_RATIO", "SAVE_EVERY_N_STEPS", "SEED"),
    *("EVAL_SAMPLES", "BF16", "IMAGE_SIZE", "GRADIENT_CHECKPOINTING"),
)


def edit_settings(project: Path, **values: str) -> None:
    """What a person does: copy the starter, change some lines."""
    lines = (project / ".training.starter").read_text(encoding="utf-8").splitlines()
    for key, value in values.items():
        at = next(k for k, line in enumerate(lines) if line.startswith(f"{key}="))
        lines[at] = f"{key}={value}"
    (project / ".training").write_text("\n".join(lines) + "\n", encoding="utf-8")


def launch_default(project: Path, **values: str) -> Run:
    edit_settings(project, **{**SMALL, **values})
    run = launch("default", root=project)
    assert not isinstance(run, list)
    return run.wait(timeout=300)


def test_every_training_key_is_checked() -> None:
    assert set(CHECKS) | ALONE | PLACEMENT == set(SETTING_PATHS) | PLACEMENT
    assert set(TOGETHER) < set(CHECKS)


@pytest.mark.timeout(1800)
def test_keys_arrive_in_the_trainer(full: bool, project: Path) -> None:
    for group in [(key,) for key in CHECKS] if full else [TOGETHER]:
        values = {key: CHECKS[key][0] for key in group}
        if "PREFETCH_FACTOR" in values:
            values["NUM_WORKERS"] = "1"
        run = launch_default(project, **values)
        assert run.state == "succeeded", log(run)
        missing = [key for key in group if not CHECKS[key][1](run)]
        assert missing == [], log(run)


@pytest.mark.long
def test_the_base_arrives(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    run = launch_default(project, BASE_MODEL="Qwen/Qwen3-VL-2B-Instruct", IMAGE_SIZE="256", NUM_VISUAL_TOKENS="4")
    assert run.state == "failed"
    assert "Qwen/Qwen3-VL-2B-Instruct" in log(run)


@pytest.mark.long
def test_the_data_set_its_splits_and_its_longest_text_arrive(project: Path) -> None:
    folder = project / "my-questions"
    for split, count in (("learn", 48), ("check", 16)):
        pictures = [picture("train" if split == "learn" else "validation", 5, k) for k in range(count)]
        asked = [questions(shown.things)[0] for shown in pictures]
        columns = {
            "image": [Image.fromarray(shown.pixels) for shown in pictures],
            # Longer than MAX_SEQ_LENGTH below: its end is cut off, and the answer keeps its place.
            "question": [f"{question.text} red red red red red" for question in asked],
            "answer": [question.answer for question in asked],
        }
        (folder / split).mkdir(parents=True)
        rows = datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())
        rows.to_parquet(folder / split / f"{split}-00000-of-00001.parquet")
    readme = "---\nconfigs:\n- config_name: default\n  data_files:\n"
    readme += "".join(f"  - split: {split}\n    path: {split}/*.parquet\n" for split in ("learn", "check"))
    (folder / "README.md").write_text(readme + "---\n", encoding="utf-8")
    run = launch_default(
        project,
        DATASET_NAME=str(folder),
        DATASET_SPLIT_TRAIN="learn",
        DATASET_SPLIT_VAL="check",
        EVAL_SAMPLES="12",
        MAX_SEQ_LENGTH="8",
        BATCH_SIZE=CHECKS["BATCH_SIZE"][0],
    )
    assert run.state == "succeeded", log(run)
    assert f"data {folder}: 48 questions to train on (learn), 12 held out (check)" in log(run)
    assert CHECKS["BATCH_SIZE"][1](run), log(run)
    shown = [media.caption.split(" | ")[0].removeprefix("Q: ").split() for media in run.metrics().media()]
    assert {len(words) for words in shown} == {7}, shown  # and one token of answer


def test_a_base_that_learns_is_refused(project: Path) -> None:
    edit_settings(project, FREEZE_BASE_MODEL="false")
    with pytest.raises(SettingsError, match="FREEZE_BASE_MODEL"):
        launch("default", root=project)
    assert not (project / ".arrcoc/runs").exists()
