"""Pictures of runs on a W&B server: fetched when somebody looks at them, into `files/` below the run's folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arrcoc_core.accounts.wandb_client import WandbClient
from arrcoc_core.errors import CloudError
from arrcoc_core.metrics.cache import disk_errors
from arrcoc_core.online import queries
from arrcoc_core.online.addresses import RunPath
from arrcoc_core.online.decoding import nodes_of
from arrcoc_core.online.reader import FILES

AT_ONCE = 50
"""File names in one request."""


def fetch_pictures(
    client: WandbClient, path: RunPath, directory: Path, files: Sequence[Path], *, patience_s: float = 10.0
) -> list[Path]:
    """Fetch those of `files` (paths below the run's folder) that are not there; returns those that came.

    One that the server does not have yet is left out: a row may be there before its picture. CloudError; MetricsError
    where the disk is full.
    """
    folder = (directory / FILES).resolve()
    wanted = {
        file.resolve().relative_to(folder).as_posix(): file.resolve()
        for file in files
        if file.resolve().is_relative_to(folder) and not file.exists()
    }
    came: list[Path] = []
    names = sorted(wanted)
    for i in range(0, len(names), AT_ONCE):
        for node in _listed(client, path, names[i : i + AT_ONCE], patience_s):
            target = wanted.get(str(node.get("name")))
            address = str(node.get("directUrl") or node.get("url") or "")
            if target is None or not address or node.get("sizeBytes") == 0:
                continue
            try:
                data = client.get(address if "://" in address else f"{client.url}{address}")
            except CloudError as error:
                if error.scope == "not-found":  # listed, and on its way still
                    continue
                raise
            with disk_errors(directory):
                _put(target, data)
            came.append(target)
    return came


def _listed(client: WandbClient, path: RunPath, names: list[str], patience_s: float) -> list[dict[str, Any]]:
    variables = {"entity": path.entity, "project": path.project, "run": path.run_id}
    answer = client.execute(queries.FILES, {**variables, "names": names, "first": len(names)}, patience_s=patience_s)
    project: dict[str, Any] = answer.get("project") or {}
    run: dict[str, Any] = project.get("run") or {}
    return nodes_of(run.get("files"))


def _put(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        partial.write_bytes(data)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)  # there only where the disk was full
