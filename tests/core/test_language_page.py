"""The examples of docs/language.md: its files load, its sessions print what they show, its tables are complete."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from arrcoc_core.discovery import discover
from arrcoc_core.experiment import SECTIONS
from arrcoc_core.values import field_names

PAGE = Path(__file__).resolve().parents[2] / "docs" / "language.md"


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_examples_do_what_the_page_says(project: Path) -> None:
    files = _blocks("python")
    assert len(files) == 3
    for text in files:
        path = text.splitlines()[0].removeprefix("# ")
        assert path.startswith("experiments/")
        (project / path).write_text(text)
    found = discover(project)
    assert found.broken == ()
    assert found.find("first") and found.find("wider") and len(found.sweeps["both"]) == 4
    # One session from the top of the page to its end, in a fresh interpreter: the page's modules stay out of this one.
    (project / "session.txt").write_text("\n".join(_blocks("pycon")))
    done = subprocess.run(
        [sys.executable, "-m", "doctest", "session.txt"], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_names_every_field() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for section, cls in SECTIONS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{section}` |"))
        assert [name for name in field_names(cls) if f"`{name}`" not in row] == []
