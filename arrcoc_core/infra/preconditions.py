"""What has to be right before anything is made, cheapest first: credentials, project, billing.

Each is one message with its repair. What cannot be found out (an API that is itself still off) is `unknown`, which
stops nothing: a check that timed out is not "billing disabled".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arrcoc_core.cloud.calling import TRANSIENT, call
from arrcoc_core.cloud.credentials import check_identity
from arrcoc_core.errors import CloudError, ConfigError
from arrcoc_core.infra.events import Fix, Problem
from arrcoc_core.infra.repairs import problem_of

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World


@dataclass(frozen=True, slots=True)
class Found:
    """`ok` None: it could not be found out."""

    ok: bool | None
    detail: str
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Precondition:
    key: str
    title: str
    look: Callable[[World], Found]


def check_credentials(world: World) -> Found:
    try:
        check_identity(world.cloud.identity)
    except CloudError as error:
        return Found(False, error.message, problem_of(error, world))
    return Found(True, world.caller or "accepted")


def check_project(world: World) -> Found:
    project = world.names.project
    if not project:
        return Found(False, "GCP_PROJECT_ID is not set", problem_of(no_project(), world))
    try:
        found = call(world.cloud.projects().get_project, request={"name": world.project_path})
    except CloudError as error:
        if error.scope in ("permission", "not-found"):
            return Found(False, f"{project} cannot be seen", _unseen(error, world))
        if error.scope == "api-disabled":
            return Found(None, "Resource Manager is off until setup has turned it on")
        if error.scope in TRANSIENT:
            return Found(None, error.message)
        return Found(False, error.message, problem_of(error, world))
    if found.state.name != "ACTIVE":
        problem = Problem(
            f"Project {project} is being deleted.",
            "A deleted project can be brought back for 30 days.",
            (
                Fix("Bring it back:", f"gcloud projects undelete {project}"),
                Fix("Or name another:", "arrcoc setup --project <project>"),
            ),
        )
        return Found(False, "being deleted", problem)
    return Found(True, found.display_name or project)


def check_billing(world: World) -> Found:
    try:
        info = call(world.cloud.billing().get_project_billing_info, request={"name": world.project_path})
    except CloudError as error:
        if error.scope == "billing":
            return Found(False, "off", problem_of(error, world))
        if error.scope == "api-disabled":
            return Found(None, "Cloud Billing is off until setup has turned it on")
        if error.scope == "permission":
            return Found(None, "this account may not look at billing")
        if error.scope in TRANSIENT:
            return Found(None, error.message)
        return Found(False, error.message, problem_of(error, world))
    if info.billing_enabled:
        return Found(True, str(info.billing_account_name).removeprefix("billingAccounts/"))
    error = CloudError(f"Billing is off for project {world.names.project}.", scope="billing")
    return Found(False, "off", problem_of(error, world))


PRECONDITIONS = (
    Precondition("credentials", "Credentials", check_credentials),
    Precondition("project", "Project", check_project),
    Precondition("billing", "Billing", check_billing),
)

NO_PROJECT = Precondition("google", "Google Cloud", lambda world: Found(None, "no project is named"))
"""Stands for all that is Google's where no project is named."""


def first_problem(world: World) -> Problem | None:
    """The first precondition that fails; without a project there are none."""
    for one in PRECONDITIONS if world.on_google else ():
        found = one.look(world)
        if found.ok is False:
            return found.problem or Problem(found.detail)
    return None


def no_project() -> ConfigError:
    return ConfigError(
        "No Google Cloud project is named: GCP_PROJECT_ID is empty.",
        remedy="arrcoc setup --project <project>\ngcloud projects list   lists yours",
    )


def _unseen(error: CloudError, world: World) -> Problem:
    project = world.names.project
    return Problem(
        f"There is no project {project}, or this account may not see it.",
        f"Google answers the same to both: {error.message}",
        (
            Fix("List the projects of this account:", "gcloud projects list"),
            Fix("Name one of them:", "arrcoc setup --project <project>"),
            Fix("Or make it:", f"gcloud projects create {project}"),
        ),
    )
