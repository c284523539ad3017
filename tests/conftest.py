"""Fixtures that the whole suite shares.

No test ever finds an account of the developer's: wherever W&B's key and the Hub's token are kept on this machine, the
suite and its child processes look somewhere else. So without a sandbox every run logs offline, and nobody is asked.
"""

from __future__ import annotations

import compileall
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from arrcoc_core.sandbox import Sandbox

REPOSITORY = Path(__file__).resolve().parents[1]
# What a project is made of; tests copy it, edit the copy and launch in it.
PROJECT_PARTS = (
    "arrcoc_core",
    "arrcoc_gui",
    "training",
    "experiments",
    "pyproject.toml",
    "requirements.lock",
    "Dockerfile",
    ".training.starter",
)
# Workers take whole files: these folders first, whose files have one long test that mostly waits for processes, so that
# no core is idle at the end. By the number of tests, as pytest-xdist would have it, just these come last.
FIRST = ("acceptance", "training")
FIGURES = pytest.StashKey[dict[str, dict[str, object]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shots", metavar="DIR", help="keep the pictures that the GUI tests take of the app")
    parser.addoption(
        "--update-golden", action="store_true", help="write tests/core/golden anew, to be read in the diff"
    )
    parser.addoption("--full", action="store_true", help="acceptance at full size; figures go to acceptance.json")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = {}
    nowhere = Path(tempfile.gettempdir()) / "arrcoc-tests-have-no-account"
    for name in [one for one in os.environ if one.startswith("WANDB_")] + ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]:
        os.environ.pop(name, None)
    os.environ |= {
        "NETRC": str(nowhere / "netrc"),
        "WANDB_CONFIG_DIR": str(nowhere / "wandb"),
        "HF_TOKEN_PATH": str(nowhere / "token"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    if not config.getoption("--full"):
        # A worker of the suite has one core, and so have the trainers it starts: threads that wait for each other on
        # fewer cores than there are of them take much longer than one alone. What is measured in full has them all.
        os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.pop("HF_ENDPOINT", None)
    # Where a shell forbids bytecode, each of some hundred child processes would compile torch or the clients anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    # A shell without job control starts what runs in its background deaf to Ctrl+C, and a program's children with it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """What a test (or the trainer that it runs in this process) told W&B by the environment, no later one hears."""
    before = dict(os.environ)
    yield
    for name in [one for one in os.environ if one.startswith("WANDB_") and one not in before]:
        del os.environ[name]
    os.environ |= {name: value for name, value in before.items() if name.startswith("WANDB_")}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    long_first = {REPOSITORY / "tests" / folder: place for place, folder in enumerate(FIRST)}
    items.sort(key=lambda item: long_first.get(item.path.parent, len(FIRST)))
    if not config.getoption("--full"):
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        _skips.append(f"{report.nodeid}: {report.longrepr[2]}")


_skips: list[str] = []


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A test skipped for something that the set-up should have installed is a failure, not a pass."""
    missing = [skip for skip in _skips if "hardware:" not in skip]
    if missing:
        print("\nskipped for a missing dependency (run `make test`, which installs it):", *missing, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    figures = session.config.stash[FIGURES]
    if session.config.getoption("--full") and figures:
        written = {
            "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {
                "cores": os.cpu_count(),
                "platform": platform.platform(),
                "python": sys.version.split()[0],
            },
            "passed": session.testsfailed == 0,
            "figures": figures,
        }
        path = REPOSITORY / "acceptance.json"
        path.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
        print(f"\nfigures: {path.name}")


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """True under `make acceptance`: every size as it is promised; False: a reduced version of the same test."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`figures("name", key=value, …)` keeps what was measured for acceptance.json and prints it."""
    store = request.config.stash[FIGURES]

    def record(name: str, /, **values: object) -> None:
        store.setdefault(name, {}).update(values)
        print(f"{name}: {json.dumps(values, default=str)}")

    return record


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Copies of this project that a test may edit, launch in and throw away.

    With their bytecode, which Python compares with its source by time and size: else the first process of each would
    compile all of it anew.
    """
    for part in PROJECT_PARTS:
        if (REPOSITORY / part).is_dir():
            compileall.compile_dir(REPOSITORY / part, quiet=1)
    unfinished = shutil.ignore_patterns("*.pyc.*")  # by another process, at this moment

    def make() -> Path:
        root = tmp_path_factory.mktemp("project")
        for part in PROJECT_PARTS:
            source = REPOSITORY / part
            if source.is_dir():
                shutil.copytree(source, root / part, ignore=unfinished)
            elif source.exists():
                shutil.copy2(source, root / part)
        return root

    return make


@pytest.fixture
def project(make_project: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of this project: the working directory, with no ARRCOC_* or WANDB_* of the developer's shell."""
    for name in [key for key in os.environ if key.startswith(("ARRCOC_", "WANDB_"))]:
        monkeypatch.delenv(name)
    root = make_project()
    monkeypatch.chdir(root)
    return root


@pytest.fixture(scope="session")
def arrcoc() -> list[str]:
    """The command line as the start of a subprocess's argument list."""
    return [sys.executable, "-m", "arrcoc_core.cli"]


@pytest.fixture(scope="session")
def sandbox_key() -> str:
    """A key file for every sandbox of the session: making one takes longer than starting one."""
    from arrcoc_core.sandbox.tokens import new_key

    return json.dumps(new_key())


@pytest.fixture
def sandbox(tmp_path: Path, sandbox_key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A fresh sandbox in threads of this process; settings and child processes of the test point at it.

    `sandbox.cloud()` has the clients, `sandbox.requests()` what was asked, `sandbox.set_scenario([...])` the faults,
    `sandbox.restart()` is a SIGKILL and a new start. Time is sped up 100 times. Runs in it log offline; a test
    that is about W&B says `log_online(sandbox.folder)` (sandbox_settings.py).
    """
    from sandbox_settings import log_offline

    from arrcoc_core.sandbox import running

    folder = tmp_path / "sandbox"
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ARRCOC_CLOUD_ENDPOINTS", str(folder))
    folder.mkdir()
    (folder / "key.json").write_text(sandbox_key, encoding="utf-8")
    log_offline(folder)
    with running(folder, speed=100) as box:
        yield box
