"""Which experiment, or run, here or at W&B, an argument means, and with which values changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arrcoc_core.errors import ConfigError, UnknownExperimentError, UnknownRunError

if TYPE_CHECKING:
    from arrcoc_core.api import Run
    from arrcoc_core.discovery import Entry
    from arrcoc_core.online.run import OnlineRun
    from arrcoc_core.resolved import ResolvedExperiment


@dataclass(frozen=True)
class Chosen:
    """An experiment as it is now (`entry` set; `run` its latest that succeeded), or a run (`entry` None)."""

    label: str
    resolved: ResolvedExperiment
    code: str
    status: str
    entry: Entry | None
    run: Run | None


def choose(name: str, sets: Sequence[str] = ()) -> Chosen:
    """An experiment of that name, else a run by id, prefix or "latest"; says of both when neither is there."""
    from arrcoc_core.api import get_run
    from arrcoc_core.settings import find_root

    root = find_root()
    if name != "latest":
        try:
            return _experiment(name, sets)
        except UnknownExperimentError as unknown:
            try:
                run = get_run(name, root=root)
            except UnknownRunError:
                raise unknown from None
    else:
        run = get_run(name, root=root)
    return Chosen(run.id, run.resolved, run.code, run.state, None, run)


def choose_any(name: str, sets: Sequence[str] = ()) -> Chosen | OnlineRun:
    """As `choose`, else a run of a W&B server by "entity/project/run" or the address of its page."""
    from arrcoc_core.online.addresses import is_online_name

    if "://" not in name:
        try:
            return choose(name, sets)
        except UnknownExperimentError:
            if not is_online_name(name):
                raise
    from arrcoc_core.online.listing import get_online_run

    return get_online_run(name)


def split_sets(name: str | None, sets: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """`--set a=1 b=2` takes several; a word without "=" among them is the name: `launch --set a=1 quickstart`."""
    assignments = tuple(item for item in sets if "=" in item)
    words = [item for item in sets if "=" not in item]
    if not words:
        return name, assignments
    if len(words) > 1 or name is not None:
        raise ConfigError(f"'{words[0]}' does not say which value it sets.", remedy="Write --set tokens.keep=4")
    return words[0], assignments


def _experiment(name: str, sets: Sequence[str]) -> Chosen:
    from arrcoc_core.api import runs
    from arrcoc_core.badges import badge
    from arrcoc_core.discovery import discover
    from arrcoc_core.identity import code_hash
    from arrcoc_core.resolving import resolve
    from arrcoc_core.settings import find_root, load_settings

    root = find_root()
    entry = discover(root).find(name)
    if entry.experiment is None:
        raise UnknownExperimentError(f"{name} cannot be read.", file=entry.file, line=entry.line)
    experiment = entry.experiment
    if sets:
        from arrcoc_core.paths import with_assignments

        experiment = with_assignments(experiment, sets)
    resolved = resolve(experiment, load_settings(root))
    code, found = code_hash(root), runs(root=root)
    run = next((run for run in found if run.experiment == name and run.succeeded), None)
    return Chosen(name, resolved, code, badge(name, resolved.fingerprint, code, found), entry, run)
