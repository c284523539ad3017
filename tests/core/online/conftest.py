"""One sandbox for all tests here, at the speed of the world: each test logs to a project of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from one_reader import OneReader
from run_writer import RunWriter

from arrcoc_core.online.addresses import parse_run_path
from arrcoc_core.online.servers import Server
from arrcoc_core.sandbox import Sandbox, running

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory, sandbox_key: str) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("box")
    (folder / "key.json").write_text(sandbox_key, encoding="utf-8")
    with running(folder, speed=1) as found:
        yield found


@pytest.fixture
def server(box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The sandbox's W&B, for a project in a folder of the test's own."""
    for name in [key for key in os.environ if key.startswith(("ARRCOC_", "WANDB_"))]:
        monkeypatch.delenv(name)
    root = tmp_path / "project"
    (root / "experiments").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    monkeypatch.chdir(root)
    monkeypatch.setenv("ARRCOC_CLOUD_ENDPOINTS", str(box.folder))
    yield Server(root)
    box.set_scenario([])


@pytest.fixture
def place() -> str:
    return f"project-{next(_numbers)}"


@pytest.fixture
def write(box: Sandbox, place: str) -> Iterator[Callable[..., RunWriter]]:
    """`write("run id")` begins a run in the test's project; `where=` another sandbox."""
    made: list[RunWriter] = []

    def make(run_id: str = "run", *, where: Sandbox = box, **more: object) -> RunWriter:
        url = where.endpoints.services["wandb"]
        key = Path(where.endpoints.keys["WANDB_API_KEY"]).read_text(encoding="utf-8").strip()
        made.append(RunWriter(url, key, run_id, **{"project": place, **more}))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for writer in made:
        writer.close()


@pytest.fixture
def read(server: Server, tmp_path: Path) -> Iterator[Callable[..., OneReader]]:
    """`read(writer)`: a reader of its run, into a folder of the test's own."""
    made: list[OneReader] = []

    def make(writer: RunWriter, folder: str = "cache", **more: bool) -> OneReader:
        made.append(OneReader(server, parse_run_path(writer.path), tmp_path / folder, **more))
        return made[-1]

    yield make
    for reader in made:
        reader.connection.client.close()
