"""The rows of the preflight, what each needs, and what a plan becomes by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from arrcoc_core.errors import PlanError
from arrcoc_core.facts import Check
from arrcoc_core.planning import Plan
from arrcoc_core.preflight import account, outside, quotas, resources
from arrcoc_core.preflight.ground import Ground
from arrcoc_core.preflight.running import LIMIT_S, Step, run_steps

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings

Look = Callable[[Ground], Check]

_STEPS: Mapping[str, tuple[tuple[str, ...], Look]] = {
    "credentials": ((), account.credentials),
    "project": (("credentials",), account.project),
    "billing": (("project",), account.billing),
    "APIs": (("project",), account.apis),
    "roles": (("APIs",), account.roles),
    "GPU quota": (("billing", "APIs"), quotas.gpu_quotas),
    "CPU quota": (("APIs", "GPU quota"), quotas.cpu_quotas),
    "buckets": (("billing", "APIs"), resources.buckets),
    "service accounts": (("billing", "APIs"), resources.accounts),
    "secrets": (("billing", "APIs"), resources.secrets),
    "W&B": ((), outside.wandb),
    "Hub": ((), outside.hub),
    "image": (("billing", "APIs"), resources.image),
    "price": ((), resources.price),
}
"""Name -> what it needs, and how it looks. The order is the one of the rows."""

_QUEUE = "queue"
"""A row that only plans with a queue have, after the others."""

CHECKS = tuple(_STEPS)


_USED: Mapping[str, Callable[[Plan], bool]] = {
    "W&B": lambda plan: plan.environment.get("WANDB_MODE") == "online",
    "Hub": lambda plan: bool(plan.resolved.experiment.hub.repo),
}
"""Rows that only plans have which use what they look at."""


def rows_of(plan: Plan) -> tuple[str, ...]:
    """The names of the rows of a plan's preflight, in their order."""
    names = tuple(name for name in CHECKS if name not in _USED or _USED[name](plan))
    return names if plan.queue is None else (*names, _QUEUE)


_LONGER = {"GPU quota": 3}
"""Rows with more time than others: Google lists every quota of Vertex AI in every region, a page after the other."""

ESSENTIAL = ("credentials", "project")
"""Rows that have to be known, too: without them a launch could only fail later."""


@dataclass(frozen=True)
class Preflight:
    """The rows, and what they came to: `found` is what a plan is refined by."""

    experiment: str
    checks: tuple[Check, ...]
    found: Mapping[str, Any]

    @property
    def stopping(self) -> tuple[Check, ...]:
        """The rows for which a launch is refused."""
        return tuple(row for row in self.checks if row.failed or (row.unknown and row.name in ESSENTIAL))

    @property
    def ok(self) -> bool:
        return not self.stopping

    def require(self) -> None:
        """PlanError naming what has to be repaired first, when there is something."""
        stopping = self.stopping
        if stopping:
            raise PlanError(
                f"{self.experiment} cannot be launched: " + "; ".join(f"{row.name}: {row.detail}" for row in stopping),
                remedy="\n".join(dict.fromkeys(line for row in stopping for line in row.remedy.splitlines())),
            )

    def refine(self, plan: Plan) -> Plan:
        """The plan as it can be carried out: places with quota, secrets that are there, whether an image is built, and
        whether and as whom it logs to W&B.

        What was not found out leaves the plan as it is.
        """
        cloud, found = plan.cloud, self.found
        environment = _logging(plan.environment, found)
        warnings = plan.warnings
        if environment.get("WANDB_MODE") != plan.environment.get("WANDB_MODE"):
            warnings = (*warnings, "it logs offline: no key that W&B takes is where the run would find it")
        if cloud is None:
            return replace(plan, environment=environment, warnings=warnings)
        places = {(rung.region, rung.provisioning) for rung in found.get("rungs", ())}
        rungs = tuple(rung for rung in cloud.rungs if not places or (rung.region, rung.provisioning) in places)
        secrets = found.get("secrets", cloud.secrets)
        cloud = replace(cloud, rungs=rungs, secrets=secrets, environment=environment)
        image = plan.image
        if "image" in found:
            image = "image to be built first" if found["image"] is None else "nothing to build"
        at_once = found.get("at_once", plan.at_once)
        queue = plan.queue if plan.queue is None else replace(plan.queue, **found.get(_QUEUE, {}))
        return replace(
            plan,
            environment=environment,
            warnings=warnings,
            cloud=cloud,
            cost_usd=cloud.cost_usd,
            image=image,
            at_once=at_once,
            queue=queue,
        )


def _logging(environment: Mapping[str, str], found: Mapping[str, Any]) -> Mapping[str, str]:
    """A plan's variables, with where its rows go as that was found out."""
    if found.get("wandb_mode") == "offline":
        return {**environment, "WANDB_MODE": "offline"}
    if environment.get("WANDB_MODE") == "online" and found.get("entity"):
        return {**environment, "WANDB_ENTITY": found["entity"]}
    return environment


def preflight_here(plan: Plan, settings: Settings, *, on_check: Callable[[Check], None] | None = None) -> Preflight:
    """The same for a run on this machine: W&B and the Hub, where it has to do with them, for three seconds at most."""
    rows, found = outside.look_here(plan, settings, on_check)
    return Preflight(plan.experiment, rows, found)


def preflight(
    plan: Plan, settings: Settings, *, on_check: Callable[[Check], None] | None = None, limit_s: float = LIMIT_S
) -> Preflight:
    """Look at everything that a plan for the cloud needs, in parallel; `on_check` gets each row, in order.

    `limit_s` is how long each row may take, a few of them longer. Nothing is created. ConfigError where the endpoints
    cannot be read.
    """
    ground = Ground.of(plan, settings)
    steps = [
        Step(name, needs, partial(look, ground), limit_s * _LONGER.get(name, 1))
        for name, (needs, look) in _STEPS.items()
        if name in rows_of(plan)
    ]
    if plan.queue is not None:
        from arrcoc_core.preflight.queue import queue

        steps.append(Step(_QUEUE, (), partial(queue, ground), limit_s))
    rows = run_steps(steps, on_check)
    return Preflight(plan.experiment, rows, ground.found)
