"""What reading a long run's `.wandb` file costs: a million rows of three metrics, three million records.

- first read (`ingest`: framing, CRC, decoding, columns) against bare framing and CRC over the same file;
- second read (`open_metrics` on the columns, every value looked at, envelopes made) against the first;
- a window that paints a growing curve 60 times a second while the reader child reads the file: frames lost.

Reading is measured in CPU time, medians of repeats in turns. The file is written here, record by record as
wandb 0.31 does (two summaries and a history record a row, items in any order).

    python benchmarks/reader.py [--reduced] [--file RUN_DIR]
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import Struct

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from _report import finish, table
from PySide6.QtCore import QElapsedTimer, Qt, QTimer
from PySide6.QtWidgets import QApplication
from wandb_files import frame, history, run, summary

from arrcoc_core.metrics import Series, index, ingest, open_metrics
from arrcoc_gui.plotting import Chart, LiveMetrics

BARS = {"first read / framing": 4.0, "second read / first": 0.05, "frames lost": 0.05}
HZ = 60


def main() -> int:
    parser = argparse.ArgumentParser(description="reading a long run's file, as ratios")
    parser.add_argument("--reduced", action="store_true", help="a small file and no bars: only to see that it works")
    parser.add_argument("--file", type=Path, help="the directory of a run that is there already, e.g. a real one")
    arguments = parser.parse_args()
    count, repeats, watched_s = (3_000, 1, 1.0) if arguments.reduced else (1_000_000, 3, 6.0)
    with tempfile.TemporaryDirectory() as scratch:
        run_dir = arguments.file or Path(scratch)
        if arguments.file is None:
            write(run_dir, count)
        (path,) = run_dir.glob("wandb/**/*.wandb")
        bare, first, second = [], [], []
        for _ in range(repeats):
            seconds, records = cpu(lambda: framing(path))
            bare.append(seconds)
            shutil.rmtree(run_dir / "metrics", ignore_errors=True)
            seconds, result = cpu(lambda: ingest(run_dir))
            first.append(seconds)
            seconds, steps = cpu(lambda: look(run_dir))
            second.append(seconds)
            if not arguments.file and (result.rows != count or steps != count):
                raise SystemExit(f"{result.rows} rows read and {steps} steps found, {count} were written")
        shutil.rmtree(run_dir / "metrics")
        alone, beside, took = frame_rates(run_dir, watched_s)
    medians = [statistics.median(each) for each in (bare, first, second)]
    ratios = {
        "first read / framing": medians[1] / medians[0],
        "second read / first": medians[2] / medians[1],
        "frames lost": max(0.0, 1 - beside / alone),
    }
    table(
        ("what", "measured", "ratio", "at most"),
        [
            (f"framing and CRC, {records:,} records", f"{medians[0]:.2f} s", "1.00", ""),
            ("first read", f"{medians[1]:.2f} s", *_judged(ratios, "first read / framing")),
            ("second read", f"{medians[2]:.3f} s", *_judged(ratios, "second read / first")),
            ("frames a second, nothing else", f"{alone:.1f}", "", ""),
            (f"frames a second while the child reads ({took:.0f} s)", f"{beside:.1f}", *_judged(ratios, "frames lost")),
        ],
    )
    return finish("reader", ratios, {} if arguments.reduced else BARS)


def _judged(ratios: dict[str, float], name: str) -> tuple[str, str]:
    return f"{ratios[name]:.3f}", f"{BARS[name]:.2f}"


def write(run_dir: Path, count: int) -> None:
    """A run of `count` rows."""
    path = run_dir / "wandb" / "wandb" / "offline-run-20260101_000000-bench" / "run-bench.wandb"
    path.parent.mkdir(parents=True)
    path.write_bytes(frame(rows(count)))


def rows(count: int) -> Iterator[bytes]:
    """The records of such a run."""
    yield run("bench", 1_767_225_600.0, {"seed": 0})
    chance = random.Random(0)
    numbers = itertools.count(2)
    for i in range(count):
        row = {
            "trainer/step": i,
            "train/loss": math.exp(-i / count) + 0.01 * chance.random(),
            "train/learning_rate": 1e-4 * (1 - i / count),
            "eval/accuracy": i / count,
            "_timestamp": 1_767_225_600.0 + i * 0.1 + chance.random() * 1e-3,
            "_runtime": i * 0.1 + chance.random() * 1e-3,
            "_step": i,
        }
        keys = list(row)
        chance.shuffle(keys)
        shuffled = {key: row[key] for key in keys}
        yield summary(next(numbers), {"_runtime": i // 10})
        yield summary(next(numbers), shuffled)
        yield history(next(numbers), shuffled, i)


def framing(path: Path) -> int:
    """The least that any reader must do: go from chunk to chunk and check each CRC. Returns the records."""
    unpack, crc32 = Struct("<IHB").unpack_from, zlib.crc32
    data = path.read_bytes()
    position, size, records = 7, len(data), 0
    while position + 7 <= size:
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        crc, length, kind = unpack(data, position)
        end = position + 7 + length
        if crc32(data[position + 6 : end]) != crc:
            raise SystemExit(f"wrong CRC at {position}")
        records += kind in (1, 4)
        position = end
    return records


def look(run_dir: Path) -> int:
    """Opens a run whose columns are there, and looks at every value."""
    metrics = open_metrics(run_dir)
    for name in metrics.names:
        series = metrics.series(name)
        if not math.isfinite(float(series.value.sum())) or len(series.pyramid) != len(series):
            raise SystemExit(f"{name} is not what was written")
    return metrics.steps


def cpu(work):  # type: ignore[no-untyped-def]
    """(CPU seconds of this process, result)."""
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def frame_rates(run_dir: Path, seconds: float) -> tuple[float, float, float]:
    """Frames a second without and with the reader child at work, and how long that took to read the run."""
    app = QApplication.instance() or QApplication([])
    chart = Chart(title="train/loss")
    series = Series.from_arrays("train/loss", range(100_000), [math.exp(-i / 3e4) for i in range(100_000)])
    chart.set_curve("run", series, label="run", color=0)
    chart.resize(900, 500)
    chart.show()
    frames = 0

    def tick() -> None:
        nonlocal frames
        series.append(len(series), math.exp(-len(series) / 3e4))
        chart.invalidate()
        chart.repaint()
        frames += 1

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start(1000 // HZ)

    def watch(done, at_most: float) -> tuple[float, float]:  # type: ignore[no-untyped-def]
        nonlocal frames
        clock = QElapsedTimer()
        clock.start()
        frames = 0
        while not done() and clock.elapsed() < at_most * 1000:
            app.processEvents()
            time.sleep(0.001)
        return frames / (clock.elapsed() / 1000), clock.elapsed() / 1000

    watch(lambda: False, 0.5)
    alone, _ = watch(lambda: False, seconds)
    finished: list[bool] = []
    live = LiveMetrics()
    live.changed.connect(lambda: None if is_left(run_dir) else finished.append(True))
    live.watch(run_dir)
    beside, took = watch(lambda: bool(finished), 300.0)
    live.close()
    timer.stop()
    chart.close()
    return alone, beside, took


def is_left(run_dir: Path) -> bool:
    """True while the child has not read the whole file."""
    state = index.load(run_dir / "metrics")
    return state is None or any((run_dir / one.path).stat().st_size > one.offset for one in state.segments)


if __name__ == "__main__":
    sys.exit(main())
