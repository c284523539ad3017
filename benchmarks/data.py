"""How fast the loader delivers pictures: with 2 processes against one that plainly decodes and resizes them.

    python benchmarks/data.py

Pictures are JPEGs of VQAv2's size, 640 x 480 px, made here, with as much detail as a photograph has. Both ways end in
the same arrays: the plain one decodes and resizes one picture after the other; the loader is the trainer's own, with
its order, questions and batches, and whatever it costs to bring the pictures into this process. The two take turns on
short stretches of the same pictures, so that a machine that slows down slows both down; the ratio is of the sums. What
the loader has ready at the beginning of a stretch is not counted.

The ratio needs two free cores. Beside it stands what does not hang on other work on the machine: the processor time of
all of the loader's processes for a picture, as a multiple of the plain way's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _report import finish, table
from PIL import Image

from arrcoc_core.defaults import DEFAULTS
from training.batches import Collate, Forwards, Order, load_batches
from training.data import open_samples
from training.devices import World
from training.tiny.tokenizer import make_tokenizer

WORKERS = 2
AT_LEAST = 1.6
BATCH = 8
SIDE = 448  # px
PREFETCH = 2  # batches of each process
REST_S = 0.5  # in which the loader fills up


def make_set(folder: Path, count: int) -> Path:
    """Records of `count` pictures: smooth shapes under grain, about 100 KB each as JPEG."""
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reduced", action="store_true", help="few pictures, one round: to see that it runs")
    reduced = parser.parse_args().reduced
    pictures, rounds, steps = (32, 2, 8) if reduced else (192, 6, 24)
    ready = WORKERS * PREFETCH
    plain_s = loaded_s = plain_cpu = loaded_cpu = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        folder = make_set(Path(scratch), pictures)
        data = DEFAULTS.data.but(image_size=SIDE, max_train_samples=0)
        samples, _ = open_samples(data, str(folder), 1, 32)
        order = Order(pictures, BATCH, seed=1)
        collate = Collate(make_tokenizer(), 64)
        same = True
        batches = load_batches(
            samples, Forwards(order, BATCH, World(), 0, rounds * steps), collate, workers=WORKERS, prefetch=PREFETCH
        )
        for number in range(rounds):
            # While the plain way has its turn the loader fills up and comes to rest: these batches are not timed.
            cpu = time.process_time()
            loaded = [next(batches) for _ in range(ready)]
            began = time.perf_counter()
            loaded += [next(batches) for _ in range(ready, steps)]
            loaded_s += time.perf_counter() - began
            loaded_cpu += time.process_time() - cpu
            places = [k for step in range(number * steps, (number + 1) * steps) for _, k in order.of_step(step)]
            arrays = [batch.pictures[place] for batch in loaded for (place,) in batch.about]
            time.sleep(REST_S)
            files = [folder / f"{k}.jpg" for k in places]
            began, cpu = time.perf_counter(), time.process_time()
            by_hand = plain(files[ready * BATCH :])
            plain_s += time.perf_counter() - began
            plain_cpu += time.process_time() - cpu
            same &= all(map(np.array_equal, by_hand, arrays[ready * BATCH :]))
        del batches  # which ends the loader's processes, so that their time is known
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not same:
        raise SystemExit("the two ways do not give the same pictures")
    count = rounds * (steps - ready) * BATCH
    loader_cpu = (loaded_cpu + children.ru_utime + children.ru_stime) / (rounds * steps * BATCH)
    rows = [
        ("one process, plainly", plain_s, plain_cpu / count),
        (f"loader, {WORKERS} processes", loaded_s, loader_cpu),
    ]
    table(
        ("640 x 480 JPEG to 448 x 448", "pictures/s", "processor time"),
        [(name, f"{count / seconds:.0f}", f"{1000 * cpu:.1f} ms") for name, seconds, cpu in rows],
    )
    ratios = {"loader": plain_s / loaded_s, "processor time": loader_cpu / (plain_cpu / count)}
    bars = {} if reduced else {"loader": AT_LEAST}
    return finish("data", ratios, bars, at_least=True, more={"cores": len(os.sched_getaffinity(0))})


if __name__ == "__main__":
    sys.exit(main())
