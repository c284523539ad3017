"""The command line on a fresh project: what it reads, what it refuses, how it behaves in pipes and terminals."""

from __future__ import annotations

import ast
import importlib
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from arrcoc_core.cli import main
from arrcoc_core.cli.parser import COMMANDS, build_parser

ROOT = Path(__file__).resolve().parents[2]
Arrcoc = Callable[..., subprocess.CompletedProcess[str]]


@dataclass
class Said:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project for the tests that only read: its experiments are discovered once."""
    root = tmp_path_factory.mktemp("shared")
    shutil.copy(ROOT / "pyproject.toml", root)
    shutil.copytree(ROOT / "experiments", root / "experiments", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "training").mkdir()
    (root / "training/train.py").touch()  # a plan looks whether there is a trainer; nothing here starts it
    return root


@pytest.fixture
def read(shared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command line in this process, in the shared project."""

    def call(*arguments: str, **environment: str) -> Said:
        with monkeypatch.context() as patch:
            patch.chdir(shared)
            for name, value in environment.items():
                patch.setenv(name, value)
            code = main(arguments)
        return Said(code, *capsys.readouterr())

    return call


@pytest.fixture
def run(arrcoc: list[str], project: Path) -> Arrcoc:
    """The command line as a process of its own, in a project of its own."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **environment}
        return subprocess.run([*arrcoc, *arguments], cwd=project, env=env, capture_output=True, text=True, check=False)

    return call


def test_every_command_is_there_and_explains_itself() -> None:
    parser = build_parser()
    page = parser.format_help()
    for name, home in COMMANDS.items():
        module, function = home.split(":")
        assert callable(getattr(importlib.import_module(f"arrcoc_core.cli.{module}"), function))
        if name != "home":
            assert f"    {name}" in page
            with pytest.raises(SystemExit) as stop:
                parser.parse_args([name, "--help"])
            assert stop.value.code == 0


def test_help_imports_no_more_than_it_needs(arrcoc: list[str]) -> None:
    code = "import sys; from arrcoc_core.cli import main; main(['--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(ast.literal_eval(done.stdout.splitlines()[-1]))
    assert not modules & {"pydantic", "numpy", "sqlite3", "subprocess", "psutil", "shtab", "json", "torch", "wandb"}


def test_home_for_a_newcomer(read: Callable[..., Said]) -> None:
    done = read()
    assert done.returncode == 0, done.stderr
    assert "arrcoc launch quickstart --watch" in done.stdout
    assert "\x1b" not in done.stdout
    assert json.loads(read("--json").stdout)["next_step"]["experiment"] == "quickstart"


def test_list(read: Callable[..., Said]) -> None:
    done = read("list")
    assert done.returncode == 0, done.stderr
    assert "quickstart" in done.stdout
    assert "experiments/quickstart.py:" in done.stdout
    rows = json.loads(read("list", "--json").stdout)
    assert {row["status"] for row in rows} == {"new"}
    assert next(row["name"] for row in rows if row["name"].startswith("token_budget/")) == "token_budget/keep-2"


def test_show_marks_what_is_changed_and_says_where_from(read: Callable[..., Said]) -> None:
    shown = json.loads(read("show", "quickstart", "--set", "tokens.keep=2", "--json").stdout)
    values = {row["path"]: row for row in shown["values"]}
    assert values["tokens.keep"] == {
        "path": "tokens.keep",
        "value": 2,
        "source": "set",
        "detail": values["tokens.keep"]["detail"],
        "changed": True,
    }
    assert values["train.learning_rate"]["source"] == "here"
    assert values["train.learning_rate"]["detail"].startswith("experiments/quickstart.py:")
    assert values["train.learning_rate"]["changed"] is False
    default = read("show", "default", ARRCOC_SEED="7").stdout
    assert next(line for line in default.splitlines() if "train.seed" in line).split()[:3] == ["*", "train.seed", "7"]


def test_diff(read: Callable[..., Said]) -> None:
    found = json.loads(read("diff", "token_budget/keep-2", "token_budget/keep-8", "--json").stdout)
    assert found["differences"] == [{"path": "tokens.keep", "a": 2, "b": 8}]
    assert found["a"]["fingerprint"] != found["b"]["fingerprint"]
    assert "tokens.keep" in read("diff", "quickstart", "token_budget/keep-2").stdout
    assert "same values" in read("diff", "quickstart", "token_budget/keep-4").stdout


def test_plan(read: Callable[..., Said]) -> None:
    plan = json.loads(read("plan", "quickstart", "--json").stdout)
    assert plan["ok"] is True
    assert plan["cost_usd"] == 0
    assert "nothing to build" in read("plan").stdout  # the experiment `default`
    more = json.loads(read("plan", "--set", "train.epochs=2", "quickstart", "--json").stdout)
    assert more["total_steps"] == 2 * plan["total_steps"] > 0


def test_new(run: Arrcoc, project: Path) -> None:
    done = run("new", "mine", "--from", "quickstart", "--no-open")
    assert done.returncode == 0, done.stderr
    assert "experiments/mine.py" in done.stdout
    assert "mine" in [row["name"] for row in json.loads(run("list", "--json").stdout)]
    again = run("new", "mine", "--no-open")
    assert again.returncode == 2
    editor = project / "editor"
    editor.write_text(f'#!/bin/sh\necho "$@" > "{project}/opened"\n', encoding="utf-8")
    editor.chmod(0o755)
    assert run("new", "second", ARRCOC_EDITOR=f"{editor} {{file}}:{{line}}").returncode == 0
    wait_for(project / "opened")
    assert "experiments/second.py:" in (project / "opened").read_text(encoding="utf-8")


def test_reading_without_runs(read: Callable[..., Said]) -> None:
    assert json.loads(read("runs", "--json").stdout) == []
    assert "arrcoc launch quickstart" in read("runs").stdout
    assert read("cancel", "--all").stdout.startswith("Nothing to cancel")
    for command in ("metrics", "logs", "monitor"):
        done = read(command, "latest")
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")


def test_the_plan_of_a_sweep_is_that_of_its_runs_with_the_sum(read: Callable[..., Said]) -> None:
    said = read("plan", "token_budget").stdout
    assert said.startswith("token_budget: 4 runs · $0 in all")
    assert all(f"token_budget/keep-{keep} " in said for keep in (2, 4, 8, 16))
    found = json.loads(read("plan", "token_budget", "--json").stdout)
    assert [plan["experiment"] for plan in found["plans"]] == [f"token_budget/keep-{keep}" for keep in (2, 4, 8, 16)]
    assert found["ok"] and found["cost_range"] == [0.0, 0.0]


def test_a_wrong_argument_is_named_as_it_was_typed(read: Callable[..., Said]) -> None:
    shell = read("completion", "nush")
    assert shell.returncode == 2 and "'nush'" in shell.stderr and "command" not in shell.stderr
    limit = read("runs", "-n", "few")
    assert limit.returncode == 2 and "give a whole number from 1 up, not 'few'" in limit.stderr
    sweep = read("show", "token_budget")
    assert sweep.returncode == 2 and "'token_budget' is a sweep of 4 experiments" in sweep.stderr
    assert "such as token_budget/keep-2" in sweep.stderr


def test_a_name_taken_twice_is_broken_in_the_list(run: Arrcoc, project: Path) -> None:
    text = 'from arrcoc_core import Experiment\nagain = Experiment(name="default")\n'
    (project / "experiments/again.py").write_text(text, encoding="utf-8")
    listed = run("list", "--json")
    assert listed.returncode == 0
    rows = [row for row in json.loads(listed.stdout) if row["name"] == "default"]
    assert [row["status"] for row in rows] == ["broken", "broken"]
    assert all("is also taken at" in row["error"] for row in rows)


def test_gui_without_a_display_says_what_to_do(read: Callable[..., Said]) -> None:
    done = read("gui", DISPLAY="", WAYLAND_DISPLAY="", QT_QPA_PLATFORM="")
    assert done.returncode == 2
    assert "arrcoc launch quickstart --watch" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh"])
def test_completion_scripts(read: Callable[..., Said], shell: str, tmp_path: Path) -> None:
    done = read("completion", shell)
    assert done.returncode == 0, done.stderr
    assert "arrcoc completion --names experiment" in done.stdout
    if shell == "bash":
        script = tmp_path / "arrcoc.bash"
        script.write_text(done.stdout, encoding="utf-8")
        subprocess.run(["bash", "-n", str(script)], check=True)


def test_completion_names(read: Callable[..., Said], arrcoc: list[str], tmp_path: Path) -> None:
    assert {"quickstart", "token_budget", "default"} <= set(read("completion", "--names", "experiment").stdout.split())
    assert read("completion", "--names", "run").stdout.split() == ["latest"]
    outside = subprocess.run([*arrcoc, "completion", "--names", "any"], cwd=tmp_path, capture_output=True, check=False)
    assert (outside.returncode, outside.stdout, outside.stderr) == (0, b"", b"")


def test_debug_shows_the_traceback(run: Arrcoc) -> None:
    plain, debug = run("plan", "nobody"), run("plan", "nobody", ARRCOC_DEBUG="1")
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr
    assert plain.returncode == debug.returncode == 2


def test_a_closed_pipe_is_quiet(arrcoc: list[str], shared: Path) -> None:
    for command in (["--help"], ["list", "--json"], ["completion", "bash"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([*arrcoc, *command], cwd=shared, stdout=writer, stderr=subprocess.PIPE, check=False)
        os.close(writer)
        assert (done.returncode, done.stderr) == (0, b"")


def test_interrupt_is_quiet(arrcoc: list[str], project: Path) -> None:
    (project / "experiments/slow.py").write_text("import time\ntime.sleep(60)\n", encoding="utf-8")
    process = subprocess.Popen(
        [*arrcoc, "list"], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, b"")


@pytest.mark.parametrize(("no_color", "painted"), [("", True), ("1", False)])
def test_colour_on_a_terminal(arrcoc: list[str], shared: Path, no_color: str, painted: bool) -> None:
    assert ("\x1b[" in in_terminal([*arrcoc, "list"], shared, NO_COLOR=no_color)) is painted


def test_tables_fit_a_narrow_terminal(arrcoc: list[str], shared: Path) -> None:
    text = in_terminal([*arrcoc, "list"], shared, NO_COLOR="1", COLUMNS="60")
    assert max(len(line) for line in text.splitlines()) <= 60


def in_terminal(command: list[str], cwd: Path, **environment: str) -> str:
    """What a command writes to a terminal of its own."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", **environment}
    process = subprocess.Popen(command, cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    assert process.wait(60) == 0
    return written.decode()


def wait_for(path: Path, seconds: float = 20) -> None:
    import time

    end = time.monotonic() + seconds
    while not (path.exists() and path.stat().st_size):
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)
