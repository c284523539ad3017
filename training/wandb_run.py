"""A run of wandb's client: begun so that it costs no training, and ended in bounded time.

W&B never costs a run. Where it cannot be reached, or does not take the key, when an attempt starts, that attempt logs
offline, and `wandb.json` beside the run says why (`arrcoc sync` uploads it later). Where it fails later, wandb tries
again for as long as the run lasts; the end waits for it only so long. Stopped on its page at W&B, a run ends as if it
were cancelled here: after the step, with a checkpoint.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training.progress import replace_json, utc_now

PLACE = "wandb.json"
"""Beside a run that was to log online: {"mode", "url", "server", "entity", "project", "id", "note", "at"}."""
_INIT_S = "30"  # how long the start of an attempt waits for the server, unless WANDB_INIT_TIMEOUT says it
_RETRIES = 1_000_000  # wandb gives up on a server after some minutes; the run may still last for days
_LONGEST_PAUSE_S = 10.0  # between two of them


def start(run_id: str, config: Mapping[str, Any], *, mode: Any = None, resume: Any = None, **settings: Any) -> Any:
    """A wandb run: this attempt's segment of `run_id`."""
    import wandb

    return wandb.init(
        id=run_id,
        name=run_id,
        config=dict(config),
        mode=mode,
        resume=resume,
        settings=wandb.Settings(
            disable_git=True, save_code=False, console="wrap", x_stats_sampling_interval=5.0, **settings
        ),
    )


def start_online(run_id: str, config: Mapping[str, Any], stopped: Callable[[], None]) -> tuple[Any, str]:
    """The run at the server, or None and why not."""
    import wandb
    from wandb.sdk.lib import wbauth

    server = os.environ["WANDB_BASE_URL"]
    patience = os.environ.setdefault("WANDB_INIT_TIMEOUT", _INIT_S)
    try:
        # Without a key `wandb.init` would ask whoever sits at the terminal for one, and wait.
        if wbauth.authenticate_session(host=server, source="arrcoc", prompt=False) is None:
            return None, f"there is no key for {server}"
        run = start(
            run_id,
            config,
            resume="allow",
            init_timeout=float(patience),
            stop_fn=stopped,
            x_file_stream_retry_max=_RETRIES,
            x_file_stream_retry_wait_max_seconds=_LONGEST_PAUSE_S,
            x_file_transfer_retry_max=_RETRIES,
            x_file_transfer_retry_wait_max_seconds=_LONGEST_PAUSE_S,
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no reason not to train
        del os.environ["WANDB_INIT_TIMEOUT"]  # an offline start waits for nobody but this machine, however busy it is
        wandb.teardown()  # its service still holds the run's id
        return None, f"{server}: {' '.join(str(error).split())[:300]}"
    return run, ""


def leave_place(directory: Path, run: Any, online: bool, why: str) -> None:
    """Leave where the run is at W&B, for whoever shows it. An attempt that logs offline keeps what is known of it."""
    try:
        known = json.loads((directory / PLACE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        known = {}
    place = {"url": run.url, "entity": run.entity, "project": run.project} if online else {}
    replace_json(
        directory / PLACE,
        {
            "url": "",
            "entity": "",
            "project": "",
            **known,
            **place,
            "mode": "online" if online else "offline",
            "server": os.environ["WANDB_BASE_URL"],
            "id": run.id,
            "note": why,
            "at": utc_now(),
        },
    )


def finished(run: Any, exit_code: int, within_s: float) -> bool:
    """Finish an online run; False when the server did not get everything in that time.

    Then wandb's service, which would go on trying, is ended. What it had not sent is in the `.wandb` file, which it
    writes ten times a second.
    """
    errors: list[Exception] = []

    def finish() -> None:
        try:
            run.finish(exit_code=exit_code)
        except Exception as error:  # noqa: BLE001 - its service was ended below, or ended by itself
            errors.append(error)

    thread = threading.Thread(target=finish, name="wandb finish", daemon=True)
    thread.start()
    thread.join(within_s)
    if not thread.is_alive():
        return not errors
    import psutil
    import wandb

    for child in psutil.Process().children():
        if child.name() == "wandb-core":
            child.kill()
            child.wait()
    with contextlib.suppress(OSError):  # it says goodbye to the service, which is gone; and not again at the exit
        wandb.teardown()
    return False
