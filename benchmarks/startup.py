"""How long the doors take to open, in CPU time of fresh processes, as ratios to what cannot be avoided.

`import arrcoc_core` with the experiment types built, and `arrcoc --help`, against
`from pydantic.dataclasses import dataclass`; the desktop app's first paint against a bare window with one pyqtgraph
plot. The variants take turns, so that a busy machine slows all of them; the medians are compared. After the app's
first paint its modules must hold none of the heavy libraries.

    python benchmarks/startup.py [--reduced]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from _report import finish, table

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = Path(sys.executable).with_name("arrcoc")
BASE = "from pydantic.dataclasses import dataclass"
COMMANDS: dict[str, list[str]] = {
    BASE: [sys.executable, "-c", BASE],
    "import arrcoc_core": [sys.executable, "-c", "import arrcoc_core; arrcoc_core.Experiment"],
    "arrcoc --help": [*([str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-m", "arrcoc_core.cli"]), "--help"],
}
BARE_WINDOW = """
import json, os, time
started = time.perf_counter()
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMainWindow
import pyqtgraph
class Plot(pyqtgraph.PlotWidget):
    painted = False
    def paintEvent(self, event):
        super().paintEvent(event)
        if not self.painted:
            self.painted = True
            QTimer.singleShot(0, done)
def done():
    print(json.dumps({"cpu_s": time.process_time(), "wall_s": time.perf_counter() - started}), flush=True)
    os._exit(0)
app = QApplication([])
window = QMainWindow()
plot = Plot()
plot.plot([0, 1, 2, 3], [0, 1, 4, 9])
window.setCentralWidget(plot)
window.resize(1200, 700)
window.show()
app.exec()
"""
WINDOWS: dict[str, list[str]] = {
    "bare window": [sys.executable, "-c", BARE_WINDOW],
    "app": [sys.executable, "-m", "arrcoc_gui", "--probe-first-paint"],
}
# Not "google.cloud": a .pth file of aiplatform puts that empty namespace into every process of its environment.
HEAVY = ("torch", "transformers", "google.auth", "google.api_core", "grpc", "wandb")
BARS = {"import arrcoc_core": 1.7, "arrcoc --help": 2.0, "first paint": 1.5}


def main() -> int:
    parser = argparse.ArgumentParser(description="start-up of the three doors, as ratios")
    parser.add_argument("--reduced", action="store_true", help="few repeats and no bars: only to see that it works")
    reduced = parser.parse_args().reduced
    repeats, paints = (2, 1) if reduced else (15, 7)

    cpu = {name: [] for name in COMMANDS}
    for turn in range(repeats + 1):
        for name, command in COMMANDS.items():
            seconds = cpu_seconds(command)
            if turn:  # the first turn writes bytecode and warms the disk
                cpu[name].append(seconds)
    paint: dict[str, list[dict[str, object]]] = {name: [] for name in WINDOWS}
    for turn in range(paints + 1):
        for name, command in WINDOWS.items():
            probed = first_paint(command)
            if turn:
                paint[name].append(probed)

    imports = {name: statistics.median(values) for name, values in cpu.items()}
    windows = {name: statistics.median(float(row["cpu_s"]) for row in rows) for name, rows in paint.items()}
    waits = {name: statistics.median(float(row["wall_s"]) for row in rows) for name, rows in paint.items()}
    ratios = {
        "import arrcoc_core": imports["import arrcoc_core"] / imports[BASE],
        "arrcoc --help": imports["arrcoc --help"] / imports[BASE],
        "first paint": windows["app"] / windows["bare window"],
        "first paint, wall clock": waits["app"] / waits["bare window"],
    }
    table(
        ("what", "CPU ms", "ratio", "at most"),
        [
            (BASE, f"{1e3 * imports[BASE]:.0f}", "1.00", ""),
            *(
                (name, f"{1e3 * imports[name]:.0f}", f"{ratios[name]:.2f}", f"{BARS[name]:.2f}")
                for name in ("import arrcoc_core", "arrcoc --help")
            ),
            ("bare window with one plot", f"{1e3 * windows['bare window']:.0f}", "1.00", ""),
            (
                "app, first paint",
                f"{1e3 * windows['app']:.0f}",
                f"{ratios['first paint']:.2f}",
                f"{BARS['first paint']:.2f}",
            ),
            (
                "app, first paint (wall clock)",
                f"{1e3 * waits['app']:.0f}",
                f"{ratios['first paint, wall clock']:.2f}",
                "",
            ),
        ],
    )
    heavy = sorted({name for row in paint["app"] for name in loaded_heavy(list(row["modules"]))})  # type: ignore[call-overload]
    print(f"heavy modules after first paint: {', '.join(heavy) or 'none'}")
    bars = {} if reduced else {**BARS, "heavy modules": 0}
    return finish("startup", {**ratios, "heavy modules": float(len(heavy))}, bars, more={"heavy": heavy})


def cpu_seconds(command: list[str]) -> float:
    """User and system time of one process, from its start to its end."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def first_paint(command: list[str]) -> dict[str, object]:
    """The JSON line that a window prints after its first paint, with the wall time up to that line."""
    environment = dict(os.environ)
    if not any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        line = next((line for line in process.stdout if line.startswith("{")), "")
        wall = time.perf_counter() - started
        process.stdout.read()
    if not line:
        raise SystemExit(f"{command} ended with {process.returncode} and without a first paint")
    return {**json.loads(line), "wall_s": wall}


def loaded_heavy(modules: list[str]) -> list[str]:
    return [name for name in modules if name in HEAVY or name.startswith(tuple(f"{heavy}." for heavy in HEAVY))]


if __name__ == "__main__":
    sys.exit(main())
