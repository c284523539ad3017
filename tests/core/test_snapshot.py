"""Code snapshots: exactly the work tree, inside git or not, and nothing of the project's own git touched."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from arrcoc_core.errors import WorldMovedError
from arrcoc_core.identity import code_hash, job_files
from arrcoc_core.snapshot import capture, materialise, name_run


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


def laid_out(root: Path, state: Path, name: str = "run") -> Path:
    target = state / "runs" / name / "code"
    target.parent.mkdir(parents=True, exist_ok=True)
    materialise(capture(root, state, expected=code_hash(root)), target)
    return target


def contents(folder: Path) -> dict[str, bytes]:
    return {path.as_posix(): (folder / path).read_bytes() for path in job_files(folder)}


@pytest.fixture(params=["git", "no git"])
def state(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder, on a machine with and one without git."""
    if request.param == "no git":
        monkeypatch.setattr("arrcoc_core.snapshot.shutil.which", lambda _name: None)
    return tmp_path / "state"


def test_the_snapshot_is_the_work_tree_and_stays_it(project: Path, state: Path) -> None:
    odd = project / "training" / "odd name.txt"
    odd.write_bytes(b"one\r\ntwo\r\n\x00")
    (project / "training" / ".gitattributes").write_text("*.txt text eol=lf\n")
    script = project / "training" / "tool.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    code = laid_out(project, state)
    before = contents(project)
    assert contents(code) == before
    assert "training/odd name.txt" in before
    assert (code / "training" / "tool.sh").stat().st_mode & 0o111
    assert (code / "pyproject.toml").is_file()
    odd.write_text("edited")
    (project / "training" / "__init__.py").unlink()
    assert contents(code) == before
    assert code_hash(code) != code_hash(project)
    again = laid_out(project, state, "second")
    assert contents(again) == contents(project)
    assert contents(code) == before


def test_equal_code_is_kept_once(project: Path, state: Path) -> None:
    codes = [laid_out(project, state, name) for name in ("a", "b", "c")]
    assert len(list((state / "code").iterdir())) == 1
    inodes = {(code / "training" / "__init__.py").stat().st_ino for code in codes}
    assert len(inodes) == 1
    assert materialise(capture(project, state, expected=code_hash(project)), codes[0]) is None


def test_code_that_moved_on_is_refused_and_leaves_nothing(project: Path, state: Path) -> None:
    expected = code_hash(project)
    (project / "training" / "__init__.py").write_text("# edited\n")
    with pytest.raises(WorldMovedError, match=expected):
        capture(project, state, expected=expected)
    assert not list((state / "code").glob("*"))
    (project / "training" / "__init__.py").write_text("")
    capture(project, state, expected=code_hash(project))
    (project / "training" / "__init__.py").write_text("# edited again\n")
    (project / "training" / "new.py").write_text("")
    with pytest.raises(WorldMovedError):
        capture(project, state, expected=expected)


def test_a_dirty_repository_is_captured_and_not_touched(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(project, "init", "-q")
    git(project, "add", "training")
    git(project, "commit", "-q", "-m", "first")
    (project / "training" / "__init__.py").write_text("# staged\n")
    git(project, "add", "training")
    (project / "training" / "__init__.py").write_text("# and edited\n")
    (project / "training" / "untracked.py").write_text("x = 1\n")
    hooks = project / ".git" / "hooks"
    (hooks / "post-checkout").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "post-checkout").chmod(0o755)

    def seen() -> tuple[str, str, bytes]:
        return git(project, "status", "--porcelain"), git(project, "stash", "list"), index.read_bytes()

    index = project / ".git" / "index"
    git(project, "status")
    before = seen()
    # As inside a hook of the project's own git, which points these at itself.
    monkeypatch.setenv("GIT_DIR", str(project / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(index))
    code = laid_out(project, tmp_path / "state")
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert seen() == before
    assert (code / "training" / "__init__.py").read_text() == "# and edited\n"
    assert (code / "training" / "untracked.py").is_file()


def test_what_changed_between_two_runs_can_be_asked_of_git(project: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    name_run(capture(project, state, expected=code_hash(project)), state, ["one"])
    (project / "training" / "__init__.py").write_text("# changed\n")
    name_run(capture(project, state, expected=code_hash(project)), state, ["two", "three"])
    repository = f"--git-dir={state / 'code.git'}"
    changed = git(tmp_path, repository, "diff", "--name-only", "refs/runs/one", "refs/runs/two")
    assert changed.split() == ["training/__init__.py"]
    assert git(tmp_path, repository, "diff", "refs/runs/two", "refs/runs/three") == ""
    shutil.rmtree(state)
