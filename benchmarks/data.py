"""How fast the loader delivers pictures: with 2 processes against one that plainly decodes and resizes them.

    python benchmarks/data.py

Pictures are JPEGs of VQAv2's size, 640 x 480 px, made here, with as much detail as a photograph has. Both ways end in
the same arrays, which is looked at for every picture before and for the last batch of every stretch. The plain one
decodes and resizes one picture after the other and holds a batch of them at a time; the loader is the trainer's own,
with its order, questions and batches, and whatever it costs to bring the pictures into this process, where each page
of them is read. The two take turns on short stretches of the same pictures, so that a machine that slows down slows
both down; each turn of the one is compared with the turn of the other beside it, and the median of these ratios counts.
What the loader has ready at the beginning of a stretch is not counted.

The rate needs two free cores. Beside it stands what hangs less on other work on the machine: how many pictures each
way makes of a second of processor time, over all of its processes. A turn of the loader begins and ends at rest, with
the same number of batches ready, so that just its own batches are in its processor time, and nothing of its start.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _report import finish, table
from PIL import Image

from arrcoc_core.defaults import DEFAULTS
from training.batches import Batch, Collate, Forwards, Order, load_batches
from training.data import open_samples
from training.devices import World
from training.tiny.tokenizer import make_tokenizer

WORKERS = 2
RATE = 1.6
PER_PROCESSOR_SECOND = 0.9
BATCH = 8
SIDE = 448  # px
PREFETCH = 2  # batches of each process
READY = WORKERS * PREFETCH  # batches, when the loader is at rest
REST_S = 0.3  # without any processor time: at rest
PAGE = 4096  # bytes


def make_set(folder: Path, count: int) -> Path:
    """Records of `count` pictures: smooth shapes under grain, about 145 KB each as JPEG."""
    rng = np.random.default_rng(0)
    lines = []
    for k in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((640, 480), Image.Resampling.BICUBIC), np.int16)
        grain = rng.normal(0, 12, smooth.shape[:2]).astype(np.int16)[..., None]
        Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save(folder / f"{k}.jpg", quality=90)
        lines.append({"image": f"{k}.jpg", "question": f"what is {k}", "answer": "nothing"})
    for split in ("train", "validation"):
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return folder


def plain(files: list[Path]) -> list[np.ndarray]:
    """What one process does without a loader."""
    return [
        np.asarray(Image.open(file).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for file in files
    ]


def processor_seconds() -> float:
    """Of the loader's processes, so far."""
    ticks = 0
    for process in multiprocessing.active_children():
        held = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(held[11]) + int(held[12])  # user, system
    return ticks / os.sysconf("SC_CLK_TCK")


def at_rest() -> float:
    """Wait until the loader has all ready that it keeps ready; the processor time its processes had by then."""
    before, now = -1.0, processor_seconds()
    while now != before:
        time.sleep(REST_S)
        before, now = now, processor_seconds()
    return now


def read_pages(batch: Batch) -> None:
    for picture in batch.pictures:
        picture.reshape(-1)[::PAGE].max()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reduced", action="store_true", help="few pictures, two rounds: to see that it runs")
    reduced = parser.parse_args().reduced
    pictures, rounds = (64, 2) if reduced else (192, 9)
    steps = pictures // BATCH  # of a stretch, which is an epoch
    with tempfile.TemporaryDirectory() as scratch:
        folder = make_set(Path(scratch), pictures)
        data = DEFAULTS.data.but(image_size=SIDE, max_train_samples=0)
        samples, _ = open_samples(data, str(folder), 1, 32)
        order = Order(pictures, BATCH, seed=1)
        forwards = Forwards(order, BATCH, World(), 0, (1 + rounds) * steps + READY)
        batches = load_batches(samples, forwards, Collate(make_tokenizer(), 64), workers=WORKERS, prefetch=PREFETCH)

        def files(step: int) -> list[Path]:
            return [folder / f"{k}.jpg" for _, k in order.of_step(step)]

        def check(step: int, batch: Batch) -> None:
            delivered = [batch.pictures[place] for (place,) in batch.about]
            if not all(map(np.array_equal, plain(files(step)), delivered)):
                raise SystemExit(f"the two ways do not give the same pictures in step {step}")

        for step in range(steps):
            check(step, next(batches))
        seconds, processor = [], []  # for a picture: (plain, loader) of each round
        for number in range(rounds):
            first = (1 + number) * steps
            children, cpu = at_rest(), time.process_time()
            for _ in range(READY):
                read_pages(next(batches))
            began = time.perf_counter()
            for _ in range(READY, steps - 1):
                read_pages(next(batches))
            last = next(batches)
            read_pages(last)
            loaded = time.perf_counter() - began
            cpu = time.process_time() - cpu
            check(first + steps - 1, last)
            loaded_cpu = cpu + at_rest() - children

            began, cpu = time.perf_counter(), time.process_time()
            for step in range(first + READY, first + steps):
                plain(files(step))
            plain_s, plain_cpu = time.perf_counter() - began, time.process_time() - cpu
            made = (steps - READY) * BATCH
            seconds.append((plain_s / made, loaded / made))
            processor.append((plain_cpu / made, loaded_cpu / (steps * BATCH)))
    rate, per_second = (np.median([plain / loader for plain, loader in pairs]) for pairs in (seconds, processor))
    table(
        ("640 x 480 JPEG to 448 x 448", "pictures/s", "processor time"),
        [
            (name, f"{1 / np.median(wall):.0f}", f"{1000 * np.median(cpu):.1f} ms")
            for name, wall, cpu in zip(
                ("one process, plainly", f"loader, {WORKERS} processes"),
                zip(*seconds, strict=True),
                zip(*processor, strict=True),
                strict=True,
            )
        ],
    )
    ratios = {"loader": float(rate), "loader_per_processor_second": float(per_second)}
    bars = {} if reduced else {"loader": RATE, "loader_per_processor_second": PER_PROCESSOR_SECOND}
    return finish("data", ratios, bars, at_least=True, more={"cores": len(os.sched_getaffinity(0))})


if __name__ == "__main__":
    sys.exit(main())
