"""`arrcoc new`: five lines that load and type-check, in the editor at the line to change."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import pytest

from arrcoc_core.discovery import discover
from arrcoc_core.errors import ConfigError, DuplicateExperimentError, UnknownExperimentError
from arrcoc_core.scaffold import editor_command, new_experiment, open_in_editor


def test_the_new_file_is_found_and_differs_in_one_value(project: Path) -> None:
    file, line = new_experiment(project, "wider")
    text = file.read_text()
    assert file == project / "experiments" / "wider.py"
    assert "keep=8" in text.splitlines()[line - 1]
    assert len([row for row in text.splitlines() if row and not row.startswith(('"""', ")"))]) <= 5
    found = discover(project)
    wider, quickstart = found.find("wider").experiment, found.find("quickstart").experiment
    assert wider is not None and quickstart is not None
    assert wider == quickstart.but(name="wider", tokens=quickstart.tokens.but(keep=8))
    with pytest.raises(DuplicateExperimentError, match=r"already a file wider\.py"):
        new_experiment(project, "wider")
    assert file.read_text() == text


def test_it_can_start_from_a_point_of_a_sweep_and_from_default(project: Path) -> None:
    found = discover(project)
    new_experiment(project, "from-point", "token_budget/keep-16", found)
    new_experiment(project, "from_default", "default", found)
    found = discover(project)
    point, default = found.find("from-point").experiment, found.find("from_default").experiment
    assert point is not None and point.tokens.keep == 32 and point.train.seed == 1
    assert default is not None and default.tokens.keep == 8


@pytest.mark.parametrize("name", ["", "8wide", "a b", "../x", "a/b", "class", "ä", "-x"])
def test_a_name_that_cannot_be_one_is_refused(name: str, project: Path) -> None:
    before = sorted(path.name for path in (project / "experiments").iterdir())
    with pytest.raises(ConfigError, match="cannot name an experiment file"):
        new_experiment(project, name)
    assert sorted(path.name for path in (project / "experiments").iterdir()) == before


def test_a_taken_name_and_an_unknown_start_are_refused(project: Path) -> None:
    found = discover(project)
    taken = (project / "experiments/taken.py").write_text(
        "from experiments.quickstart import quickstart\nx = quickstart.but(name='elsewhere')\n"
    )
    assert taken
    with pytest.raises(DuplicateExperimentError, match="already an experiment 'elsewhere'"):
        new_experiment(project, "elsewhere")
    with pytest.raises(UnknownExperimentError, match="quickstrt"):
        new_experiment(project, "mine", "quickstrt", found)
    assert not (project / "experiments/mine.py").exists()


@pytest.fixture
def no_editors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty PATH, to put editors on."""
    for name in ("ARRCOC_EDITOR", "VISUAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _editor(folder: Path, name: str) -> None:
    script = folder / name
    script.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(folder / 'called')!r}, 'w').write(repr(sys.argv[1:]))\n"
    )
    script.chmod(0o755)


def test_each_editor_is_told_file_and_line_in_its_own_way(no_editors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path("/x/a.py")
    assert editor_command(file, 3) is None and open_in_editor(file, 3) is False
    for name in ("pycharm", "code", "vim", "emacs", "subl", "my-editor"):
        _editor(no_editors, name)
    assert editor_command(file, 3) == ["code", "--goto", "/x/a.py:3"]
    (no_editors / "code").unlink()
    assert editor_command(file, 3) == ["pycharm", "--line", "3", "/x/a.py"]
    monkeypatch.setenv("VISUAL", "vim -u NONE")
    assert editor_command(file, 3) == ["vim", "-u", "NONE", "+3", "/x/a.py"]
    monkeypatch.setenv("VISUAL", "not-there")
    assert editor_command(file, 3) == ["pycharm", "--line", "3", "/x/a.py"]
    monkeypatch.setenv("ARRCOC_EDITOR", "subl")
    assert editor_command(file, 3) == ["subl", "/x/a.py:3"]
    monkeypatch.setenv("ARRCOC_EDITOR", "my-editor --at={line} {file}")
    assert editor_command(file, 3) == ["my-editor", "--at=3", "/x/a.py"]


def test_the_editor_is_started(no_editors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _editor(no_editors, "code")
    assert shutil.which("code")
    assert open_in_editor(Path("/x/a.py"), 3) is True
    called = no_editors / "called"
    for _ in range(200):
        if called.exists() and called.read_text():
            break
        time.sleep(0.05)
    assert called.read_text() == "['--goto', '/x/a.py:3']"
