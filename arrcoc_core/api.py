"""What scripts, the command line and the app call: plan, launch, list, find, reconcile.

    run = launch("quickstart", sets=["tokens.keep=4"])
    print(run.wait().summary["eval/accuracy"])

Everywhere `root` is the project; left out, it is found upwards from the working directory. An experiment is given as
a value or by its name. Nothing here imports torch, and nothing waits for training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

from arrcoc_core.errors import PlanError, UnknownRunError
from arrcoc_core.experiment import Experiment
from arrcoc_core.facts import Facts, gather_facts
from arrcoc_core.launching import ensure_supervisor
from arrcoc_core.planning import Plan, make_plan
from arrcoc_core.records import FINAL
from arrcoc_core.resolving import resolve
from arrcoc_core.run import Attempt, Progress, Run
from arrcoc_core.settings import Settings, find_root, load_settings, refuse_while_loading, state_dir
from arrcoc_core.staging import Staged
from arrcoc_core.store import Store
from arrcoc_core.sweep_run import SweepRun

if TYPE_CHECKING:
    from arrcoc_core.variations import Sweep

__all__ = [
    "Attempt",
    "Progress",
    "Run",
    "SweepRun",
    "adopt",
    "changes_token",
    "get_run",
    "get_sweep",
    "launch",
    "launch_sweep",
    "plan",
    "reconcile",
    "runs",
    "sweeps",
]

DEFAULT_EXPERIMENT = "default"


def plan(
    what: Experiment | str = DEFAULT_EXPERIMENT,
    *,
    root: Path | None = None,
    sets: Sequence[str] = (),
    settings: Settings | None = None,
    facts: Facts | None = None,
) -> Plan:
    """What a launch would do. Nothing is created. `settings` and `facts` save gathering them again.

    Raises ConfigError (with its many kinds) where the experiment is wrong or its target is not available; a plan that
    would fail for another reason is returned, with `ok` False.
    """
    root = find_root(root)
    points = _points(what, root)
    if len(points) != 1 or isinstance(points, _Named):
        raise PlanError(
            f"{what} is a sweep of {len(points)} experiments.",
            remedy=f"stage() plans all of them; or plan one, such as {points[0].name}.",
        )
    return _plans(points, root, sets, settings, facts)[0]


@overload
def launch(
    what: Experiment,
    *,
    root: Path | None = None,
    sets: Sequence[str] = (),
    settings: Settings | None = None,
    run_id: str | None = None,
) -> Run: ...
@overload
def launch(
    what: Sweep, *, root: Path | None = None, sets: Sequence[str] = (), settings: Settings | None = None
) -> SweepRun: ...
@overload
def launch(
    what: str = DEFAULT_EXPERIMENT,
    *,
    root: Path | None = None,
    sets: Sequence[str] = (),
    settings: Settings | None = None,
    run_id: str | None = None,
) -> Run | SweepRun: ...
def launch(
    what: Experiment | Sweep | str = DEFAULT_EXPERIMENT,
    *,
    root: Path | None = None,
    sets: Sequence[str] = (),
    settings: Settings | None = None,
    run_id: str | None = None,
) -> Run | SweepRun:
    """Start an experiment, or every point of a sweep, and return at once; training goes on without the caller.

    `sets` are assignments such as "tokens.keep=4". A `run_id` (see `new_run_id`) makes the launch repeatable: a second
    one with the same id gives the same run. Raises ConfigError where something is wrong, and then nothing was created;
    for the cloud that includes what its preflight finds missing.
    """
    root = find_root(root)
    points = _points(what, root)
    if isinstance(points, _Named):
        return _launch_all(points, points.name, root, sets, settings)
    (made,), _ = _staged(points, None, root, sets, settings).start(run_id)
    return get_run(made, root=root)


def stage(
    what: Experiment | Sweep | str = DEFAULT_EXPERIMENT,
    *,
    root: Path | None = None,
    sets: Sequence[str] = (),
    settings: Settings | None = None,
) -> Staged:
    """A launch up to where something would be created: to show its plan and its preflight first (see staging.py)."""
    root = find_root(root)
    points = _points(what, root)
    return _staged(points, points.name if isinstance(points, _Named) else None, root, sets, settings)


def launch_sweep(
    what: Sweep | str | Sequence[Experiment],
    *,
    name: str | None = None,
    root: Path | None = None,
    sets: Sequence[str] = (),
    settings: Settings | None = None,
) -> SweepRun:
    """Start every point as a queue. `name` is what the sweep is called where `what` has no name of its own."""
    root = find_root(root)
    points = _points(what, root)
    called = points.name if isinstance(points, _Named) else points[0].name
    return _launch_all(points, name or called, root, sets, settings)


def runs(*, root: Path | None = None, limit: int | None = None) -> list[Run]:
    """All runs of the project, newest first."""
    root = find_root(root)
    path = _store_path(root)
    if not path.exists():
        return []
    with Store(path) as store:
        return [Run(record, root) for record in store.runs(limit=limit)]


def get_run(which: str = "latest", *, root: Path | None = None) -> Run:
    """A run by its id, an unambiguous beginning of it, its experiment's name (then the newest), or "latest"."""
    root = find_root(root)
    path = _store_path(root)
    if not path.exists():
        raise UnknownRunError("there are no runs in this project yet", remedy="arrcoc launch quickstart")
    with Store(path) as store:
        if which == "latest":
            found = store.runs(limit=1)
        else:
            found = store.runs(prefix=which)
            found = [record for record in found if record.id == which] or found
            if len(found) != 1:
                found = store.runs(experiment=which, limit=1) or found
    if len(found) == 1:
        return Run(found[0], root)
    if found:
        ids = ", ".join(record.id for record in found[:5])
        raise UnknownRunError(f"{which!r} is the beginning of {len(found)} runs: {ids}", remedy="write more of the id")
    raise UnknownRunError(f"no run is called {which!r}", remedy="arrcoc runs   lists them")


def sweeps(*, root: Path | None = None) -> list[SweepRun]:
    """Every launched sweep, newest first."""
    root = find_root(root)
    found: dict[str, list[Run]] = {}
    for run in runs(root=root):
        if run.sweep is not None:
            found.setdefault(run.sweep, []).append(run)
    return [SweepRun(sweep, points[0].sweep_name or sweep, points[::-1], root) for sweep, points in found.items()]


def get_sweep(which: str, *, root: Path | None = None) -> SweepRun:
    """A launched sweep by its id or an unambiguous beginning of it, or the newest of that name."""
    found = sweeps(root=root)
    exact = [sweep for sweep in found if which in (sweep.id, sweep.name)]
    matching = exact[:1] or [sweep for sweep in found if sweep.id.startswith(which)]
    if len(matching) == 1:
        return matching[0]
    raise UnknownRunError(
        f"no launched sweep is called {which!r}" if not matching else f"{which!r} is the beginning of several sweeps",
        remedy="There are: " + (", ".join(sweep.id for sweep in found[:5]) or "none"),
    )


def reconcile(root: Path | None = None) -> bool:
    """See that unfinished runs are driven: True when a supervisor was missing and had to be started.

    Any door may call it at any time. The supervisor then takes up running trainers, resumes killed ones, and closes
    what has ended.
    """
    root = find_root(root)
    path = _store_path(root)
    if not path.exists():
        return False
    with Store(path) as store:
        marks = ", ".join("?" * len(FINAL))
        if not store.rows(f"SELECT 1 FROM runs WHERE state NOT IN ({marks}) LIMIT 1", sorted(FINAL)):
            return False
        return ensure_supervisor(store)


def adopt(run_id: str, *, root: Path | None = None, settings: Settings | None = None) -> Run:
    """Follow a run here that was launched on another machine: two machines then drive it, of which one acts.

    UnknownRunError where there is no such run in the cloud, CloudError where that cannot be reached.
    """
    from arrcoc_core.adopting import adopt_run

    root = find_root(root)
    adopt_run(run_id, root, settings or load_settings(root))
    return get_run(run_id, root=root)


def changes_token(root: Path | None = None) -> int:
    """Grows with everything that happens to a run; cheap enough to ask several times a second."""
    path = _store_path(find_root(root))
    if not path.exists():
        return 0
    with Store(path) as store:
        return store.changes_token()


class _Named(tuple[Experiment, ...]):
    """The points of a sweep, with its name."""

    name: str


def _points(what: Experiment | Sweep | str | Sequence[Experiment], root: Path) -> tuple[Experiment, ...]:
    if isinstance(what, str):
        from arrcoc_core.discovery import discover

        what = discover(root).select(what)
    if isinstance(what, Experiment):
        return (what,)
    points = _Named(what)
    if not points:
        raise PlanError("there is nothing to launch: no experiments were given")
    points.name = getattr(what, "name", points[0].name)
    return points


def _plans(
    points: Sequence[Experiment],
    root: Path,
    sets: Sequence[str],
    settings: Settings | None,
    facts: Facts | None,
) -> list[Plan]:
    from arrcoc_core.paths import with_assignments

    settings = settings or load_settings(root)
    resolved = [resolve(with_assignments(point, sets), settings) for point in points]
    facts = facts or gather_facts(root, settings)
    return [make_plan(point, facts) for point in resolved]


def _staged(
    points: Sequence[Experiment], sweep: str | None, root: Path, sets: Sequence[str], settings: Settings | None
) -> Staged:
    refuse_while_loading("launch")
    settings = settings or load_settings(root)
    return Staged(root, settings, _plans(points, root, sets, settings, None), sweep)


def _launch_all(
    points: Sequence[Experiment], name: str, root: Path, sets: Sequence[str], settings: Settings | None
) -> SweepRun:
    _, sweep_id = _staged(points, name, root, sets, settings).start()
    assert sweep_id is not None  # it has a name
    return get_sweep(sweep_id, root=root)


def _store_path(root: Path) -> Path:
    return state_dir(root) / "store.db"
