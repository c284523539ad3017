"""`make compat`: what is relied on of transformers, checked at both ends of the range that pyproject.toml allows.

Each of the two versions is put into a folder of its own that is thrown away, without what it depends on, and looked up
before the installed one: the environment stays as it is, and everything else is the same for both.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = "tests/compat/test_transformers_internals.py"
RUN = """
import sys
sys.path.insert(0, sys.argv[1])
import pytest
code = pytest.main(sys.argv[2:])
import transformers
assert transformers.__file__.startswith(sys.argv[1]), transformers.__file__
sys.exit(code)
"""


def main() -> int:
    """Exit code: 0 when the tests pass at both ends."""
    lowest, below = _range()
    failed = [version for version in (f"=={lowest}.*", f"<{below},>={lowest}") if not _passes(version)]
    print(f"fails with transformers{', '.join(failed)}" if failed else "both ends of the range are as we rely on them")
    return 1 if failed else 0


def _range() -> tuple[str, str]:
    """The first version that is allowed, and the first that no longer is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (found,) = (text for text in project["optional-dependencies"]["training"] if re.match(r"transformers\b", text))
    match = re.fullmatch(r"transformers>=([\d.]+),<([\d.]+)", found)
    if match is None:
        raise SystemExit(f"pyproject.toml: expected transformers>=A,<B, found {found!r}")
    return match[1], match[2]


def _passes(version: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="arrcoc-compat-") as folder:
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check"]
        subprocess.run([*install, "--target", folder, f"transformers{version}"], check=True)
        (found,) = Path(folder).glob("transformers-*.dist-info")
        print(f"transformers {found.name.split('-')[1].removesuffix('.dist')}", flush=True)
        return subprocess.run([sys.executable, "-c", RUN, folder, "-q", TESTS], cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
