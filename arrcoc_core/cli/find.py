"""What the argument RUN means: a run, or a sweep where the command can show one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arrcoc_core.errors import ConfigError, UnknownRunError

if TYPE_CHECKING:
    from arrcoc_core.api import Run, SweepRun


def run_or_sweep(text: str | None) -> Run | SweepRun:
    """By a sweep's id or name, else by a run's id, prefix, experiment or "latest"; None = the one that is going."""
    from arrcoc_core.api import get_run, runs, sweeps

    if text is None:
        found = runs()
        if not found:
            raise ConfigError("There is no run yet.", remedy="arrcoc launch quickstart --watch")
        return next((run for run in found if run.state == "running"), found[0])
    listed = sweeps()
    for sweep in listed:
        if text in (sweep.id, sweep.name):
            return sweep
    try:
        return get_run(text)
    except UnknownRunError:
        started = [sweep for sweep in listed if sweep.id.startswith(text)]
        if len(started) == 1:
            return started[0]
        raise
