"""The service accounts: the one jobs run as, and the one images are built as. Their description marks them as ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arrcoc_core.cloud.calling import call, if_there
from arrcoc_core.errors import CloudError
from arrcoc_core.infra.policies import account_path
from arrcoc_core.infra.repairs import foreign
from arrcoc_core.infra.resource import Say, Status, listed

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World


@dataclass(frozen=True)
class ServiceAccount:
    key: str
    title: str
    email: str
    display_name: str
    needs: tuple[str, ...] = ("apis",)

    def where(self, world: World) -> str:
        return self.email

    def page(self, world: World) -> str:
        return "iam-admin/serviceaccounts"

    def check(self, world: World) -> Status:
        found, problem = self._look(world)
        return problem or Status("ok" if found is not None else "missing")

    def ensure(self, world: World, say: Say) -> Status:
        found, problem = self._look(world)
        if problem is not None:
            return problem
        if found is None:
            request = {
                "name": world.project_path,
                "account_id": self.email.partition("@")[0],
                "service_account": {"display_name": self.display_name, "description": world.names.description},
            }
            try:
                call(world.cloud.accounts().create_service_account, request=request)
                return Status("ok")  # not looked at again: a new account may take seconds to be seen
            except CloudError as error:
                if error.scope != "conflict":  # there already: a first try whose answer was lost, or foreign
                    raise
        return self.check(world)

    def destroy(self, world: World, say: Say) -> Status:
        found, problem = self._look(world)
        if problem is not None or found is None:
            return problem or Status("missing")
        if_there(world.cloud.accounts().delete_service_account, request={"name": account_path(world, self.email)})
        return Status("missing")

    def _look(self, world: World) -> tuple[Any, Status | None]:
        request = {"name": account_path(world, self.email)}
        found = if_there(world.cloud.accounts().get_service_account, request=request)
        if found is None:
            return None, None
        if not is_ours(found, world):
            why = f"its description is {found.description!r}, not {world.names.description!r}"
            return None, Status("foreign", why, foreign(self.email, why))
        return found, None


def is_ours(account: Any, world: World) -> bool:
    return str(account.description).strip() == world.names.description


def training_account(world: World) -> ServiceAccount:
    return ServiceAccount(
        "training-account", "Account of jobs", world.names.training_account, f"{world.names.owner}: trains"
    )


def build_account(world: World) -> ServiceAccount:
    return ServiceAccount(
        "build-account", "Account of builds", world.names.build_account, f"{world.names.owner}: builds images"
    )


def own_accounts(world: World) -> list[ServiceAccount]:
    """Every service account of the project with our mark."""
    known = {one.email: one for one in (training_account(world), build_account(world))}
    found = listed(world.cloud.accounts().list_service_accounts, request={"name": world.project_path})
    return [
        known.get(str(one.email)) or ServiceAccount(f"account-{one.email}", "Another account", str(one.email), "")
        for one in found
        if is_ours(one, world)
    ]
