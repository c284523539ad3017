"""The process that uploads: `python -m arrcoc_core.syncing.child`, told what to do by one line of JSON on its input.

    {"directory": "…/runs/<id>", "server": "https://…", "entity": "…", "project": "…", "exit_code": 0}

The key is in its environment (WANDB_API_KEY). On its output it tells how it goes on, one `Sync` as JSON a line; the
last one is "done" or "failed". It may be killed at any moment and started again.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from arrcoc_core.accounts.wandb_client import WandbClient
from arrcoc_core.errors import ArrcocError, RunError
from arrcoc_core.online.addresses import RunPath
from arrcoc_core.syncing.deciding import decide
from arrcoc_core.syncing.logged import Logged
from arrcoc_core.syncing.remote import Remote
from arrcoc_core.syncing.sending import Target, Watch, is_empty, pack, send
from arrcoc_core.syncing.state import Sync, logged_size, read_sync, write_sync

ARRIVE_S = 60.0
"""How long rows that were sent may take until the server shows them."""
_PAUSE_S = 0.5


def main() -> None:
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    tell = _teller()
    path = RunPath(order["entity"], order["project"], Path(order["directory"]).name)
    sync = Sync(path=str(path), url=path.url(order["server"]), server=order["server"])
    tell(sync)
    try:
        with _alone(Path(order["directory"])) as folder:
            done = _upload(order, path, sync, folder, tell)
    except ArrcocError as error:
        tell(sync.but(state="failed", detail=error.message, remedy=error.remedy))
    except Exception as error:  # noqa: BLE001 - what wandb's client raises is many things; its words are for the person
        tell(sync.but(state="failed", detail=f"{type(error).__name__}: {error}"))
    else:
        tell(done)


def _upload(order: dict[str, Any], path: RunPath, sync: Sync, folder: Path, tell: Callable[[Sync], None]) -> Sync:
    directory = Path(order["directory"])
    size = logged_size(directory)
    logged = Logged(directory)
    if not logged.head.run_id:
        raise RunError(f"{directory.name} has no .wandb file here: it has logged nothing, or to W&B only")
    remote = _remote(order, path)
    there = remote.look()
    decision = decide(logged.steps, remote.steps(there, keyed=logged.keyed), there.newest)
    before = read_sync(directory)
    if before is None or (before.path, before.server) != (sync.path, sync.server):
        before = None
    parcel = pack(logged, decision, there, remote, before)
    total, sent = len(logged.steps), len(decision.steps)
    sync = sync.but(total=total, rows=total - sent, sent=sent, appended=decision.appended, files=len(parcel.files))
    done = sync.but(state="done", rows=total, size=size, console=len(logged.console), system=len(logged.system))
    if not is_empty(logged, parcel):
        sync = sync.but(state="uploading")
        tell(sync)
        watch = Watch(_remote(order, path), there, sync, tell)
        watch.start()
        try:
            target = Target(path.entity, path.project, int(order["exit_code"]), folder)
            send(logged, parcel, target, watch)
        finally:
            sync = watch.end()
        tell(sync.but(state="checking", left_s=None))
        missing = _wait_for(remote, logged)
        if missing:
            raise RunError(
                f"{missing} of {total} rows have not arrived at {order['server']}",
                remedy=f"arrcoc sync {directory.name}   sends them again, and no other",
            )
    write_sync(directory, done)
    return done


def _remote(order: dict[str, Any], path: RunPath) -> Remote:
    return Remote(WandbClient(order["server"], os.environ["WANDB_API_KEY"]), path)


def _wait_for(remote: Remote, logged: Logged) -> int:
    """How many rows the server does not show, once it shows all or has had its time."""
    deadline = time.monotonic() + ARRIVE_S
    while True:
        known = remote.steps(remote.look(), keyed=logged.keyed)
        missing = len(np.setdiff1d(logged.steps, known, assume_unique=True))
        if not missing or time.monotonic() > deadline:
            return missing
        time.sleep(_PAUSE_S)


def _teller() -> Callable[[Sync], None]:
    """Lines to what was standard output, past the client, which takes what is printed for the run's."""
    output = os.dup(sys.stdout.fileno())
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())
    os.close(nowhere)

    def tell(sync: Sync) -> None:
        os.write(output, (json.dumps(sync.to_json()) + "\n").encode())

    return tell


@contextmanager
def _alone(directory: Path) -> Generator[Path]:
    """An empty folder for the client; RunError where another process uploads this run."""
    with (directory / "sync.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{directory.name} is being uploaded by another process already") from None
        folder = directory / "sync"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
