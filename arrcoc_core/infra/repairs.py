"""From an error to a repair: what happened, why, and numbered steps with commands that can be copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arrcoc_core.errors import ArrcocError, CloudError
from arrcoc_core.infra.events import Fix, Problem

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World

LOGIN = "gcloud auth application-default login"
_SETUP_ROLES = (
    "serviceusage.serviceUsageAdmin",
    "iam.serviceAccountAdmin",
    "resourcemanager.projectIamAdmin",
    "storage.admin",
    "artifactregistry.admin",
    "secretmanager.admin",
    "cloudquotas.admin",
)
"""What who runs setup needs in the project; an owner has them all."""


def problem_of(error: ArrcocError, world: World | None = None) -> Problem:
    """The error as a problem with its repair. Without a world the steps that name the project are left out."""
    if not isinstance(error, CloudError):
        return Problem(error.message, "", tuple(_lines(error.remedy)))
    account = error.data.get("account")
    if account is not None:
        return Problem(error.message, _CAUSES.get(error.scope, "").format(account), tuple(_lines(error.remedy)))
    project = world.names.project if world is not None else ""
    console = world.cloud.endpoints.console if world is not None else "https://console.cloud.google.com"
    if world is not None and not world.cloud.endpoints.is_google and error.scope in ("auth", "offline"):
        return Problem(
            error.message,
            "The sandbox that the settings name does not answer, or does not know these credentials.",
            (Fix("Start the sandbox:", "arrcoc sandbox start"), *_lines(error.remedy)),
        )
    cause, fixes = "", list(_lines(error.remedy))
    match error.scope:
        case "auth":
            cause = "Google's libraries found no credentials that work."
            fixes = [*_lines(error.remedy)] or [Fix("Log in:", LOGIN)]
        case "offline":
            cause = "No answer came: this machine is offline, or something between it and Google is in the way."
        case "api-disabled":
            service = error.data.get("service", "")
            cause = "Each API of Google Cloud is off in a new project until it is turned on."
            if service and project:
                fixes = [
                    Fix("Turn it on:", f"gcloud services enable {service} --project {project}", safe=True),
                    Fix("Run the same command again; a new API takes up to a minute to answer."),
                ]
        case "billing":
            cause = "Google makes nothing that can cost money in a project without a billing account."
            fixes = [
                Fix("List your billing accounts:", "gcloud billing accounts list"),
                Fix(
                    "Link one of them:",
                    f"gcloud billing projects link {project or '<project>'} --billing-account=<account id>",
                ),
                Fix(f"Or in the console: {console}/billing/linkedaccount?project={project}"),
            ]
        case "permission" if project:
            cause = "Who calls lacks a role in this project."
            member = world.caller_member if world is not None else ""
            fixes = [
                Fix(f"Setup needs these roles, or Owner: {', '.join(_SETUP_ROLES)}."),
                Fix(
                    "Somebody who owns the project gives one by:",
                    f"gcloud projects add-iam-policy-binding {project} --member={member or 'user:<your address>'} "
                    "--role=roles/<role>",
                ),
            ]
        case "quota":
            cause = "Google has not granted this project as much as that."
        case "unavailable" | "internal":
            cause = "The service of Google failed for the moment."
            fixes = [Fix("Run the same command again: what is done stays done.")]
        case _:
            pass
    return Problem(error.message, cause, tuple(fixes))


_CAUSES = {
    "auth": "{} knows no such key, or this machine has none.",
    "offline": "No answer came: this machine is offline, or something between it and {} is in the way.",
    "unavailable": "{} fails for the moment: what is done stays done, run the same command again.",
    "permission": "The key is good, and its owner has no right to that at {}.",
}
"""Of errors that are about an account outside of Google Cloud."""


def foreign_queue(name: str, why: str) -> Problem:
    """A Launch queue has our name and is not ours."""
    return Problem(
        f"The queue {name} is there already and is not ours: {why}. It is left as it is.",
        "Somebody has made it for something else.",
        (
            Fix("Name another in .training: WANDB_LAUNCH_QUEUE_NAME."),
            Fix("Then run setup again:", "arrcoc setup"),
        ),
    )


def foreign(what: str, why: str) -> Problem:
    """Something has our name and is not ours."""
    return Problem(
        f"{what} is there already and is not ours: {why}. It is left as it is.",
        "Its name is made of GCP_PROJECT_ID and PROJECT_NAME, and somebody else uses that name.",
        (
            Fix("Choose another PROJECT_NAME in .training: every name is made of it."),
            Fix("Then run setup again:", "arrcoc setup"),
        ),
    )


def _lines(remedy: str) -> list[Fix]:
    """The lines of a remedy, a command recognised by its first word: "text   command", or a command alone."""
    fixes: list[Fix] = []
    for line in remedy.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] in _PROGRAMS:
            command, _, text = line.strip().partition("   ")
            said = text.strip()
            fixes.append(Fix(f"{said[0].upper()}{said[1:]}:" if said else "Run:", command.strip()))
        else:
            fixes.append(Fix(line.strip()))
    return fixes


_PROGRAMS = ("gcloud", "arrcoc", "wandb", "hf", "unset", "curl", "keyring")
