"""Writes requirements.lock: one pinned version a line with its download size, no addresses.

    .venv/bin/python scripts/lock.py

pip resolves every extra from the index that this machine is set up with; only names, versions and sizes
are kept, so the same lock serves any mirror. Sizes are those of the wheels chosen here and are what
`make run` and `make test` announce before they download.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("gui", "training", "cloud", "dev")


def resolve(extras: str) -> list[dict]:
    """What pip would install into an empty environment for these extras (pip's installation report, format 1)."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
            + ["--report", str(report), "-e", f"{ROOT}[{extras}]" if extras else str(ROOT)],
            check=True,
        )
        return json.loads(report.read_text())["install"]


def size_of(url: str) -> int:
    """Bytes to download for one wheel; local files count as well, since elsewhere they are downloads."""
    if url.startswith("file:"):
        return os.path.getsize(urllib.parse.unquote(urllib.parse.urlparse(url).path))
    request = urllib.request.Request(url, method="HEAD")
    with urllib.request.urlopen(request, timeout=60) as reply:
        return int(reply.headers["Content-Length"])


def main() -> None:
    # A package's line names every extra that needs it, so that the announcement counts only what is wanted.
    needed: dict[str, set[str]] = {}
    for extra in ("", *EXTRAS):
        for item in resolve(extra):
            needed.setdefault(item["metadata"]["name"].lower().replace("_", "-"), set()).add(extra or "core")
    lines = [
        "# Written by scripts/lock.py: package==version  # megabytes to download; extras that need it",
    ]
    for item in sorted(resolve(",".join(EXTRAS)), key=lambda item: item["metadata"]["name"].lower()):
        name = item["metadata"]["name"].lower().replace("_", "-")
        if name == "arrcoc":
            continue
        # "+cpu" is a build of the same version; the pin must hold for every build.
        version = item["metadata"]["version"].split("+")[0]
        megabytes = size_of(item["download_info"]["url"]) / 1e6
        users = "core" if "core" in needed[name] else " ".join(sorted(needed[name]))
        lines.append(f"{name}=={version}  # {megabytes:.1f} MB; {users}")
    (ROOT / "requirements.lock").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote requirements.lock: {len(lines) - 1} packages")


if __name__ == "__main__":
    main()
