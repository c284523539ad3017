"""A run without the run store: `python training/train.py quickstart`.

Its directory looks like that of any other run, so it can be stopped and gone on with (`python -m training.train DIR`).
The parts of the core that find experiments are loaded here only: a launched run carries its experiment with it.
"""

from __future__ import annotations

import time
from pathlib import Path

from arrcoc_core.errors import ExperimentError
from arrcoc_core.stored import save_experiment


def foreground_run(name: str) -> Path:
    """A run directory for the experiment `name`, outside of the run store."""
    from arrcoc_core.discovery import discover
    from arrcoc_core.resolving import resolve
    from arrcoc_core.settings import find_root, load_settings, state_dir

    root = find_root()
    entry = discover(root).find(name)
    if entry.experiment is None:
        raise ExperimentError(str(entry.error), file=entry.file, line=entry.line)
    resolved = resolve(entry.experiment, load_settings(root))
    slug = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
    directory = state_dir(root) / "foreground" / f"{slug}-{time.strftime('%Y%m%dt%H%M%S', time.gmtime())}"
    directory.mkdir(parents=True)
    save_experiment(resolved, directory)
    print(f"training {name} in the foreground; everything is written to {directory}", flush=True)
    return directory
