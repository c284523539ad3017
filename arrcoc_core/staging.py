"""A launch in three steps, for whoever shows or asks something in between: plan, look, start.

    staged = api.stage("far")       plans; ConfigError where the experiment is wrong
    staged.check(on_check=print)    the preflight: of the cloud, or of W&B and the Hub; PlanError where it fails
    run_ids = staged.start()        creates the runs and sees that somebody drives them

Until `start` nothing is created. `api.launch` does all three at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.facts import Check
from arrcoc_core.formatting import money_range, plural
from arrcoc_core.launching import apply, new_run_id
from arrcoc_core.planning import Plan
from arrcoc_core.settings import Settings

if TYPE_CHECKING:
    from arrcoc_core.preflight import Preflight


@dataclass
class Staged:
    root: Path
    settings: Settings
    plans: list[Plan]
    sweep: str | None = None
    """Name of the sweep that the plans are points of; None: one experiment."""
    checked: bool = field(default=False, init=False)

    @property
    def in_cloud(self) -> bool:
        return any(plan.cloud is not None for plan in self.plans)

    @property
    def cost_range(self) -> tuple[float, float] | None:
        """Dollars of all runs together; None: not known."""
        spans = [plan.cost_range for plan in self.plans]
        known = [span for span in spans if span is not None]
        return (sum(low for low, _ in known), sum(high for _, high in known)) if len(known) == len(spans) else None

    @property
    def ok(self) -> bool:
        """No check of a plan itself has failed; what only the cloud knows, `look` asks."""
        return all(plan.ok for plan in self.plans)

    def to_text(self) -> str:
        """For a terminal: the plan; of a sweep a line for each, with what stands in its way, and the sum."""
        if self.sweep is None:
            return self.plans[0].to_text()
        span = self.cost_range
        cost = "price unknown" if span is None else f"{money_range(*span)} in all"
        width = max(len(plan.experiment) for plan in self.plans)
        lines = [f"{self.sweep}: {plural(len(self.plans), 'run')} · {cost}", ""]
        remarks = [_remarks(plan) for plan in self.plans]
        shared = [line for line in remarks[0] if all(line in of for of in remarks)]
        for plan, of in zip(self.plans, remarks, strict=True):
            lines.append(f"  {plan.experiment:<{width}}  {plan.headline}")
            lines += [f"    {line}" for line in of if line not in shared]
        lines += ["", *(f"  {line}" for line in shared)]
        return "\n".join([*lines, f"  arrcoc plan {self.plans[0].experiment}   shows one of them whole"])

    def to_json(self) -> dict[str, Any]:
        """The plan's own; of a sweep those of all its runs, and the sum."""
        if self.sweep is None:
            return self.plans[0].to_json()
        plans = [plan.to_json() for plan in self.plans]
        return {"sweep": self.sweep, "cost_range": self.cost_range, "plans": plans, "ok": self.ok}

    def places(self) -> list[Plan]:
        """One plan for each different place: what one preflight says of it holds for all that run there."""
        return list({_place(plan): plan for plan in reversed(self.plans) if plan.cloud is not None}.values())[::-1]

    def rows(self) -> list[str]:
        """Names of what the preflight of the cloud will look at: of the place that has most of them."""
        from arrcoc_core.preflight import rows_of

        return list(max((rows_of(plan) for plan in self.places()), key=len))

    def require(self) -> None:
        """PlanError when a check of a plan itself has failed."""
        for plan in self.plans:
            plan.require()

    def look(self, on_check: Callable[[Check], None] | None = None) -> list[Preflight]:
        """The preflight of every place; the plans are refined by it. Nothing is raised for what is missing."""
        found = self._look_here(on_check)
        for place in self.places():
            from arrcoc_core.preflight import preflight

            result = preflight(place, self.settings, on_check=on_check)
            found.append(result)
            if result.ok:
                here = _place(place)
                self.plans = [result.refine(plan) if _place(plan) == here else plan for plan in self.plans]
        self.checked = all(result.ok for result in found)
        return found

    def _look_here(self, on_check: Callable[[Check], None] | None) -> list[Preflight]:
        """What the plans for this machine need of W&B and the Hub: one look for all of them."""
        here = next((plan for plan in self.plans if plan.cloud is None), None)
        if here is None or not (here.environment.get("WANDB_MODE") == "online" or here.resolved.experiment.hub.repo):
            return []
        from arrcoc_core.preflight import preflight_here

        result = preflight_here(here, self.settings, on_check=on_check)
        if result.ok:
            self.plans = [result.refine(plan) if plan.cloud is None else plan for plan in self.plans]
        return [result]

    def check(self, on_check: Callable[[Check], None] | None = None) -> None:
        """`require`, then `look`; PlanError naming what has to be repaired first."""
        self.require()
        for result in self.look(on_check):
            result.require()

    def start(self, run_id: str | None = None) -> tuple[list[str], str | None]:
        """Create the runs: their ids, and the sweep's. What was not checked is checked now."""
        if not self.checked:
            self.check()
        if self.sweep is None:
            made = [run_id or new_run_id(self.plans[0].experiment)]
            apply(self.plans, self.root, run_ids=made)
            self._see_to_agents()
            return made, None
        run_ids: list[str] = []
        for one in self.plans:
            run_ids.append(new_run_id(one.experiment, frozenset(run_ids)))
        sweep_id = new_run_id(self.sweep)
        apply(self.plans, self.root, run_ids=run_ids, sweep=(sweep_id, self.sweep))
        self._see_to_agents()
        return run_ids, sweep_id

    def _see_to_agents(self) -> None:
        """Start an agent here for each queue that nobody polls, as far as a preflight has seen."""
        alone = {
            plan.queue.name: plan.at_once for plan in self.plans if plan.queue is not None and not plan.queue.agents
        }
        if not alone:
            return
        from arrcoc_core.queue.hiring import ensure_agent
        from arrcoc_core.settings import state_dir
        from arrcoc_core.store import Store

        with Store(state_dir(self.root) / "store.db") as store:
            for name, slots in alone.items():
                ensure_agent(store, self.root, self.settings, name, slots=slots)


def _remarks(plan: Plan) -> list[str]:
    """What stands in a plan's way, and what is to be known before."""
    failed = [check for check in plan.checks if not check.ok]
    lines = [f"FAIL {check.name}: {check.detail}" + (f" → {check.remedy}" if check.remedy else "") for check in failed]
    return [*lines, *(f"note {warning}" for warning in plan.warnings)]


def _place(plan: Plan) -> object:
    """What a preflight's answer depends on."""
    cloud = plan.cloud
    if cloud is None:
        return None
    rungs = tuple((rung.region, rung.machine_type, rung.provisioning) for rung in cloud.rungs)
    queue = plan.queue and plan.queue.title
    return cloud.project, cloud.count, cloud.machines, rungs, tuple(sorted(cloud.secrets)), queue
