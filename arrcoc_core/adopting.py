"""Runs that were launched on another machine: everything about them is in their folder in the cloud.

`adopt` makes one a run of this project too: its files are fetched, and from then on two machines drive it, of which at
any moment one acts (see targets/vertex.py). Its attempts are found again one after the other, in the order in which
they were made.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.cloud.clients import Cloud
from arrcoc_core.cloud.names import Names
from arrcoc_core.cloud.objects import Objects
from arrcoc_core.errors import UnknownRunError
from arrcoc_core.launching import ensure_supervisor
from arrcoc_core.records import Event
from arrcoc_core.settings import state_dir
from arrcoc_core.store import Store

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings

_FILES = ("experiment.json", "packages.txt")
"""What a run's folder holds besides its plan."""


def adopt_run(run_id: str, root: Path, settings: Settings) -> None:
    """Make a run in the cloud one of this project's. UnknownRunError, CloudError; nothing happens to one that is."""
    state = state_dir(root)
    with Store(state / "store.db") as store:
        if any(known.id == run_id for known in store.runs(prefix=run_id)):
            ensure_supervisor(store)
            return
        names = Names.of(settings)
        folder = Objects(Cloud.of(settings).storage(), names.run_uri(run_id))
        plan = _plan(folder, run_id)
        # The same cloud may be reached differently from here.
        plan["cloud"]["endpoints"] = str(settings.get("CLOUD_ENDPOINTS"))
        make_known(store, run_id, plan, {name: data for name in _FILES if (data := _read(folder, name)) is not None})
        ensure_supervisor(store)


def make_known(store: Store, run_id: str, plan: dict[str, Any], files: Mapping[str, bytes]) -> None:
    """Write the run's folder, and then its row. May be repeated."""
    directory = store.path.parent / "runs" / run_id
    (directory / "logs").mkdir(parents=True, exist_ok=True)
    if plan["command"]:  # the paths of the other machine mean nothing here
        plan = {**plan, "command": [part.replace(plan["command"][-1], str(directory)) for part in plan["command"]]}
    for name, data in {**files, "plan.json": json.dumps(plan, indent=1).encode()}.items():
        _write(directory / name, data)
    store.append([Event(run_id, "created", float(plan["launched_at"]), data=plan["created"])])


def runs_elsewhere(root: Path, settings: Settings) -> list[str]:
    """Ids of the runs in the cloud that this project does not know, by name."""
    names, cloud = Names.of(settings), Cloud.of(settings)
    listing = Objects(cloud.storage(), f"gs://{names.runs_bucket}/runs").listing()
    found = {stored.name.split("/")[0] for stored in listing if stored.name.endswith("/plan.json")}
    path = state_dir(root) / "store.db"
    if path.exists():
        with Store(path) as store:
            found -= {run.id for run in store.runs()}
    return sorted(found)


def _plan(folder: Objects, run_id: str) -> dict[str, Any]:
    try:
        return json.loads(folder.get("plan.json"))
    except KeyError:
        raise UnknownRunError(
            f"there is no run {run_id} in {folder.uri.rpartition('/')[0]}",
            remedy="arrcoc adopt   lists those there are",
        ) from None


def _read(folder: Objects, name: str) -> bytes | None:
    try:
        return folder.get(name)
    except KeyError:
        return None


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_bytes(data)
    os.replace(partial, path)
