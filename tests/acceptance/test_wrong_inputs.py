"""Wrong inputs: each ends with one clear message and exit code 2, and nothing is created."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arrcoc_core.cli import main

Arrcoc = Callable[..., subprocess.CompletedProcess[str]]

EXPERIMENT = "from arrcoc_core import Experiment, Model, Tokens, Train, Vertex\nwrong = Experiment({fields})\n"


@pytest.fixture(scope="module")
def copy(make_project: Callable[[], Path]) -> Path:
    """One project for all, so that the experiments that are not wrong are looked at once."""
    root = make_project()
    (root / ".arrcoc").mkdir()
    return root


@pytest.fixture
def project(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """It, as it was made, and the working directory; with no ARRCOC_* or WANDB_* of the developer's shell."""
    for name in [key for key in os.environ if key.startswith(("ARRCOC_", "WANDB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(copy)
    before = set((copy / "experiments").glob("*.py"))
    yield copy
    for path in (copy / "experiments").glob("*.py"):
        if path not in before:
            path.unlink()
    settings = copy / ".training"
    shutil.rmtree(settings) if settings.is_dir() else settings.unlink(missing_ok=True)


@pytest.fixture
def run(
    full: bool, arrcoc: list[str], project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Arrcoc:
    """The command line: in full as a process, else in this one."""

    def call(*arguments: str, cwd: Path = project) -> subprocess.CompletedProcess[str]:
        command = [*arrcoc, *arguments]
        if full:
            return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
        monkeypatch.chdir(cwd)
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as ended:  # as argparse refuses what it cannot read
            code = int(str(ended.code))
        return subprocess.CompletedProcess(command, code, *capsys.readouterr())

    return call


def assert_refused(done: subprocess.CompletedProcess[str], root: Path, *said: str) -> None:
    """Exit code 2, one message with every expected part, no traceback, and no run."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr
    for part in said:
        assert part in done.stderr, done.stderr
    runs = root / ".arrcoc/runs"
    assert not runs.exists() or not list(runs.iterdir())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ('name="wrong", tokens=Tokens(kep=4)', ("kep", "keep")),
        ('name="wrong", tokens=Tokens(keep="4")', ("keep", "'4'")),
        ('name="wrong", tokens=Tokens(keep=65)', ("tokens.keep", "65", "64")),
        ('name="wrong", model=Model(base="qwen3")', ("base", "qwen3", "tiny", "Qwen/Qwen3-VL-2B-Instruct")),
        ('name="wrong", train=Train(learning_rate=-1e-4)', ("learning_rate", "-0.0001")),
    ],
    ids=["misspelt field", "wrong type", "K greater than N", "unknown base model", "negative learning rate"],
)
def test_wrong_experiment(run: Arrcoc, project: Path, fields: str, said: tuple[str, ...]) -> None:
    (project / "experiments/wrong.py").write_text(EXPERIMENT.format(fields=fields), encoding="utf-8")
    for command in ("launch", "plan"):
        assert_refused(run(command, "wrong"), project, "experiments/wrong.py:2", *said)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("tokens.kep=4", ("tokens.kep", "tokens.keep")),
        ("tokens.keep=four", ("tokens.keep", "four")),
        ("tokens.keep=65", ("tokens.keep", "65", "64")),
        ("model.base=qwen3", ("model.base", "qwen3", "tiny")),
        ("train.learning_rate=-1", ("train.learning_rate", "-1")),
        ("tokens", ("tokens",)),
    ],
)
def test_wrong_set(run: Arrcoc, project: Path, assignment: str, said: tuple[str, ...]) -> None:
    assert_refused(run("launch", "quickstart", "--set", assignment), project, *said)


def test_two_experiments_of_one_name(run: Arrcoc, project: Path) -> None:
    text = (project / "experiments/quickstart.py").read_text(encoding="utf-8")
    (project / "experiments/second.py").write_text(text, encoding="utf-8")
    (project / "experiments/broken.py").write_text("1 +\n", encoding="utf-8")
    assert_refused(
        run("launch", "quickstart"),
        project,
        "'quickstart'",
        "experiments/quickstart.py",
        "experiments/second.py",
        "experiments/broken.py",
    )


def test_unknown_experiment_names_the_nearest_and_the_broken_files(run: Arrcoc, project: Path) -> None:
    (project / "experiments/broken.py").write_text("1 +\n", encoding="utf-8")
    assert_refused(run("launch", "quickstrat"), project, "'quickstrat'", "'quickstart'", "experiments/broken.py:1")


def test_no_project_root(run: Arrcoc, tmp_path: Path) -> None:
    for command in (("launch", "quickstart"), ("list",), ("runs",), ()):
        assert_refused(run(*command, cwd=tmp_path), tmp_path, "experiments")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"SEED=1\nLERNING_RATE=1e-4\n", (".training:2", "LERNING_RATE", "LEARNING_RATE")),
        (b"\nLEARNING_RATE=fast\n", (".training:2", "LEARNING_RATE", "fast")),
        (b"NUM_VISUAL_TOKENS=-3\n", (".training:1", "NUM_VISUAL_TOKENS", "-3")),
        (b"FREEZE_BASE_MODEL=false\n", (".training:1", "FREEZE_BASE_MODEL")),
        (b"SEED=\xff\xfe\n", (".training",)),
    ],
    ids=["unknown key", "bad value", "bad number", "unfrozen base", "not text"],
)
def test_wrong_settings(run: Arrcoc, project: Path, content: bytes, said: tuple[str, ...]) -> None:
    (project / ".training").write_bytes(content)
    for command in (("launch", "default"), ("plan", "default")):
        assert_refused(run(*command), project, *said)


def test_unreadable_settings(run: Arrcoc, project: Path) -> None:
    settings = project / ".training"
    settings.mkdir()  # holds for root as well, whom no permission stops
    assert_refused(run("launch", "default"), project, ".training")
    settings.rmdir()
    if os.geteuid() != 0:
        settings.write_text("SEED=1\n", encoding="utf-8")
        settings.chmod(0)
        assert_refused(run("launch", "default"), project, ".training")


def test_cloud_target_without_settings_names_the_command(run: Arrcoc, project: Path) -> None:
    text = EXPERIMENT.format(fields='name="wrong", compute=Vertex(gpu="A100")')
    (project / "experiments/wrong.py").write_text(text, encoding="utf-8")
    assert_refused(run("launch", "wrong"), project, "arrcoc setup")


def test_wrong_usage(run: Arrcoc, project: Path) -> None:
    for arguments in (("lunch",), ("runs", "--limit", "0"), ("metrics",), ("launch", "--no-such-option")):
        done = run(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert "arrcoc launch" in run("lunch").stderr
    assert_refused(run("monitor", "no-such-run"), project, "no runs")
    assert_refused(run("monitor"), project, "arrcoc launch quickstart")
    assert_refused(run("cancel"), project, "Which run")
    assert_refused(run("launch", "quickstart", "--set", "tokens.keep=4", "one", "two"), project, "one")
