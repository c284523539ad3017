"""Discovery: what is found, and that nothing in a file can freeze, crash or fool it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from arrcoc_core.discovery import Discovery, Entry, discover
from arrcoc_core.errors import ConfigError, DuplicateExperimentError, UnknownExperimentError
from arrcoc_core.experiment import Experiment
from arrcoc_core.resolving import resolve
from arrcoc_core.settings import load_settings
from arrcoc_core.values import owner, written
from arrcoc_core.variations import Sweep

BASE = """\
from arrcoc_core import Experiment, Tokens

base = Experiment(name="base", tokens=Tokens(keep=4))
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("ARRCOC_HOME", raising=False)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def _write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / "experiments" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


USES_SHARED = "from experiments.shared import K\n"


def _only(found: Discovery) -> Entry:
    assert len(found.entries) == 1, found.entries
    return found.entries[0]


def test_experiments_lists_tuples_and_sweeps_are_found_where_they_are_made(root: Path) -> None:
    _write(
        root,
        base=BASE,
        family="""\
from arrcoc_core import sweep
from experiments.base import base

several = [base.but(name="a"), (base.but(name="b"), base), "other"]
twice = several[0]
budget = sweep(base, {"tokens.keep": [2, 4]}, name="budget")
best = budget[1]
_hidden = 3
""",
        deep__inside="""\
from experiments.base import base


def make(name):
    return base.but(name=name)


x = make("deep")
""",
        helper="from experiments.deep.inside import make\n\nfrom_helper = make('by-helper')\n",
        nothing="",
    )
    found = discover(root)
    rows = [(entry.name, entry.file, entry.line, entry.variable, entry.sweep) for entry in found.entries]
    assert rows == [
        ("base", "experiments/base.py", 3, "base", None),
        ("deep", "experiments/deep/inside.py", 8, "x", None),
        ("a", "experiments/family.py", 4, "several[0]", None),
        ("b", "experiments/family.py", 4, "several[1][0]", None),
        ("budget/keep-2", "experiments/family.py", 6, "budget[0]", "budget"),
        ("budget/keep-4", "experiments/family.py", 6, "budget[1]", "budget"),
        ("by-helper", "experiments/helper.py", 3, "from_helper", None),
    ]
    assert found.broken == ()
    assert found.find("deep").module == "experiments.deep.inside"
    chosen = found.select("budget")
    assert isinstance(chosen, Sweep) and [point.tokens.keep for point in chosen] == [2, 4]
    assert chosen.base == found.select("base") and chosen.grid == {"tokens.keep": (2, 4)}


def test_an_experiment_comes_back_whole_with_the_line_of_each_value(root: Path) -> None:
    _write(
        root,
        long="""\
from arrcoc_core import Experiment, Local, Tokens, Train

long = Experiment(
    name="long",
    tokens=Tokens(keep=4),
    train=Train(
        seed=3,
        epochs=2,
    ),
    compute=Local(device="cpu"),
    tags=("a",),
)
""",
    )
    experiment = discover(root).select("long")
    assert isinstance(experiment, Experiment)
    assert (experiment.train.epochs, experiment.tags) == (2, ("a",))
    assert owner(experiment) == (str(root / "experiments/long.py"), 3)
    assert written(experiment.train)["epochs"].line == 8
    sources = resolve(experiment, load_settings(root, {})).sources
    assert sources["train.epochs"].detail == "experiments/long.py:8"
    assert sources["name"].detail == "experiments/long.py:4"


BROKEN = {
    "syntax": ("a = 1\nb = (\n", 2, "SyntaxError"),
    "missing": ("\nimport surely_not_installed\n", 2, "ModuleNotFoundError: No module named 'surely_not_installed'"),
    "raises": ("def f():\n    raise ValueError('bad luck')\n\nf()\n", 2, "ValueError: bad luck"),
    "misspelt": (BASE.replace("keep=4", "kep=4"), 3, "Tokens has no field 'kep'"),
    "exits": ("import sys\nsys.exit(0)\n", 2, "sys.exit(0)"),
    "leaves": ("import os\nos._exit(0)\n", 1, "exit code 0"),
    "crashes": ("import os\nimport signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", 3, "SIGSEGV"),
    "asks": ("input('name? ')\n", 1, "EOFError"),
    "greedy": ("\nx = bytearray(3 << 30)\n", 2, "MemoryError"),
    "interrupts": ("raise KeyboardInterrupt\n", 1, "KeyboardInterrupt"),
    "recursive": ("def f():\n    f()\nf()\n", 2, "RecursionError"),
    "bytes": ("x = '\x00'\n", 1, ""),
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Discovery:
    """One project with one good file and every broken one."""
    root = tmp_path_factory.mktemp("broken")
    _write(root, base=BASE, **{name: text for name, (text, _, _) in BROKEN.items()})
    return discover(root, timeout_s=30)


def test_the_good_files_beside_broken_ones_are_found(broken: Discovery) -> None:
    assert broken.find("base").experiment is not None
    assert sorted(entry.name for entry in broken.broken) == sorted(BROKEN)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_a_row_with_its_error(name: str, broken: Discovery) -> None:
    _, line, message = BROKEN[name]
    (entry,) = (entry for entry in broken.broken if entry.name == name)
    assert (entry.file, entry.experiment) == (f"experiments/{name}.py", None)
    assert entry.error is not None
    assert message in entry.error.message and (entry.error.file, entry.error.line) == (entry.file, line)
    with pytest.raises(UnknownExperimentError) as caught:
        broken.find(name)
    assert caught.value.exit_code == 2 and message in caught.value.message
    assert caught.value.where == f"{broken.root / entry.file}:{line}"


@pytest.mark.parametrize("loop", ["while True:\n    pass\n", "import time\ntime.sleep(1000)\n"])
def test_an_endless_loop_ends_at_the_limit_with_its_line(loop: str, root: Path) -> None:
    _write(root, base=BASE, endless=f"x = 1\n{loop}")
    found = discover(root, timeout_s=3)
    (entry,) = found.broken
    assert entry.error is not None
    assert "did not finish loading within 3 s" in entry.error.message
    assert entry.error.line in (2, 3)
    assert found.find("base")


def test_garbage_on_every_channel_is_not_a_report(root: Path) -> None:
    _write(
        root,
        garbage="""\
import os, sys
from arrcoc_core import Experiment
print('{"error": null}' * 100_000)
print("x" * 1_000_000, file=sys.stderr)
os.write(1, b"\\0" * 1_000_000)
garbage = Experiment(name="garbage")
print("end")
""",
    )
    assert _only(discover(root)).experiment == Experiment(name="garbage")


def test_a_file_that_only_prints_is_a_row_and_helpers_are_not(root: Path) -> None:
    _write(root, garbage='print("x" * 1000)\n', _common="SIZE = 4\n", shared="K = 4\n", user=BASE + USES_SHARED)
    entries = {entry.name: entry for entry in discover(root).entries}
    assert set(entries) == {"garbage", "base"}
    assert entries["garbage"].error is not None and "no experiment" in entries["garbage"].error.message


def test_a_file_that_writes_into_the_report_is_a_row_with_an_error(root: Path) -> None:
    _write(
        root,
        vandal="""\
import os
for fd in range(3, 64):
    try:
        os.write(fd, b"x" * 100)
    except OSError:
        pass
""",
    )
    assert _only(discover(root, timeout_s=3)).error is not None


@pytest.mark.parametrize("call", ["launch(base)", "launch('base')", "discover(Path('.'))"])
def test_a_file_that_launches_while_it_is_loaded_is_a_row_and_launches_nothing(call: str, root: Path) -> None:
    _write(root, base=BASE + f"from pathlib import Path\nfrom arrcoc_core import discover, launch\n{call}\n")
    entry = _only(discover(root))
    assert entry.error is not None and "while it is loaded" in entry.error.message
    assert "__main__" in entry.error.remedy and entry.error.line == 6
    assert not (root / ".arrcoc").exists()


def test_what_a_file_starts_does_not_outlive_or_delay_it(root: Path) -> None:
    _write(
        root,
        starter="""\
import os, subprocess, threading, time
from arrcoc_core import Experiment
child = subprocess.Popen(["sleep", "1000"], close_fds=False)
threading.Thread(target=time.sleep, args=(1000,)).start()
open("children.txt", "w").write(str(child.pid))
if os.fork() == 0:
    starter = Experiment(name="from-the-fork")
else:
    starter = Experiment(name="starter")
""",
    )
    assert _only(discover(root, timeout_s=30)).name == "starter"
    pid = int((root / "children.txt").read_text())
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.05)
    else:
        pytest.fail("a process that an experiment file started is still running")


def test_two_of_one_name_are_reported_at_both_places_and_block_only_themselves(root: Path) -> None:
    _write(root, base=BASE, other=BASE + "third = base.but(name='third')\n", broken="(")
    found = discover(root)
    assert [entry.name for entry in found.broken] == ["base", "broken", "base"]
    assert found.broken[0].error and "experiments/other.py:3" in found.broken[0].error.message
    assert found.find("third")
    with pytest.raises(DuplicateExperimentError) as caught:
        found.select("base")
    message = caught.value.message
    assert "experiments/base.py:3, experiments/other.py:3" in message and "experiments/broken.py:1" in message
    assert caught.value.exit_code == 2


def test_an_unknown_name_proposes_the_nearest_and_lists_the_broken_files(root: Path) -> None:
    _write(root, base=BASE, broken="(")
    with pytest.raises(UnknownExperimentError) as caught:
        discover(root).find("bse")
    assert "experiments/broken.py:1" in caught.value.message and "'base'" in caught.value.remedy
    assert isinstance(caught.value, ConfigError)


def test_an_unchanged_file_is_not_loaded_again_and_a_changed_import_is_noticed(root: Path) -> None:
    (root / ".arrcoc").mkdir()
    _write(
        root,
        base=BASE + "open('loads.txt', 'a').write('base\\n')\n",
        child="""\
from experiments.base import base
open("loads.txt", "a").write("child\\n")
child = base.but(name="child")
""",
        alone="""\
from arrcoc_core import Experiment
open("loads.txt", "a").write("alone\\n")
alone = Experiment(name="alone")
""",
    )

    def loads() -> list[str]:
        text = (root / "loads.txt").read_text().split() if (root / "loads.txt").exists() else []
        (root / "loads.txt").unlink(missing_ok=True)
        return sorted(text)

    first = discover(root)
    assert loads() == ["alone", "base", "base", "child"]
    second = discover(root)
    assert second == first and loads() == []
    assert (root / ".arrcoc/cache/discovery.json").exists()
    _write(root, base=(root / "experiments/base.py").read_text().replace("keep=4", "keep=8"))
    third = discover(root)
    assert loads() == ["base", "base", "child"]
    child = third.find("child").experiment
    assert child is not None and child.tokens.keep == 8
    (root / "experiments/alone.py").unlink()
    assert [entry.name for entry in discover(root).entries] == ["base", "child"]
    (root / ".arrcoc/cache/discovery.json").write_text("damaged")
    assert discover(root).find("child")
    assert discover(root, cache=False).find("child") and loads() == ["base", "base", "child"]


def test_two_saves_within_a_second_are_two_versions(root: Path) -> None:
    """Same size and whole second: what Python's own bytecode cache cannot tell apart."""
    _write(root, base=BASE, child="from experiments.base import base\nchild = base.but(name='child')\n")
    stamp = time.time()
    for keep in (4, 8):
        _write(root, base=BASE.replace("keep=4", f"keep={keep}"))
        os.utime(root / "experiments/base.py", (stamp, stamp))
        child = discover(root).find("child").experiment
        assert child is not None and child.tokens.keep == keep


def test_looking_leaves_nothing_behind(root: Path) -> None:
    _write(root, base=BASE)
    assert discover(root) == discover(root)
    assert sorted(path.name for path in root.rglob("*")) == ["base.py", "experiments", "pyproject.toml"]


def test_a_missing_sibling_is_found_once_it_is_there(root: Path) -> None:
    _write(root, child="from experiments.base import base\nchild = base.but(name='child')\n")
    assert discover(root).broken
    _write(root, base=BASE)
    assert discover(root).broken == ()


def test_files_whose_names_are_not_python_names_are_loaded(root: Path) -> None:
    for name in ("my-own", "v1.5", "__init__"):
        _write(root, x=BASE.replace('"base"', f'"{name.strip("_")}"'))
        (root / "experiments/x.py").rename(root / "experiments" / f"{name}.py")
    (root / "experiments/.hidden.py").write_text("(")
    assert sorted(entry.name for entry in discover(root).entries) == ["init", "my-own", "v1.5"]


def test_the_projects_own_experiments(project: Path) -> None:
    found = discover(project)
    assert found.broken == ()
    names = [entry.name for entry in found.entries]
    assert {"quickstart", "default", "token_budget/keep-4"} <= set(names)
    settings = load_settings(project, {})
    quickstart, default = found.select("quickstart"), found.select("default")
    assert isinstance(quickstart, Experiment) and isinstance(default, Experiment)
    kinds = {source.kind for source in resolve(quickstart, settings).sources.values()}
    assert kinds == {"here"}
    left_out = {path for path, source in resolve(default, settings).sources.items() if source.kind == "default"}
    assert set(resolve(default, settings).sources) - left_out == {"name"}
