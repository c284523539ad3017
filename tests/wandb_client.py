"""Wandb's own client, in a process of its own, against a sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from arrcoc_core.sandbox import Sandbox

PATIENCE_S = 120


def environment(sandbox: Sandbox, folder: Path, **more: str) -> dict[str, str]:
    """Where a client finds the sandbox, its key and a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "ARRCOC_"))}
    key = Path(sandbox.endpoints.keys["WANDB_API_KEY"]).read_text(encoding="utf-8").strip()
    folders = {name: str(folder) for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR")}
    return {
        **kept,
        **folders,
        "HOME": str(folder),
        "WANDB_BASE_URL": sandbox.endpoints.services["wandb"],
        "WANDB_API_KEY": key,
        "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1",
        **more,
    }


def run_client(sandbox: Sandbox, folder: Path, script: str, **more: str) -> str:
    """What the script prints. It fails where the script does."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=folder,
        env=environment(sandbox, folder, **more),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
