"""Every performance claim is a command; here each is run: at full size against its bars, or reduced to see it work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.name for path in (ROOT / "benchmarks").glob("[!_]*.py"))
# What these do many tests do as well, or it says something at full size only; and they are the longest.
LONG = ("plot_live.py", "latency_online.py", "checkpoint.py", "step.py", "data.py")
BENCHMARKS = [pytest.param(name, marks=pytest.mark.long) if name in LONG else name for name in NAMES]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmark(name: str, full: bool, figures: Callable[..., None]) -> None:
    command = [sys.executable, f"benchmarks/{name}", *([] if full else ["--reduced"])]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr, sep="\n")
    row = json.loads(done.stdout.strip().splitlines()[-1])
    assert set(row) >= {"name", "ratios", "bars", "ok"}
    figures(f"benchmarks/{name}", **row)
    if full:
        # The bars are ratios measured side by side; they are judged only at the size that they were set for.
        assert done.returncode == 0, row
        assert row["ok"], row
    else:
        assert row["ratios"]
