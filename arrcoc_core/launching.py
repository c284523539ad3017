"""From a plan to a run: `apply` creates what the plan says and sees that somebody drives it.

Everything is checked before anything is made. What is made is made in an order in which each step can be repeated:
the code snapshot, the run's folder (its files, then its code), then the row in the store, which is what makes it a
run; a crash before that leaves a folder that nothing refers to. Applying again with the same run id finishes what
was left undone and gives the same run.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from arrcoc_core.cloud.endpoints import load_endpoints
from arrcoc_core.errors import PlanError, RunError
from arrcoc_core.experiment import Local, WandbLaunch
from arrcoc_core.lease import KINDS, Kind, announce_start, unfinished
from arrcoc_core.planning import RUN_FOLDER, Plan
from arrcoc_core.processes import spawn_detached
from arrcoc_core.records import Event
from arrcoc_core.settings import refuse_while_loading, state_dir
from arrcoc_core.snapshot import Snapshot, capture, materialise, name_run
from arrcoc_core.store import Store
from arrcoc_core.stored import save_experiment

QUEUED_AT_ONCE = 1000
_ID_LENGTH = 63
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def apply(plans: Sequence[Plan], root: Path, *, run_ids: Sequence[str], sweep: tuple[str, str] | None = None) -> None:
    """Create one run for each plan (of the same code) and start a supervisor where none lives.

    `sweep` is the id and the name of the sweep that the runs are points of. PlanError when a check of a plan failed,
    WorldMovedError when the code is not what was planned for; in both cases nothing was created.
    """
    refuse_while_loading("launch")
    for plan in plans:
        plan.require()
    state = state_dir(root)
    _refuse_other_runs(state, plans, run_ids)
    snapshot = capture(root, state, expected=plans[0].code)
    packages = installed_packages()
    now = time.time()
    for plan, run_id in zip(plans, run_ids, strict=True):
        launch = {"launched_at": now, "created": created_data(plan, sweep)}
        _make_folder(state / "runs" / run_id, plan, launch, snapshot, packages)
    name_run(snapshot, state, run_ids)
    with Store(state / "store.db") as store:
        store.append(
            [
                Event(run_id, "created", now, data=created_data(plan, sweep))
                for plan, run_id in zip(plans, run_ids, strict=True)
            ]
        )
        ensure_supervisor(store)


def ensure_supervisor(store: Store) -> bool:
    """Start the supervisors that unfinished runs need and that neither live nor are being started; True when one was.

    RunError where a supervisor ends as soon as it is started, again and again: nothing drives those runs then.
    """
    started = [kind for kind in KINDS if unfinished(store, kind) and _start(store, kind)]
    return bool(started)


def supervisor_log(state: Path, kind: Kind) -> Path:
    """What the supervisor of a kind prints."""
    return state / ("supervisor.log" if kind == "local" else "supervisor-cloud.log")


def _start(store: Store, kind: Kind) -> bool:
    state = store.path.parent
    log = supervisor_log(state, kind)
    start = announce_start(store, kind)
    if start.now:
        command = [sys.executable, "-m", "arrcoc_core.supervisor", str(state), kind]
        # `-m` looks in the working directory first: the supervisor is of the same copy of the project as its launcher.
        spawn_detached(command, cwd=Path(__file__).resolve().parents[1], log=log)
    if start.fruitless:
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        said = f": {lines[-1].strip()}" if lines else "."
        raise RunError(
            f"the process that drives the runs has ended {start.fruitless} times as soon as it was started{said}",
            remedy=f"tail {log}   says why; it is tried again once a minute",
        )
    return start.now


def new_run_id(name: str, taken: frozenset[str] = frozenset()) -> str:
    """`<slug>-<yyyymmdd>t<hhmmss>-<4 random>`: at most 63 of [a-z0-9-], a label, a W&B id and a folder name."""
    while True:
        tail = f"-{datetime.now(UTC):%Y%m%dt%H%M%S}-{''.join(random.choices(_ALPHABET, k=4))}"
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[: _ID_LENGTH - len(tail)].strip("-")
        made = f"{slug or 'run'}{tail}"
        if made not in taken:
            return made


def installed_packages() -> str:
    """`name==version` lines of the interpreter's packages, by the names of their metadata folders."""
    found: dict[str, str] = {}
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:  # an entry of sys.path need not exist
            continue
        for name in names:
            match = re.fullmatch(r"(.+?)-(\d.*?)\.(?:dist|egg)-info", name)
            if match:
                found.setdefault(match[1].lower().replace("_", "-"), match[2])
    lines = [f"python=={sys.version.split()[0]}", *(f"{name}=={found[name]}" for name in sorted(found))]
    return "\n".join(lines) + "\n"


def _refuse_other_runs(state: Path, plans: Sequence[Plan], run_ids: Sequence[str]) -> None:
    """PlanError where an id is that of a run of something else, whose folder would be written over."""
    path = state / "store.db"
    if not path.exists():
        return
    with Store(path) as store:
        for plan, run_id in zip(plans, run_ids, strict=True):
            for known in store.runs(prefix=run_id):
                if known.id == run_id and (known.fingerprint, known.code) != (plan.fingerprint, plan.code):
                    raise PlanError(
                        f"there is a run {run_id} already, of {known.experiment} with other values or other code",
                        remedy="Launch with another run id, or with none.",
                    )


def _make_folder(directory: Path, plan: Plan, launch: Mapping[str, object], snapshot: Snapshot, packages: str) -> None:
    """The run's folder. Its plan also says how the run was created, so that another machine can know it."""
    (directory / "logs").mkdir(parents=True, exist_ok=True)
    save_experiment(plan.resolved, directory)
    place = str(directory) if plan.cloud is None else directory.name
    _write(directory / "plan.json", json.dumps(plan_file(plan, place, launch), indent=1))
    _write(directory / "packages.txt", packages)
    materialise(snapshot, directory / "code")


def plan_file(plan: Plan, place: str, launch: Mapping[str, object]) -> dict[str, object]:
    """What plan.json of a run holds. `place` is its folder, or its id where it runs in the cloud."""
    command = [part.replace(RUN_FOLDER, place) for part in plan.command]
    return {**plan.to_json(), **launch, "command": command}


def created_data(plan: Plan, sweep: tuple[str, str] | None = None) -> dict[str, object]:
    """What the run's first event says of it; see `records.CREATED_FIELDS`."""
    return {
        **_conditions(plan),
        "experiment": plan.experiment,
        "fingerprint": plan.fingerprint,
        "code": plan.code,
        "target": plan.target,
        "sweep": sweep[0] if sweep else None,
        "sweep_name": sweep[1] if sweep else None,
        "total_steps": plan.total_steps or 0,
        "estimate_low_s": plan.estimate.low_s,
        "estimate_high_s": plan.estimate.high_s,
        "base": plan.resolved.experiment.model.base,
        "workload": plan.workload,
        "machine": plan.machine,
    }


def _conditions(plan: Plan) -> dict[str, object]:
    """What the target makes of it: how many at once, how much is forgiven, and in the cloud where and for how much."""
    compute = plan.resolved.experiment.compute
    if isinstance(compute, WandbLaunch):
        compute = compute.vertex
    budgets = {"preemption": compute.max_preemptions, "failure": compute.max_failures}
    if isinstance(compute, Local):
        return {"max_parallel": compute.max_parallel, "budgets": budgets}
    assert plan.cloud is not None
    return {
        # Of runs in a queue, as many go on at once as its agents have slots.
        "max_parallel": plan.at_once if plan.queue is None else QUEUED_AT_ONCE,
        "budgets": {**budgets, "capacity": compute.max_stockouts},
        "ladder": [rung.to_json() for rung in plan.cloud.rungs],
        "preparation": {"state": "needed"},
        "max_cost_usd": compute.max_cost_usd,
        "max_hours": compute.max_hours,
        "pace": load_endpoints(plan.cloud.endpoints).speed,
    }


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
