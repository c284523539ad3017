"""Upload a run to W&B from this machine: start the process that does it, and follow what it tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from arrcoc_core.errors import ConfigError, RunError
from arrcoc_core.settings import Settings, load_settings
from arrcoc_core.syncing.state import Sync, sync_of
from arrcoc_core.targets.local import read_json

if TYPE_CHECKING:
    from arrcoc_core.run import Run

SYNCABLE = ("succeeded", "failed", "cancelled")
"""States in which a run is uploaded: one that is going on would be told finished."""
PLACE = "wandb.json"
"""Beside a run, where it is at W&B (training/tracking.py)."""
_TO_END_S = 10.0


def sync_run(
    run: Run,
    *,
    entity: str | None = None,
    project: str | None = None,
    on_progress: Callable[[Sync], None] = lambda _: None,
) -> Sync:
    """Send what W&B does not have of this run, with its true steps, and return when all of it is there.

    It may be interrupted at any moment and called again: no row is there twice, and none missing. `entity` and
    `project`: other than where the run was logged to, or `.training` says. Raises ConfigError or CloudError where
    something is missing here (an account above all), RunError where the upload failed.
    """
    if run.state not in SYNCABLE:
        raise ConfigError(
            f"{run.id} is {run.state}: its rows are uploaded once it has ended.",
            remedy=f"arrcoc watch {run.id}   waits for it",
        )
    if find_spec("wandb") is None:
        raise ConfigError("not installed: wandb", remedy='pip install -e ".[training]"')
    settings = _settings(run.root, run.endpoints)
    order, key = _order(run, settings, entity, project)
    last = _follow(order, _environment(key, str(order["server"])), run.root, on_progress)
    if last is None:
        raise RunError(f"{run.id} was not uploaded: the upload ended without a word", remedy=f"arrcoc sync {run.id}")
    if not last.complete:
        raise RunError(f"{run.id} was not uploaded to {last.path}: {last.detail}", remedy=last.remedy)
    _note_place(run.directory, order, last)
    return last


def _settings(root: Path, endpoints: str) -> Settings:
    """Those of the place that the run belongs to: what was rehearsed in a sandbox does not go to the real W&B."""
    return load_settings(root, {**os.environ, "ARRCOC_CLOUD_ENDPOINTS": endpoints} if endpoints else None)


def _order(run: Run, settings: Settings, entity: str | None, project: str | None) -> tuple[dict[str, object], str]:
    """What the process is told, and the key it gets besides."""
    from arrcoc_core.accounts.keys import find_keys
    from arrcoc_core.accounts.wandb_account import entity_of, may_not_write, who

    account = who(settings)  # CloudError, with what to do, where there is none
    key = find_keys(settings)["WANDB_API_KEY"]
    held = read_json(run.directory / PLACE) or {}
    at: dict[str, str] = held if held.get("server") == account.url and held.get("url") else {}
    owner = entity or at.get("entity") or entity_of(settings, account)
    if not account.may_write(owner):
        raise may_not_write(account, owner)
    order: dict[str, object] = {
        "directory": str(run.directory),
        "server": account.url,
        "entity": owner,
        "project": project or at.get("project") or str(settings.get("WANDB_PROJECT")),
        "exit_code": 0 if run.succeeded else 1,
    }
    return order, key.value


def _note_place(directory: Path, order: dict[str, object], done: Sync) -> None:
    """Say beside the run where it is at W&B now, as a trainer that logs online does."""
    held = read_json(directory / PLACE) or {}
    where = {"url": done.url, "server": done.server, "entity": order["entity"], "project": order["project"]}
    partial = directory / f"{PLACE}.{os.getpid()}.partial"
    partial.write_text(json.dumps({**held, **where, "id": directory.name, "note": ""}), encoding="utf-8")
    os.replace(partial, directory / PLACE)


def _environment(key: str, server: str) -> dict[str, str]:
    """This one's without anything that tells wandb what to do, and the key."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "ARRCOC_ATTEMPT"))}
    return {**kept, "WANDB_API_KEY": key, "WANDB_BASE_URL": server, "WANDB_SILENT": "true"}


def _follow(
    order: dict[str, object], environment: dict[str, str], root: Path, on_progress: Callable[[Sync], None]
) -> Sync | None:
    """The last state that the process told."""
    last: Sync | None = None
    child = subprocess.Popen(
        [sys.executable, "-m", "arrcoc_core.syncing.child"],
        cwd=root,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        child.stdin.write(json.dumps(order) + "\n")
        child.stdin.close()
        for line in child.stdout:
            last = sync_of(json.loads(line))
            on_progress(last)
        child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(_TO_END_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        child.stdout.close()
    return last
