"""A fresh clone in an empty directory, and the two commands of the README."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(3600)
def test_two_commands(full: bool, tmp_path: Path, figures: Callable[..., None]) -> None:
    clone = tmp_path / "arrcoc"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    without_screen = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("ARRCOC_", "WANDB_", "PYTEST_"))
        and key not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "VIRTUAL_ENV")
    }
    if not full:
        # The whole of it takes a new environment; here only that the clone is complete and says what it would do.
        said = subprocess.run(
            ["python3", "scripts/setup.py", "terminal", "--check"],
            cwd=clone,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "MB to download" in said.stdout
        return
    for target in ("run", "test"):
        started = time.monotonic()
        done = subprocess.run(
            ["make", target], cwd=clone, env=without_screen, capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - started
        print(done.stdout[-4000:], done.stderr[-4000:], sep="\n")
        assert done.returncode == 0
        if target == "run":
            assert "accuracy" in done.stdout
            figures("fresh clone/make run", seconds=round(seconds))
        else:
            count = re.search(r"(\d+) passed", done.stdout)
            assert count
            figures("fresh clone/make test", seconds=round(seconds), passed=int(count[1]))
            assert seconds < 15 * 60
