"""What a launch needs outside of Google Cloud: that W&B takes its rows, and the Hub its result.

A run on this machine is looked at too, where it logs online or uploads, but for `HERE_S` seconds at most. Where
WANDB_MODE is automatic nothing at W&B stops a launch: a run that its key cannot log is told to log beside itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from arrcoc_core.accounts import hub_account
from arrcoc_core.accounts.mode import wandb_mode
from arrcoc_core.accounts.remembering import recently
from arrcoc_core.accounts.wandb_account import entity_of, may_not_write, who
from arrcoc_core.accounts.wandb_client import WandbClient
from arrcoc_core.errors import ArrcocError, CloudError
from arrcoc_core.facts import Check
from arrcoc_core.infra.hub_rows import check_repository
from arrcoc_core.infra.wandb_rows import UNREACHED, project_exists
from arrcoc_core.preflight.running import Step, run_steps

if TYPE_CHECKING:
    from arrcoc_core.planning import Plan
    from arrcoc_core.preflight.ground import Ground
    from arrcoc_core.settings import Settings

HERE_S = 3.0
_CLOUD_S = 8.0
_NOT_OURS = frozenset({"auth", "permission"})
"""Scopes that say for certain that this key cannot log these rows."""


def wandb(ground: Ground) -> Check:
    """The row of a job: it logs with the key in Secret Manager, which setup has copied from this machine."""
    plan, settings = ground.plan, ground.settings
    mode = wandb_mode(settings)
    if not mode.key:
        detail = "not asked: no key on this machine; the job takes the one in Secret Manager"
        return Check("W&B", False, detail, mode.login, unknown=True)
    row = _wandb(plan, settings, ground.found, _CLOUD_S)
    if row.ok and not project_exists(settings):
        return row._replace(detail=f"{row.detail}; the project is made by its first run")
    return row


def hub(ground: Ground) -> Check:
    """The row of a job: its upload takes the token in Secret Manager, which setup has copied from this machine."""
    return _hub(ground.plan, ground.settings)


def look_here(
    plan: Plan, settings: Settings, on_check: Callable[[Check], None] | None = None
) -> tuple[tuple[Check, ...], dict[str, Any]]:
    """The rows of a run on this machine, and what was found; no row where it has to do with neither."""
    found: dict[str, Any] = {}
    steps: list[Step] = []
    if plan.environment.get("WANDB_MODE") == "online":
        steps.append(Step("W&B", (), partial(_here, plan, settings, found), HERE_S))
    if plan.resolved.experiment.hub.repo:
        steps.append(Step("Hub", (), partial(_hub, plan, settings), HERE_S))
    return run_steps(steps, on_check), found


def _here(plan: Plan, settings: Settings, found: dict[str, Any]) -> Check:
    row = _wandb(plan, settings, found, 0.0)
    if found.get("key does not do") and not wandb_mode(settings).asked:
        found["wandb_mode"] = "offline"
        return row._replace(detail=f"{row.detail}: this run logs beside itself")
    return row


def _wandb(plan: Plan, settings: Settings, found: dict[str, Any], patience_s: float) -> Check:
    try:
        account = recently(settings)
        if account is None:
            client = WandbClient.of(settings, timeout_s=HERE_S)
            try:
                account = who(settings, client=client, patience_s=patience_s)
            finally:
                client.close()
        entity = entity_of(settings, account)
        if not account.may_write(entity):
            raise may_not_write(account, entity)
    except CloudError as error:
        found["key does not do"] = error.scope in _NOT_OURS
        unsure = error.scope in UNREACHED or not wandb_mode(settings).asked
        return Check("W&B", False, error.message, error.remedy, unknown=unsure)
    found["entity"] = entity
    return Check("W&B", True, f"{account.user} may write to {entity}/{plan.environment['WANDB_PROJECT']}")


def _hub(plan: Plan, settings: Settings) -> Check:
    """Whether the result can go where it is to go. The upload never fails a run: a token can be put right later."""
    repo = str(plan.resolved.experiment.hub.repo)
    try:
        account = hub_account.who(settings)
    except ArrcocError as error:
        return Check("Hub", False, error.message, error.remedy, unknown=True)
    try:
        return Check("Hub", True, f"{repo}: {check_repository(settings, account, repo) or 'is made by the upload'}")
    except CloudError as error:
        return Check("Hub", False, error.message, error.remedy, unknown=error.scope in UNREACHED)
