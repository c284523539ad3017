"""Fixtures that the whole suite shares."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT_PARTS = ("arrcoc_core", "training", "experiments", "pyproject.toml", "requirements.lock", ".training.starter")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the acceptance tests at full size and write acceptance.json")


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """True under `make acceptance`: every size as the issue states it; False: a reduced version of the same test."""
    return bool(request.config.getoption("--full"))


@pytest.fixture
def make_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Copies of this project that a test may edit, launch in and throw away."""

    def make() -> Path:
        root = tmp_path_factory.mktemp("project")
        for part in PROJECT_PARTS:
            source = REPOSITORY / part
            if source.is_dir():
                shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy2(source, root / part)
        return root

    return make


@pytest.fixture
def project(make_project: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of this project, with the working directory in it and no ARRCOC_* of the developer's shell."""
    import os

    for name in [key for key in os.environ if key.startswith(("ARRCOC_", "WANDB_"))]:
        monkeypatch.delenv(name)
    root = make_project()
    monkeypatch.chdir(root)
    return root


@pytest.fixture(scope="session")
def arrcoc() -> list[str]:
    """The command line as a subprocess prefix."""
    return [sys.executable, "-m", "arrcoc_core.cli"]
