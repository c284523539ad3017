"""The one list of resources, in the order they are shown in. Setup, infra and teardown are loops over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arrcoc_core.infra.accounts import build_account, training_account
from arrcoc_core.infra.buckets import runs_bucket, staging_bucket
from arrcoc_core.infra.grants import ActAs, build_roles, training_roles
from arrcoc_core.infra.hub_rows import hub_rows
from arrcoc_core.infra.quota_requests import gpu_quotas
from arrcoc_core.infra.repository import repository
from arrcoc_core.infra.resource import Resource
from arrcoc_core.infra.secret_copies import secrets
from arrcoc_core.infra.services import Apis
from arrcoc_core.infra.wandb_rows import wandb_rows

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World


def resources(world: World) -> tuple[Resource, ...]:
    """Google's as far as a project is named, then those at W&B and on the Hub."""
    return (*(_of_google(world) if world.on_google else ()), *wandb_rows(world), *hub_rows(world))


def _of_google(world: World) -> tuple[Resource, ...]:
    return (
        Apis(),
        staging_bucket(world),
        runs_bucket(world),
        repository(world),
        training_account(world),
        build_account(world),
        training_roles(world),
        build_roles(world),
        ActAs(),
        *secrets(world),
        *gpu_quotas(world),
    )
