"""Rules of the house that no single module can keep."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SKIPPED = {".git", ".venv", ".arrcoc", ".pytest_cache", ".ruff_cache", "__pycache__", "arrcoc.egg-info"}

# package -> top-level imports that it may never make, at any depth of the file.
FORBIDDEN = {
    "arrcoc_core": {"torch", "transformers", "PySide6", "pyqtgraph", "datasets", "arrcoc_gui", "training"},
    "arrcoc_gui": {"torch", "transformers", "google", "wandb", "datasets", "training"},
    "training": {"PySide6", "pyqtgraph", "arrcoc_gui"},
}


def files(pattern: str) -> list[Path]:
    return [path for path in ROOT.rglob(pattern) if not SKIPPED & set(path.relative_to(ROOT).parts)]


def test_no_yaml() -> None:
    assert [path for pattern in ("*.yaml", "*.yml") for path in files(pattern)] == []


def test_lock_pins_versions_without_addresses() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]
    assert len(pins) > 50
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][\w.!]*", pin)] == []
    assert "//" not in "\n".join(lines)


def test_the_folders_of_long_files_come_first(request: pytest.FixtureRequest) -> None:
    folders = [ROOT / "tests" / name for name in ("acceptance", "training")]
    assert all(any(folder.glob("test_*.py")) for folder in folders)
    places = [folders.index(item.path.parent) if item.path.parent in folders else 2 for item in request.session.items]
    assert places == sorted(places)


@pytest.mark.parametrize("package", FORBIDDEN)
def test_rooms_keep_to_their_imports(package: str) -> None:
    found = []
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            found += [f"{path.name}: {name}" for name in names if name.split(".")[0] in FORBIDDEN[package]]
    assert found == []


def test_no_module_bears_the_name_of_a_public_function() -> None:
    # `import arrcoc_core.plan` would replace the function `arrcoc_core.plan` by the module.
    import arrcoc_core

    modules = {path.stem for path in (ROOT / "arrcoc_core").iterdir() if path.name != "__init__.py"}
    assert modules & set(arrcoc_core.__all__) == set()


def test_the_only_licence_is_mit() -> None:
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def test_setup_announces_sizes_and_changes_nothing_on_check(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "requirements.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/setup.py").write_bytes((ROOT / "scripts/setup.py").read_bytes())
    done = subprocess.run(
        ["python3", "scripts/setup.py", "terminal", "--check"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"\d+ to check, at most \d+ MB to download \(torch", done.stdout)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "pyproject.toml",
        "requirements.lock",
        "scripts",
    ]
