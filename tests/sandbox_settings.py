"""Where runs in a test's sandbox log: its own `.training` says it, over everything else."""

from __future__ import annotations

from pathlib import Path

from arrcoc_core.sandbox.server import SETTINGS


def log_offline(folder: Path) -> None:
    """As in most tests: they are about something else than W&B."""
    _write(folder, "WANDB_MODE=offline\n")


def log_online(folder: Path) -> None:
    """To the sandbox's own W&B, with its key."""
    _write(folder, "WANDB_MODE=online\n")


def log_as_found(folder: Path) -> None:
    """Automatically, as for a person: online where there is a key."""
    _write(folder, "")


def _write(folder: Path, more: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".training").write_text(SETTINGS + more, encoding="utf-8")
