"""A trainer reduced to its logging: `python online_trainer.py FOLDER STEPS PAUSE_S`, killed and started again at will.

It logs through `training.tracking` as the real one does, keeps checkpoints, and writes what it logs beside it, line by
line, in `trainer.jsonl`.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path

from PIL import Image

from training.tracking import Picture, Row, Tracker, pack_rows, unpack_rows

EVERY = 15


def row_of(step: int) -> Row:
    values = {"train/loss": 1.0 / (step + 1), "train/rate": math.nan if step % 7 == 3 else step * 1e-7}
    if step % EVERY == 0:
        values |= {"eval/accuracy": 1 - 1 / (step + 2), "eval/worst": -math.inf}
    picture = Picture.encode("pictures/0", Image.new("RGB", (4, 4), (step % 256, 0, 0)), f"step {step}")
    return Row(step, values, (picture,) if step % 20 == 0 else ())


def main() -> None:
    folder, steps, pause = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    saved = folder / "checkpoint"
    first = 0
    tracker = Tracker(os.environ["RUN_ID"], folder, {"seed": 3, "tokens": {"keep": 4}})
    if saved.exists():
        rows = unpack_rows({path.name: path.read_bytes() for path in saved.iterdir()})
        first = int(saved.resolve().name.partition("-")[2])
        tracker.log_again(rows)
    with (folder / "trainer.jsonl").open("a", encoding="utf-8") as beside:
        for step in range(first, steps):
            row = row_of(step)
            tracker.log(row)
            beside.write(json.dumps({"step": step, **row.values}) + "\n")
            beside.flush()
            if step % EVERY == EVERY - 1:
                keep(saved, step + 1, tracker)
            time.sleep(pause)
    tracker.finish({}, 0)


def keep(link: Path, step: int, tracker: Tracker) -> None:
    """A checkpoint: whole or not at all."""
    rows = tracker.rows_to_save()
    folder = link.with_name(f"step-{step}")
    folder.mkdir(exist_ok=True)
    for name, data in pack_rows(rows).items():
        (folder / name).write_bytes(data)
    fresh = link.with_name("next")
    fresh.symlink_to(folder)
    fresh.replace(link)
    tracker.mark_saved(rows)


if __name__ == "__main__":
    main()
