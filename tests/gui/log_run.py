"""Log a realistic run with the real wandb client, without training: data for the monitor's tests.

    python tests/gui/log_run.py RUN_DIR [--steps 200] [--delay 0.0] [--attempt 1] [--first-step 0] [--seed 0]

Writes what a trainer leaves in a run directory: the offline `.wandb` file with rows keyed on `trainer/step`
(metrics, pictures with captions, console lines), `progress.json`, `summary.json`, `logs/attempt-N.log`,
committed checkpoints, and at the end `result/`. A child process of its own because importing wandb in the
process of the app under test would hide that the app imports it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

GRID = 8
QUESTIONS = [
    ("what colour is the ring?", ["red", "green", "blue", "yellow"]),
    ("which digit is in the corner?", ["3", "7", "9", "0"]),
    ("is the square left of the circle?", ["yes", "no"]),
    ("how many dots are there?", ["1", "2", "3", "4"]),
]


def picture(seed: int, step: int, total: int):
    """A composite as the trainer draws it: the picture, a gap of 16 px, the same with its relevance as heat."""
    import numpy as np
    from PIL import Image, ImageDraw

    rng = np.random.default_rng(seed)
    low = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8) // 3 + 40
    left = Image.fromarray(low).resize((256, 256), Image.Resampling.NEAREST)
    spot = rng.integers(0, GRID, 2)
    ys, xs = np.mgrid[0:GRID, 0:GRID]
    sharp = 0.5 + 5 * step / max(total, 1)
    heat = np.exp(-((ys - spot[0]) ** 2 + (xs - spot[1]) ** 2) / (8 / sharp)) + rng.random((GRID, GRID)) * 0.15
    heat = (255 * heat / heat.max()).astype(np.uint8)
    colour = np.stack([heat, heat // 3, 128 - heat // 2], axis=-1).astype(np.uint8)
    over = Image.fromarray(colour).resize((256, 256), Image.Resampling.NEAREST)
    right = Image.blend(left, over, 0.6)
    draw = ImageDraw.Draw(right)
    for index in np.argsort(heat.ravel())[-4:]:
        y, x = divmod(int(index), GRID)
        draw.rectangle([x * 32, y * 32, x * 32 + 31, y * 32 + 31], outline=(255, 255, 255), width=2)
    whole = Image.new("RGB", (256 * 2 + 16, 256), (255, 255, 255))
    whole.paste(left, (0, 0))
    whole.paste(right, (272, 0))
    return whole


def caption(index: int, step: int, total: int) -> str:
    question, answers = QUESTIONS[index % len(QUESTIONS)]
    truth = answers[index % len(answers)]
    good = random.Random(index * 1000 + step).random() < 0.3 + 0.7 * step / max(total, 1)
    given = truth if good else answers[(index + 1) % len(answers)]
    return f"Q: {question} | answer: {given} | right: {truth} | kept 4/64"


def replace_json(file: Path, value: object) -> None:
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(value))
    temporary.replace(file)


def by_people(values: dict[str, float]) -> dict[str, float]:
    """The same as of a data set where several people answered, and a base that writes few answers as they did."""
    lines = {name.replace("/", "/vqa_"): value for name, value in values.items() if "/accuracy" in name}
    del lines["eval/vqa_accuracy_shuffled_question"]
    exact = {name: value / 10 for name, value in values.items() if "/accuracy" in name}
    return values | exact | lines | {"eval/vqa_accuracy/yes_no": lines["eval/vqa_accuracy"]}


def evaluation(step: int, total: int, rng: random.Random) -> dict[str, float]:
    share = step / max(total, 1)
    accuracy = 0.31 + 0.675 * (1 - math.exp(-4.5 * share)) / (1 - math.exp(-4.5)) + rng.uniform(-0.01, 0.01)
    return {
        "eval/accuracy": min(accuracy, 0.991),
        "eval/loss": 2.2 * math.exp(-3 * share) + 0.05 + rng.uniform(0, 0.02),
        "eval/accuracy_random": 0.31,
        "eval/accuracy_uniform": 0.344,
        "eval/accuracy_full": 0.996,
        "eval/accuracy_teacher": 0.993,
        "eval/accuracy_shuffled_question": 0.52,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--first-step", type=int, default=0)
    parser.add_argument("--stop-at", type=int, default=None)
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--pictures", type=int, default=4)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--attempt", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nan-at", type=int, default=-1)
    parser.add_argument("--by-people", action="store_true", help="the answers are judged by the VQA accuracy, too")
    args = parser.parse_args()
    run_dir: Path = args.run_dir
    for name in ("wandb", "logs", "checkpoints"):
        (run_dir / name).mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(run_dir),
        "WANDB_BASE_URL": "https://api.wandb.ai",
        "WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL": "0.1",
        "WANDB_SILENT": "true",
    }
    log = (run_dir / "logs" / f"attempt-{args.attempt}.log").open("a", buffering=1, encoding="utf-8")

    def say(text: str) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        log.write(f"{stamp} {text}\n")
        print(text, flush=True)

    def progress(phase: str, step: int, rate: float | None = None) -> None:
        left = None if rate is None else (args.steps - step) * 16 / rate
        replace_json(
            run_dir / "progress.json",
            {
                "phase": phase,
                "step": step,
                "total_steps": args.steps,
                "samples_per_s": rate,
                "eta_s": left,
                "updated_at": datetime.now(UTC).isoformat(),
            },
        )

    progress("loading model", 0)
    say("loading the tiny base")
    import wandb

    run = wandb.init(id=run_dir.name, project="arr-coc-0-1", config={"tokens": {"keep": 4}})
    rng = random.Random(args.seed)
    begun = time.monotonic()
    summary: dict[str, float] = {}
    stop = args.steps if args.stop_at is None else args.stop_at
    for step in range(args.first_step, stop + 1):
        row: dict[str, object] = {"trainer/step": step}
        share = step / max(args.steps, 1)
        if step:
            loss = 2.4 * math.exp(-3.2 * share) + 0.08 + rng.gauss(0, 0.09) * (1.1 - share)
            row["train/loss"] = float("nan") if step == args.nan_at else loss
            row["train/learning_rate"] = 3e-3 * min(step / 20, 1) * (1 - share) + 1e-6
            row["perf/step_s"] = 0.041 + rng.random() * 0.01
            row["perf/samples_per_s"] = 16 / float(row["perf/step_s"])  # type: ignore[arg-type]
            row["perf/memory_gb"] = 0.61 + 0.0001 * step
        if step % args.every == 0 or step == args.steps:
            values = evaluation(step, args.steps, rng)
            values = by_people(values) if args.by_people else values
            row |= values | {"tokens/kept": 4, "tokens/total": 64}
            summary |= values | {"tokens/kept": 4.0, "tokens/total": 64.0}
            for index in range(args.pictures):
                image = picture(index, step, args.steps)
                row[f"pictures/{index}"] = wandb.Image(image, caption=caption(index, step, args.steps))
            replace_json(run_dir / "summary.json", summary)
            say(f"step {step}: accuracy {100 * values['eval/accuracy']:.1f} % with 4 of 64 tokens")
        elif step % 5 == 0:
            say(f"step {step} loss {row['train/loss']:.4f}")
        run.log(row, commit=True)
        if step and step % (2 * args.every) == 0:
            folder = run_dir / "checkpoints" / f"step-{step:08d}"
            folder.mkdir(exist_ok=True)
            (folder / "COMMITTED").touch()
        progress("training", step, 390.0)
        time.sleep(args.delay)
    if stop == args.steps:
        result = run_dir / "result"
        result.mkdir(exist_ok=True)
        (result / "selector.safetensors").write_bytes(b"\0" * 64)
        (result / "DONE").touch()
        progress("done", args.steps)
    say(f"finished after {time.monotonic() - begun:.1f} s")
    run.finish()


if __name__ == "__main__":
    sys.exit(main())
