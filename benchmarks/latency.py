"""From `run.log` to the pixel: how old a row is when a chart that shows it has been painted.

A real wandb process logs 20 rows a second (offline, with the flush interval that the trainer uses); the reader
child follows its file; a `Chart` in this process paints. Each row holds the time at which it was logged.

    python benchmarks/latency.py [--reduced]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from _report import finish, table
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QApplication

from arrcoc_core.metrics import Series
from arrcoc_gui.plotting import Chart, LiveMetrics

P95_S = 0.5
WRITER = """
import sys, time, wandb
run = wandb.init(project="latency", id="latency", dir=sys.argv[1], mode="offline")
next_at = time.time()
for step in range(int(sys.argv[2])):
    next_at += 0.05
    time.sleep(max(0.0, next_at - time.time()))
    run.log({"trainer/step": step, "logged_at": time.time(), "train/loss": 1 / (step + 1)}, commit=True)
run.finish()
"""


class TimedChart(Chart):
    """Notes when each point was painted first."""

    def __init__(self, series: Series) -> None:
        super().__init__(title="train/loss")
        self.series = series
        self.painted: list[float] = []

    def paintEvent(self, event: QPaintEvent) -> None:
        shown = len(self.series)
        super().paintEvent(event)
        self.painted += [time.time()] * (shown - len(self.painted))


def main() -> int:
    parser = argparse.ArgumentParser(description="log-to-pixel latency at 20 rows a second")
    parser.add_argument("--reduced", action="store_true", help="few rows and no bar: only to see that it works")
    reduced = parser.parse_args().reduced
    count = 30 if reduced else 400
    app = QApplication.instance() or QApplication([])
    with tempfile.TemporaryDirectory() as scratch:
        run_dir = Path(scratch)
        (run_dir / "wandb").mkdir()
        environment = {
            **os.environ,
            "WANDB_SILENT": "true",
            "WANDB_BASE_URL": "http://localhost:9",
            "WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL": "0.1",
        }
        live = LiveMetrics()
        metrics = live.watch(run_dir)
        chart = TimedChart(metrics.series("train/loss"))
        chart.set_curve("run", chart.series, label="run", color=0)
        logged = metrics.series("logged_at")
        live.changed.connect(chart.data_changed)
        chart.resize(900, 500)
        chart.show()
        command = [sys.executable, "-c", WRITER, str(run_dir / "wandb"), str(count)]
        with subprocess.Popen(command, env=environment, cwd=run_dir) as writer:
            deadline = time.monotonic() + 60 + count * 0.05
            while len(chart.painted) < count and time.monotonic() < deadline:
                app.processEvents()
                time.sleep(0.001)
        live.close()
        chart.close()
        if writer.returncode or len(chart.painted) < count:
            raise SystemExit(f"{len(chart.painted)} of {count} rows were painted; wandb ended with {writer.returncode}")
        late = np.array(chart.painted) - logged.value
    p50, p95, worst = (float(np.percentile(late, share)) for share in (50, 95, 100))
    table(
        ("log to pixel", "seconds", "at most"),
        [("median", f"{p50:.3f}", ""), ("p95", f"{p95:.3f}", f"{P95_S:.2f}"), ("worst", f"{worst:.3f}", "")],
    )
    bars = {} if reduced else {"p95 s": P95_S}
    return finish("latency", {"p50 s": p50, "p95 s": p95, "worst s": worst}, bars, more={"rows": count})


if __name__ == "__main__":
    sys.exit(main())
