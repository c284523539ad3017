"""A run without the run store: `python training/train.py quickstart`.

Its directory looks like that of any other run, so it can be stopped and gone on with (`python -m training.train DIR`).
The parts of the core that find experiments are loaded here only: a launched run carries its experiment with it, and
gets the names and keys of its accounts from whoever starts it; here they are looked for in the same places.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from arrcoc_core.errors import ExperimentError
from arrcoc_core.stored import save_experiment


def foreground_run(name: str) -> Path:
    """A run directory for the experiment `name`, outside of the run store."""
    from arrcoc_core.accounts.keys import find_keys
    from arrcoc_core.accounts.mode import account_environment, wandb_mode
    from arrcoc_core.discovery import discover
    from arrcoc_core.resolving import resolve
    from arrcoc_core.settings import find_root, load_settings, state_dir

    root = find_root()
    entry = discover(root).find(name)
    if entry.experiment is None:
        raise ExperimentError(str(entry.error), file=entry.file, line=entry.line)
    settings = load_settings(root)
    resolved = resolve(entry.experiment, settings)
    mode = wandb_mode(settings)
    keys = find_keys(settings) if mode.online else {}
    os.environ.update(account_environment(settings, mode), WANDB_MODE=mode.name)
    os.environ.update({key.variable: key.value for key in keys.values()})
    slug = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
    directory = state_dir(root) / "foreground" / f"{slug}-{time.strftime('%Y%m%dt%H%M%S', time.gmtime())}"
    directory.mkdir(parents=True)
    save_experiment(resolved, directory)
    print(f"training {name} in the foreground; everything is written to {directory}; {mode.why}", flush=True)
    return directory
