"""Broken experiment files are rows with errors; the others go on as if they were not there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

BROKEN = {
    "syntax": "from arrcoc_core import Experiment\nx = (1,\n",
    "missing": "import no_such_module_anywhere\n",
    "endless": "while True:\n    pass\n",
    "garbage": 'import os\nfor _ in range(100):\n    os.write(1, b"\\xff\\x00[{]}\\n")\n    os.write(2, b"{}\\n")\n',
}


@pytest.mark.long
def test_broken_files_are_rows_with_errors(project: Path, arrcoc: list[str]) -> None:
    (project / ".arrcoc").mkdir()  # what was found is remembered there: the endless file is waited for once
    for name, text in BROKEN.items():
        (project / f"experiments/{name}.py").write_text(text, encoding="utf-8")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*arrcoc, *arguments], cwd=project, capture_output=True, text=True, check=False)

    listed = run("list", "--json")
    assert listed.returncode == 0, listed.stderr
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert {rows[name]["status"] for name in BROKEN} == {"broken"}
    for name in BROKEN:
        assert set(rows[name]) == {"name", "fingerprint", "file", "line", "target", "status", "error"}
        assert rows[name]["file"] == f"experiments/{name}.py"
        assert rows[name]["error"]
        assert rows[name]["fingerprint"] is None
    assert rows["syntax"]["line"] == 2
    assert "SyntaxError" in rows["syntax"]["error"]
    assert "no_such_module_anywhere" in rows["missing"]["error"]
    assert rows["quickstart"]["error"] is None
    assert rows["quickstart"]["target"] == "local"
    assert len(rows["quickstart"]["fingerprint"]) == 12

    table = run("list")
    assert table.returncode == 0
    assert "experiments/missing.py:1" in table.stdout
    assert run("plan", "quickstart").returncode == 0
    assert run("plan", "syntax").returncode == 2
    unknown = run("plan", "nobody")
    assert unknown.returncode == 2
    for name in BROKEN:
        assert f"experiments/{name}.py" in unknown.stderr
