"""Start-up as a process of its own: what it loads before the first paint, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# google.cloud itself is there from the start: the .pth file of a namespace package.
HEAVY = ("torch", "transformers", "google.auth", "google.api_core", "grpc", "wandb", "pyqtgraph", "numpy", "datasets")


def start(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "arrcoc_gui", *arguments],
        cwd=root,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("arguments", [(), ("--experiment", "quickstart")], ids=["home", "experiments"])
def test_first_paint_comes_before_everything_heavy(project: Path, arguments: tuple[str, ...]) -> None:
    done = start(project, "--probe-first-paint", *arguments)
    assert done.returncode == 0, done.stderr
    probe = json.loads(done.stdout.splitlines()[-1])
    assert set(probe) == {"cpu_s", "wall_s", "modules"}
    assert probe["cpu_s"] > 0
    loaded = set(probe["modules"])
    assert "arrcoc_gui.window" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_no_project_is_one_message(tmp_path: Path) -> None:
    done = start(tmp_path)
    assert done.returncode == 2
    assert "No project" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="hardware: elsewhere there is always a screen")
def test_no_display_is_one_message(project: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment.pop("QT_QPA_PLATFORM", None)
    done = subprocess.run(
        [sys.executable, "-m", "arrcoc_gui"], cwd=project, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert "no display" in done.stderr
    assert "arrcoc launch quickstart --watch" in done.stderr


def test_void_calls_lose_no_reference_to_none() -> None:
    # PySide6 6.12.0 took one from None at each, and the interpreter aborted after some 5,000.
    code = (
        "import sys\n"
        "from PySide6.QtCore import QObject\n"
        "o = QObject()\n"
        "before = sys.getrefcount(None)\n"
        "for _ in range(400): o.setObjectName('x')\n"
        "print(before - sys.getrefcount(None))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert abs(int(done.stdout)) < 50
