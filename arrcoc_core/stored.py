"""`experiment.json`, the file a run trains from: written by launch, read by the trainer and by every door."""

import os
from pathlib import Path

from arrcoc_core.errors import ExperimentError
from arrcoc_core.resolved import ResolvedExperiment

EXPERIMENT_FILE = "experiment.json"


def save_experiment(resolved: ResolvedExperiment, directory: Path) -> Path:
    """Write `directory/experiment.json` whole or not at all, and give its path."""
    target = directory / EXPERIMENT_FILE
    partial = target.with_name(f"{EXPERIMENT_FILE}.{os.getpid()}.partial")
    partial.write_text(resolved.to_json(), encoding="utf-8")
    os.replace(partial, target)
    return target


def load_experiment(path: Path | str) -> ResolvedExperiment:
    """Read an `experiment.json`, or the one in a run's directory. ExperimentError where there is none to read."""
    file = Path(path)
    if file.is_dir():
        file = file / EXPERIMENT_FILE
    try:
        return ResolvedExperiment.from_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ExperimentError(f"Cannot read {file}: {error}.", file=str(file)) from None
    except ExperimentError as error:
        error.file = str(file)
        raise
