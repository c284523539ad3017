"""Ten small experiment files with planted mistakes: pyright reports exactly the lines that say what to expect."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CASES = Path(__file__).with_name("pyright_cases")
EXPECT = re.compile(r"# expect: (\w+)$")


def _expected(files: list[Path]) -> set[tuple[str, int, str]]:
    return {
        (file.name, number, found.group(1))
        for file in files
        for number, line in enumerate(file.read_text().splitlines(), start=1)
        if (found := EXPECT.search(line))
    }


def _reported(files: list[Path]) -> set[tuple[str, int, str]]:
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *map(str, files)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(files)
    return {
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1, one.get("rule", "none"))
        for one in report["generalDiagnostics"]
    }


def test_planted_mistakes_are_reported_exactly() -> None:
    cases = sorted(CASES.glob("*.py"))
    assert len(cases) == 10
    expected = _expected(cases)
    assert len(expected) >= 10
    # The project's own experiments are checked along with them and have no mistake.
    good = sorted((REPOSITORY / "experiments").glob("*.py"))
    assert _reported([*cases, *good]) == expected
