"""From `run.log` to the chart by way of a W&B server: how old a row is when a chart that shows it has been painted.

A real wandb process logs 20 rows a second online, with the transmit interval that the trainer uses (1 s, the shortest
that wandb has), to the sandbox's W&B on loopback; the follow child polls it; a `Chart` in this process paints. Each row
holds the time at which it was logged.

    python benchmarks/latency_online.py [--reduced]
"""

from __future__ import annotations

import argparse
import os
import queue
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from _report import finish, table
from latency import TimedChart
from PySide6.QtWidgets import QApplication

from arrcoc_core.metrics import Follower, open_metrics
from arrcoc_core.online.addresses import RunPath
from arrcoc_core.online.servers import Server
from arrcoc_core.sandbox import start, stop

P95_S = 2.5
RUN = RunPath("sandbox", "latency", "latency")
WRITER = """
import sys, time, wandb
run = wandb.init(project="latency", id="latency", dir=sys.argv[1], mode="online")
next_at = time.time()
for step in range(int(sys.argv[2])):
    next_at += 0.05
    time.sleep(max(0.0, next_at - time.time()))
    run.log({"trainer/step": step, "logged_at": time.time(), "train/loss": 1 / (step + 1)}, commit=True)
run.finish()
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="log-to-chart latency through W&B, at 20 rows a second")
    parser.add_argument("--reduced", action="store_true", help="few rows and no bar: only to see that it works")
    reduced = parser.parse_args().reduced
    count = 40 if reduced else 400
    app = QApplication.instance() or QApplication([])
    with tempfile.TemporaryDirectory() as scratch:
        box = start(Path(scratch) / "sandbox")
        try:
            late = measure(app, Path(scratch), box.endpoints.services["wandb"], box.endpoints.keys, count)
        finally:
            stop(box.folder)
    p50, p95, worst = (float(np.percentile(late, share)) for share in (50, 95, 100))
    rows = [("median", f"{p50:.3f}", ""), ("p95", f"{p95:.3f}", f"{P95_S:.2f}"), ("worst", f"{worst:.3f}", "")]
    table(("log to chart, through W&B", "seconds", "at most"), rows)
    bars = {} if reduced else {"p95 s": P95_S}
    return finish("latency online", {"p50 s": p50, "p95 s": p95, "worst s": worst}, bars, more={"rows": count})


def measure(app: Any, scratch: Path, url: str, keys: Any, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Of each row the seconds from its logging to the chart."""
    project = scratch / "project"
    (project / "experiments").mkdir(parents=True)
    (project / "pyproject.toml").touch()
    (scratch / "wandb").mkdir()
    environment = {
        **os.environ,
        "WANDB_SILENT": "true",
        "WANDB_BASE_URL": url,
        "WANDB_ENTITY": RUN.entity,
        "WANDB_API_KEY": Path(keys["WANDB_API_KEY"]).read_text(encoding="utf-8").strip(),
        "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1",
    }
    directory = RUN.directory(scratch / "state")
    metrics = open_metrics(directory, refresh=False)
    chart = TimedChart(metrics.series("train/loss"))
    chart.set_curve("run", chart.series, label="run", color=0)
    logged = metrics.series("logged_at")
    chart.resize(900, 500)
    chart.show()
    said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    online = {**Server(project, str(scratch / "sandbox")).to_json(), "path": str(RUN), "only": True}
    command = [sys.executable, "-c", WRITER, str(scratch / "wandb"), str(count)]
    with Follower(said.put) as child, subprocess.Popen(command, env=environment, cwd=scratch) as writer:
        child.tell({"watch": str(directory), "live": True, "visible": True, "online": {**online, "expected": True}})
        deadline = time.monotonic() + 60 + count * 0.05
        while len(chart.painted) < count and time.monotonic() < deadline:
            while not said.empty():
                if said.get().get("rows"):
                    metrics.refresh()
                    chart.data_changed()
            app.processEvents()
            time.sleep(0.001)
        writer.wait(60)
    chart.close()
    if writer.returncode or len(chart.painted) < count:
        raise SystemExit(f"{len(chart.painted)} of {count} rows were painted; wandb ended with {writer.returncode}")
    return np.array(chart.painted) - logged.value


if __name__ == "__main__":
    sys.exit(main())
