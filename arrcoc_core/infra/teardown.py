"""Removing what is ours, and nothing else.

What is ours is found by its label, not by its name. Nothing is removed while work of ours goes on. The runs bucket,
with checkpoints and results, is removed only when that is asked for by itself. Roles are taken back before the
accounts go; APIs stay on, granted quota stays granted. At W&B the Launch queue goes that setup has made; the project
there and the repository on the Hub hold runs and results, and are always kept. It can be interrupted and run again:
what is gone is not listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arrcoc_core.errors import ArrcocError, CloudError, ConfigError
from arrcoc_core.infra.accounts import own_accounts
from arrcoc_core.infra.buckets import own_buckets, staging_bucket
from arrcoc_core.infra.events import OnEvent
from arrcoc_core.infra.grants import build_roles, training_roles
from arrcoc_core.infra.hub_rows import HubRepository, hub_rows
from arrcoc_core.infra.inventory import resources
from arrcoc_core.infra.keeping import cost_of_keeping
from arrcoc_core.infra.live import LiveJob, active_runs, job_regions, live_jobs
from arrcoc_core.infra.repository import own_repositories
from arrcoc_core.infra.resource import Resource
from arrcoc_core.infra.running import Outcome, Rows, in_order
from arrcoc_core.infra.secret_copies import own_secrets
from arrcoc_core.infra.wandb_rows import WandbProject, WandbQueue, wandb_rows

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World
    from arrcoc_core.run import Run

STAYS = (
    "APIs stay on and granted quota stays granted: both are free. "
    "Ended jobs, builds and logs stay listed until Google drops them, free too."
)


@dataclass(frozen=True)
class Item:
    """One thing of ours. `why` says why it stays, where it does."""

    resource: Resource
    name: str
    size_bytes: int | None
    usd_per_month: float | None
    removed: bool
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "item",
            "resource": self.resource.key,
            "title": self.resource.title,
            "name": self.name,
            "size_bytes": self.size_bytes,
            "usd_per_month": self.usd_per_month,
            "removed": self.removed,
            "why": self.why,
        }


@dataclass(frozen=True)
class Live:
    """Work of ours that goes on: jobs in the cloud, and runs of this project that may make one."""

    jobs: tuple[LiveJob, ...]
    runs: tuple[Run, ...]

    def __bool__(self) -> bool:
        return bool(self.jobs or self.runs)

    def to_json(self) -> list[dict[str, Any]]:
        known = {job.run for job in self.jobs}
        lines: list[dict[str, Any]] = [{"type": "live", **job.to_json()} for job in self.jobs]
        for run in self.runs:
            if run.id not in known:
                lines.append({"type": "live", "run": run.id, "job": "", "region": "", "state": run.state})
        return lines


def find_live(world: World) -> Live:
    if not world.on_google:
        return Live((), ())
    return Live(tuple(live_jobs(world, job_regions(world))), tuple(active_runs(world)))


def find_ours(world: World, *, with_checkpoints: bool) -> list[Item]:
    """Everything with our label, with its size and what it costs, and what is kept outside; changes nothing."""
    return [*(_of_google(world, with_checkpoints) if world.on_google else ()), *_outside(world)]


def _outside(world: World) -> list[Item]:
    """The queues that are ours; and the project and the repository, which are never removed.

    What cannot be looked at is left out: nothing of it is removed, and Google's part is none the less torn down.
    """
    items: list[Item] = []
    for one in (*wandb_rows(world), *hub_rows(world)):
        try:
            if isinstance(one, WandbQueue) and one.is_ours(world):
                items.append(Item(one, one.where(world), None, None, True))
            elif isinstance(one, WandbProject | HubRepository) and one.check(world).state == "ok":
                items.append(Item(one, one.where(world), None, None, False, one.stays))
        except ArrcocError:
            continue
    return items


def _of_google(world: World, with_checkpoints: bool) -> list[Item]:
    found: list[Resource] = []
    for look in (own_buckets, _repositories, own_accounts, own_secrets):
        try:
            found += look(world)
        except CloudError as error:
            if error.scope != "api-disabled":  # never set up: there is nothing of the kind
                raise
    order = [one.key for one in resources(world)]
    found.sort(key=lambda one: order.index(one.key) if one.key in order else len(order))
    items: list[Item] = []
    for one in found:
        cost = cost_of_keeping(one, world)
        why = _why_kept(one, world, with_checkpoints)
        items.append(Item(one, one.where(world), cost.size_bytes, cost.usd_per_month, not why, why))
    return [*(Item(one, one.where(world), None, None, True) for one in _roles(world, found)), *items]


def run_teardown(world: World, *, dry_run: bool = False, with_checkpoints: bool = False, on_event: OnEvent) -> Outcome:
    """Remove what is ours. ConfigError while work of ours goes on. The caller has asked for confirmation."""
    rows = Rows(world, on_event)
    live = find_live(world)
    if live and not dry_run:
        raise still_live(live)
    items = find_ours(world, with_checkpoints=with_checkpoints)
    for item in items:
        if item.removed:
            rows.tell(item.resource, "ok" if dry_run else "waiting", item.name)
        else:
            rows.tell(item.resource, "kept", f"{item.name}: {item.why}")
    if dry_run:
        return rows.outcome()
    chosen = [item.resource for item in items if item.removed]
    roles = [one for one in chosen if one.key.endswith("-roles")]
    in_order(roles, lambda one: _remove(rows, one), free=True)
    if any(rows.last[one.key].state == "failed" for one in roles):
        # Without the accounts nobody could tell any more whose roles these were.
        chosen = [one for one in chosen if "account" not in one.key]
    rest = [one for one in chosen if one not in roles]
    in_order(rest, lambda one: _remove(rows, one), free=True)
    return rows.outcome()


def still_live(live: Live) -> ConfigError:
    names = [line["run"] or line["job"] for line in live.to_json()]
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return ConfigError(
        f"Nothing is removed while runs go on: {shown}.",
        remedy="arrcoc cancel --all   stops the runs of this project\n"
        "arrcoc teardown --cancel-runs   cancels these, then removes",
    )


def _remove(rows: Rows, one: Resource) -> bool:
    rows.tell(one, "removing", one.where(rows.world))
    try:
        status = one.destroy(rows.world, lambda detail: rows.tell(one, "removing", detail) and None)
    except ArrcocError as error:
        rows.tell_error(one, error)
        return False
    if status.state != "missing":
        rows.tell_status(one, status)
        return False
    where = one.where(rows.world)
    rows.tell(one, "removed", f"{where}: {status.detail}" if status.detail else where)
    return True


def _repositories(world: World) -> Sequence[Resource]:
    return own_repositories(world, job_regions(world))


def _roles(world: World, found: Sequence[Resource]) -> list[Resource]:
    """The roles that were given to accounts of ours, as far as they still have any."""
    emails = {one.where(world) for one in found}
    held: list[Resource] = []
    for roles in (training_roles(world), build_roles(world)):
        if roles.email in emails and roles.any_granted(world):
            held.append(roles)
    return held


def _why_kept(one: Resource, world: World, with_checkpoints: bool) -> str:
    if with_checkpoints or "bucket" not in one.key or one.key == staging_bucket(world).key:
        return ""
    return "checkpoints and results stay; --with-checkpoints removes them too"
