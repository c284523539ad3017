"""What the argument RUN means: a run of this project or of a W&B server, or a sweep where the command can show one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arrcoc_core.errors import ConfigError, UnknownRunError

if TYPE_CHECKING:
    from arrcoc_core.api import Run, SweepRun
    from arrcoc_core.online.run import OnlineRun


def any_run(text: str) -> Run | OnlineRun:
    """A run of this project (see `get_run`), else "entity/project/run" or the address of a page at W&B."""
    from arrcoc_core.api import get_run
    from arrcoc_core.online.addresses import is_online_name

    if "://" not in text:
        try:
            return get_run(text)
        except UnknownRunError:
            if not is_online_name(text):
                raise
    from arrcoc_core.online.listing import get_online_run

    return get_online_run(text)


def label(run: Run | OnlineRun) -> str:
    """What to type for it again."""
    from arrcoc_core.online.run import OnlineRun

    return run.path if isinstance(run, OnlineRun) else run.id


def anything(text: str | None) -> Run | SweepRun | OnlineRun:
    """As `run_or_sweep`, else a run of a W&B server."""
    from arrcoc_core.online.addresses import is_online_name

    if text is None or not is_online_name(text):
        return run_or_sweep(text)
    try:
        return run_or_sweep(text)
    except UnknownRunError:
        return any_run(text)


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
