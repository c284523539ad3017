"""The code that a run's attempts execute: captured at launch, the same after every resume.

`capture` records `job_files()` and `pyproject.toml`, exactly as they lie in the work tree (edited or not, committed
or not), and gives a `Snapshot`; `materialise` lays them out as `.arrcoc/runs/<id>/code`.

They are kept in a private bare repository, `.arrcoc/code.git`, with an index of its own: the project's own git
repository, if it is one, is neither read nor touched, and

    git --git-dir=.arrcoc/code.git diff refs/runs/<run> refs/runs/<other run>

shows what changed between two runs. Each distinct code is checked out once, under `.arrcoc/code/<hash>`, read-only;
the runs' folders are hard links to it, so that a sweep of a thousand points costs no disk. Without git the files are
copied there directly: only the `diff` is missing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from arrcoc_core.errors import ArrcocError, WorldMovedError
from arrcoc_core.identity import code_hash, job_files

# As stored: no line endings converted, no filters run, whatever a .gitattributes of the project says.
_ATTRIBUTES = "* -text -filter -ident -working-tree-encoding !eol\n"


@dataclass(frozen=True, slots=True)
class Snapshot:
    code_hash: str
    folder: Path
    """The read-only checkout."""


def capture(root: Path, state: Path, *, expected: str) -> Snapshot:
    """Record the code of the work tree; WorldMovedError when it is not (or no longer) the `expected` code."""
    pyproject = root / "pyproject.toml"
    key = f"{expected}-{_short_hash(pyproject)}"
    folder = state / "code" / key
    git = shutil.which("git")
    if not folder.is_dir():
        files = (*job_files(root), *(Path(path.name) for path in (pyproject,) if path.is_file()))
        partial = state / "code" / f".{key}.{uuid.uuid4().hex[:8]}.partial"
        try:
            if git is not None:
                repository = _repository(git, state)
                commit = _commit(git, repository, root, files, expected)
                _check_out(git, repository, commit, partial)
                _git(git, ["update-ref", f"refs/code/{key}", commit], _environment(repository))
            else:
                _copy(root, files, partial)
            _verify(partial, expected)
            _keep(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    _verify(root, expected)
    return Snapshot(expected, folder)


def materialise(snapshot: Snapshot, target: Path) -> None:
    """Lay the code out at `target`; nothing to do when it is already there."""
    if target.is_dir():
        return
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(snapshot.folder, partial, copy_function=_link)
    os.rename(partial, target)


def name_run(snapshot: Snapshot, state: Path, run_ids: Sequence[str]) -> None:
    """Let `refs/runs/<run id>` of the private repository point to the code of the runs."""
    git = shutil.which("git")
    repository = state / "code.git"
    if git is None or not repository.is_dir():
        return
    reference = f"refs/code/{snapshot.folder.name}"
    commit = _git(git, ["for-each-ref", "--format=%(objectname)", reference], _environment(repository)).strip()
    if commit:  # else: captured while there was no git here
        updates = "".join(f"update refs/runs/{run_id} {commit}\n" for run_id in run_ids)
        _git(git, ["update-ref", "--stdin"], _environment(repository), updates)


def _repository(git: str, state: Path) -> Path:
    """The private repository, made under a temporary name so that two first launches do not disturb each other."""
    repository = state / "code.git"
    if repository.is_dir():
        return repository
    state.mkdir(parents=True, exist_ok=True)
    partial = state / f".code.git.{uuid.uuid4().hex[:8]}.partial"
    _git(git, ["init", "--quiet", "--bare", "--template=", str(partial)], _environment(None))
    (partial / "info").mkdir(exist_ok=True)
    (partial / "info" / "attributes").write_text(_ATTRIBUTES)
    try:
        os.rename(partial, repository)
    except OSError:
        shutil.rmtree(partial)
        if not repository.is_dir():
            raise
    return repository


def _commit(git: str, repository: Path, root: Path, files: Sequence[Path], expected: str) -> str:
    """Store the files and a commit of them. The objects are written unfiltered: bytes are bytes."""
    index = repository / f"index-{uuid.uuid4().hex[:12]}"
    environment = _environment(repository, index=index, work_tree=root)
    names = "".join(f"{path.as_posix()}\n" for path in files)
    try:
        hashes = _git(git, ["hash-object", "-w", "--no-filters", "--stdin-paths"], environment, names, cwd=root)
        lines = [
            f"{'100755' if os.access(root / path, os.X_OK) else '100644'} {digest}\t{path.as_posix()}\n"
            for path, digest in zip(files, hashes.split(), strict=True)
        ]
        _git(git, ["update-index", "--index-info"], environment, "".join(lines))
        tree = _git(git, ["write-tree"], environment).strip()
        return _git(git, ["commit-tree", tree, "-m", f"code {expected}"], environment).strip()
    finally:
        index.unlink(missing_ok=True)


def _check_out(git: str, repository: Path, commit: str, target: Path) -> None:
    target.mkdir(parents=True)
    index = repository / f"index-{uuid.uuid4().hex[:12]}"
    environment = _environment(repository, index=index, work_tree=target)
    try:
        _git(git, ["read-tree", commit], environment)
        _git(git, ["checkout-index", "--all", "--force"], environment, cwd=target)
    finally:
        index.unlink(missing_ok=True)


def _copy(root: Path, files: Sequence[Path], target: Path) -> None:
    for path in files:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, target / path)


def _verify(folder: Path, expected: str) -> None:
    found = code_hash(folder)
    if found != expected:
        raise WorldMovedError(
            f"the code has changed since the plan was made (planned {expected}, now {found})",
            remedy="plan and launch again",
        )


def _short_hash(file: Path) -> str:
    """Of what lies beside the job files: it tells two checkouts of the same code apart."""
    return hashlib.sha256(file.read_bytes() if file.is_file() else b"").hexdigest()[:6]


def _keep(partial: Path, folder: Path) -> None:
    """Make the checkout read-only and give it its name; an equal one that is already there is as good."""
    for file in partial.rglob("*"):
        if file.is_file():
            file.chmod(0o555 if os.access(file, os.X_OK) else 0o444)
    try:
        os.rename(partial, folder)
    except OSError:
        if not folder.is_dir():
            raise


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
    return target


def _environment(
    repository: Path | None, *, index: Path | None = None, work_tree: Path | None = None
) -> dict[str, str]:
    """git with nothing of the user's or the project's own git in sight."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "arrcoc", f"GIT_{role}_EMAIL": "arrcoc@localhost"}
    for name, path in (("GIT_DIR", repository), ("GIT_INDEX_FILE", index), ("GIT_WORK_TREE", work_tree)):
        if path is not None:
            environment[name] = str(path)
    return environment


def _git(
    git: str, arguments: list[str], environment: dict[str, str], given: str | None = None, cwd: Path | None = None
) -> str:
    done = subprocess.run(
        [git, *arguments],
        env=environment,
        cwd=cwd,
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise ArrcocError(f"git {arguments[0]} failed while the code was recorded: {done.stderr.strip()}")
    return done.stdout
