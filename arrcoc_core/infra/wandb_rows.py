"""What runs need at W&B: an account that may write, the project they go to, and the Launch queue where one is named.

The project holds people's runs: setup makes it, and nothing of ours ever removes it. A row whose reason is told by the
account's row is skipped: one thing that is wrong has one message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arrcoc_core.accounts.addresses import wandb_app_url
from arrcoc_core.accounts.logins import wandb_login
from arrcoc_core.accounts.wandb_account import WandbAccount, entity_of, may_not_write, who
from arrcoc_core.accounts.wandb_client import WandbClient
from arrcoc_core.errors import CloudError
from arrcoc_core.infra.events import Fix, Problem
from arrcoc_core.infra.repairs import foreign_queue, problem_of
from arrcoc_core.infra.resource import Resource, Say, Status

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World
    from arrcoc_core.queue import QueueClient
    from arrcoc_core.queue.client import Verified
    from arrcoc_core.queue.records import QueueSetup
    from arrcoc_core.settings import Settings

PATIENCE_S = 8.0
"""For each question: a person waits for the rows."""
TIMEOUT_S = 10.0
UNREACHED = frozenset({"offline", "unavailable"})
"""Scopes of errors that say nothing about what was asked."""
_AFTER = Status("note", "after W&B account")

_PROJECT = (
    "query GetProject($name: String!, $entity: String!) { project(name: $name, entityName: $entity) { id name } }"
)
_CREATE = """mutation CreateProject($input: UpsertModelInput!) {
  result: upsertModel(input: $input) { project { id name } inserted }
}"""


class WandbAccountRow:
    key = "wandb-account"
    title = "W&B account"
    needs: tuple[str, ...] = ()

    def where(self, world: World) -> str:
        return world.logging.url

    def page(self, world: World) -> str:
        return f"{wandb_app_url(world.logging.url)}/home" if world.logging.online else ""

    def check(self, world: World) -> Status:
        mode, settings = world.logging, world.given
        if mode.asked and not mode.online:
            return Status("note", "WANDB_MODE=offline: runs log to this machine")
        if not mode.online:
            lack = "Runs log to this machine only, and nothing is missing for it."
            fixes = (Fix("To log to W&B too, log in:", mode.login),)
            return Status("note", "no key on this machine", Problem(f"{mode.why}.", lack, fixes))
        try:
            account = _asked(settings)
        except CloudError as error:
            if error.scope in UNREACHED:
                return Status("unknown", error.message, problem_of(error, world))
            raise
        entity = entity_of(settings, account)
        if not account.may_write(entity):
            raise may_not_write(account, entity)
        return Status("ok", f"{account.user}, logs to {entity}")

    def ensure(self, world: World, say: Say) -> Status:
        return self.check(world)

    def destroy(self, world: World, say: Say) -> Status:
        return Status("ok", "an account is its owner's")


class WandbProject:
    key = "wandb-project"
    title = "W&B project"
    needs: tuple[str, ...] = ("wandb-account",)
    stays = "it holds your runs; its page at W&B can delete it"

    def where(self, world: World) -> str:
        entity, name = world.logging.entity, str(world.given.get("WANDB_PROJECT"))
        return f"{entity}/{name}" if entity else name

    def page(self, world: World) -> str:
        url, where = wandb_app_url(world.logging.url), self.where(world)
        return f"{url}/{where}" if "/" in where else ""

    def check(self, world: World) -> Status:
        entity = writable_entity(world.given)
        if entity is None:
            return _AFTER
        return Status("ok" if project_exists(world.given, entity) else "missing", f"in {entity}")

    def ensure(self, world: World, say: Say) -> Status:
        entity = writable_entity(world.given)
        if entity is None:
            return _AFTER
        client = _client(world.given)
        wanted = {"entityName": entity, "name": str(world.given.get("WANDB_PROJECT"))}
        try:
            client.execute(_CREATE, {"input": wanted}, patience_s=PATIENCE_S)  # again does no harm: an upsert
        finally:
            client.close()
        return self.check(world)

    def destroy(self, world: World, say: Say) -> Status:
        return Status("ok", self.stays)


@dataclass(frozen=True)
class WandbQueue:
    """A Launch queue, made and read back by `QueueClient`: with this machine's key, wherever runs log."""

    name: str
    needs: tuple[str, ...] = ("wandb-account",)
    title: str = "W&B Launch queue"

    @property
    def key(self) -> str:
        return f"wandb-queue-{self.name}"

    def where(self, world: World) -> str:
        return self.name

    def page(self, world: World) -> str:
        entity = world.logging.entity
        return f"{wandb_app_url(world.logging.url)}/{entity}/launch" if entity else ""

    def check(self, world: World) -> Status:
        return self._with(world, lambda client, wanted: client.verify(self.name, wanted))

    def ensure(self, world: World, say: Say) -> Status:
        return self._with(world, lambda client, wanted: client.ensure(self.name, wanted))

    def destroy(self, world: World, say: Say) -> Status:
        if not self.is_ours(world):
            found = self.check(world)
            if found.state in ("ok", "different"):
                return Status("foreign", found.detail, foreign_queue(self.name, "arrcoc setup has not made it"))
            return found
        client = queue_client(world.given)
        try:
            client.delete(self.name)
        finally:
            client.client.close()
        return Status("missing")

    def is_ours(self, world: World) -> bool:
        """Whether it is there, and bears our owner's label: `arrcoc setup` has made it."""
        from arrcoc_core.queue import wanted_setup

        if not world.has_wandb_key or writable_entity(world.given) is None:
            return False
        client = queue_client(world.given)
        try:
            found = client.verify(self.name, wanted_setup(world.given))
        finally:
            client.client.close()
        return found.ours and found.state in ("ok", "different")

    def _with(self, world: World, act: Callable[[QueueClient, QueueSetup], Verified]) -> Status:
        from arrcoc_core.queue import wanted_setup

        if not world.has_wandb_key:
            lack = f"The queue {self.name} is at W&B, and there is no key for {world.logging.url} on this machine."
            login = world.logging.login or wandb_login(world.logging.url, None)
            return Status("note", "no key on this machine", Problem(lack, "", (Fix("Log in:", login),)))
        if writable_entity(world.given) is None:
            return _AFTER
        client = queue_client(world.given)
        try:
            found = act(client, wanted_setup(world.given))
        finally:
            client.client.close()
        if found.state == "foreign":
            return Status("foreign", found.detail, foreign_queue(self.name, found.detail))
        return Status(found.state, found.detail)


def queue_client(settings: Settings) -> QueueClient:
    """The queues of whom runs of these settings go to."""
    from arrcoc_core.queue import QueueClient

    return QueueClient(_client(settings), writable_entity(settings) or "")


def project_exists(settings: Settings, entity: str = "") -> bool:
    """Whether the project of the settings is there, in `entity` or where runs go anyway. CloudError."""
    entity = entity or writable_entity(settings) or ""
    client = _client(settings)
    try:
        wanted = {"name": str(settings.get("WANDB_PROJECT")), "entity": entity}
        return client.execute(_PROJECT, wanted, patience_s=PATIENCE_S).get("project") is not None
    except CloudError as error:
        if error.scope != "not-found":  # some servers say so, others answer null
            raise
        return False
    finally:
        client.close()


def wandb_rows(world: World) -> tuple[Resource, ...]:
    """The rows of W&B; without a key only the one that says so, unless a queue is named."""
    if world.settings is None:
        return ()
    project = (WandbProject(),) if world.logging.online else ()
    return (WandbAccountRow(), *project, *(WandbQueue(name) for name in world.queues))


def writable_entity(settings: Settings) -> str | None:
    """Where runs of these settings go, and may go; None where the account's row says what is wrong."""
    try:
        account = _asked(settings)
    except CloudError:
        return None
    entity = entity_of(settings, account)
    return entity if account.may_write(entity) else None


def _asked(settings: Settings) -> WandbAccount:
    client = _client(settings)
    try:
        return who(settings, client=client, patience_s=PATIENCE_S)
    finally:
        client.close()


def _client(settings: Settings) -> WandbClient:
    return WandbClient.of(settings, timeout_s=TIMEOUT_S)
