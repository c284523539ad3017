"""What `arrcoc setup` has made and a launch uses: buckets, service accounts, secrets, the image; and the price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from arrcoc_core.accounts.mode import wandb_mode
from arrcoc_core.facts import Check
from arrcoc_core.formatting import money_range
from arrcoc_core.image import find_image
from arrcoc_core.infra.accounts import build_account, training_account
from arrcoc_core.infra.buckets import runs_bucket, staging_bucket
from arrcoc_core.infra.grants import ActAs
from arrcoc_core.infra.repository import repository
from arrcoc_core.infra.secret_copies import secrets as known_secrets
from arrcoc_core.preflight.account import status_row
from arrcoc_core.preflight.ground import Ground

if TYPE_CHECKING:
    from arrcoc_core.infra.resource import Resource


def buckets(ground: Ground) -> Check:
    return _all("buckets", ground, (runs_bucket(ground.world), staging_bucket(ground.world)))


def accounts(ground: Ground) -> Check:
    return _all("service accounts", ground, (training_account(ground.world), build_account(ground.world), ActAs()))


_COPY = "arrcoc setup --copy-keys   copies the one of this machine"


def secrets(ground: Ground) -> Check:
    """Which of the plan's references point at something. A job without the Hub's token runs; one without W&B's key logs
    offline, unless WANDB_MODE=online was asked for."""
    wanted = ground.cloud.secrets
    there: dict[str, str] = {}
    lacking: list[str] = []
    for secret in known_secrets(ground.world):
        if secret.variable not in wanted:
            continue
        found = secret.check(ground.world)
        if found.state == "foreign":
            return status_row("secrets", found)
        if found.state == "different":
            return Check("secrets", False, f"{secret.variable}: {found.detail}", "arrcoc setup   repairs it")
        if found.state == "ok":
            there[secret.variable] = secret.name
        else:
            lacking.append(secret.variable)
    ground.found["secrets"] = there
    notes: list[str] = []
    if "WANDB_API_KEY" in lacking:
        if wandb_mode(ground.settings).asked:
            return Check(
                "secrets",
                False,
                "WANDB_MODE=online, and there is no W&B key in Secret Manager",
                f"{_COPY}\nOr leave WANDB_MODE empty: the metrics then come back through the runs bucket.",
            )
        ground.found["wandb_mode"] = "offline"
        notes.append("WANDB_API_KEY is not kept: the job logs offline, and its metrics come through the runs bucket")
    if "HF_TOKEN" in lacking:
        repo = ground.plan.resolved.experiment.hub.repo
        without = f"nothing is uploaded to {repo}, and only" if repo else "only"
        notes.append(f"HF_TOKEN is not kept: {without} public models and data can be loaded")
    if notes:
        return Check("secrets", True, "; ".join([*there, *notes]), _COPY)
    return Check("secrets", True, ", ".join(there) or "none needed")


def image(ground: Ground) -> Check:
    """Whether there is anything to build, and where it would go."""
    place = status_row("image", repository(ground.world).check(ground.world))
    if not place.ok:
        return place
    world, tag = ground.world, ground.cloud.image_tag
    digest = find_image(world.cloud, world.names, tag)
    ground.found["image"] = digest
    if digest is None:
        return Check("image", True, f"{tag} is to be built first (some minutes; the next launch finds it)")
    return Check("image", True, f"{tag} is there: nothing to build")


def price(ground: Ground) -> Check:
    """What the ladder costs, and how old these prices are; known without asking anybody."""
    cloud = ground.cloud
    span = cloud.cost_range
    rates = sorted({f"${rung.usd_per_h:.2f}/h" for rung in cloud.rungs if rung.usd_per_h is not None})
    said = f"{' to '.join(dict.fromkeys((rates[0], rates[-1])))}" if rates else "no price known"
    if span is not None:
        said += f", {money_range(*span)} in all"
    said += f"; prices of {cloud.price_date}, {cloud.price_source}"
    if cloud.price_problem:
        return Check("price", False, f"{said}: {cloud.price_problem}", "arrcoc costs --refresh", unknown=True)
    return Check("price", True, said)


def _all(name: str, ground: Ground, resources: Sequence[Resource]) -> Check:
    """One row for several resources: the first that is not there stands for them."""
    where: list[str] = []
    for resource in resources:
        row = status_row(name, resource.check(ground.world))
        if not row.ok:
            shown = resource.where(ground.world)
            return row._replace(detail=row.detail if shown in row.detail else f"{shown}: {row.detail}")
        where.append(resource.where(ground.world))
    return Check(name, True, ", ".join(where))
