"""The set-up scripts: any Python may start them, and one that is too old hands over or says what to install."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def run_script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """`scripts/run.py` as a module, which finds `setup` beside it, as it does when it is run."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    spec = importlib.util.spec_from_file_location("run_script", SCRIPTS / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("setup", None)


def test_an_old_python_hands_over_to_one_that_is_new_enough(
    run_script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = tmp_path / "python3.12"
    newer.write_text('#!/bin/sh\ntest "$1" = -c || exit 7\n', encoding="utf-8")
    newer.chmod(0o755)
    monkeypatch.setattr(sys, "version_info", (3, 8, 18))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_script.main() == 7


def test_an_old_python_alone_says_what_to_install(
    run_script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 8, 18))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_script.main() == 2
    assert "needs Python 3.11, 3.12 or 3.13" in capsys.readouterr().err


def test_an_unknown_job_is_refused() -> None:
    command = [sys.executable, str(SCRIPTS / "setup.py"), "nonsense"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 2 and "unknown job 'nonsense'" in said.stderr and "Traceback" not in said.stderr
