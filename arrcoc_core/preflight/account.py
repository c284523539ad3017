"""Who calls, and what the project lets them do: credentials, project, billing, APIs, roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arrcoc_core.cloud.calling import call
from arrcoc_core.facts import Check
from arrcoc_core.infra.events import Problem
from arrcoc_core.infra.preconditions import Found, check_billing, check_credentials, check_project
from arrcoc_core.infra.resource import Status
from arrcoc_core.infra.services import Apis
from arrcoc_core.preflight.ground import Ground

PERMISSIONS: Mapping[str, str] = {
    "aiplatform.customJobs.create": "roles/aiplatform.user",
    "aiplatform.customJobs.get": "roles/aiplatform.user",
    "aiplatform.customJobs.list": "roles/aiplatform.user",
    "aiplatform.customJobs.cancel": "roles/aiplatform.user",
    "cloudbuild.builds.create": "roles/cloudbuild.builds.editor",
    "cloudbuild.builds.list": "roles/cloudbuild.builds.editor",
    "artifactregistry.tags.get": "roles/artifactregistry.reader",
    "logging.logEntries.list": "roles/logging.viewer",
}
"""What a launch does in the project -> the smallest role that may."""


def credentials(ground: Ground) -> Check:
    return found_row("credentials", check_credentials(ground.world))


def project(ground: Ground) -> Check:
    return found_row("project", check_project(ground.world))


def billing(ground: Ground) -> Check:
    return found_row("billing", check_billing(ground.world))


def apis(ground: Ground) -> Check:
    found = Apis().check(ground.world)
    if found.state == "ok":
        return Check("APIs", True, found.detail)
    return Check("APIs", False, found.detail, "arrcoc setup   turns them on", unknown=found.state == "unknown")


def roles(ground: Ground) -> Check:
    """Which of PERMISSIONS the caller has on the project; those on accounts and buckets are asked with these."""
    world = ground.world
    request = {"resource": world.project_path, "permissions": list(PERMISSIONS)}
    answer: Any = call(world.cloud.projects().test_iam_permissions, request=request)
    granted = set(answer.permissions)
    lacking = dict.fromkeys(role for permission, role in PERMISSIONS.items() if permission not in granted)
    if not lacking:
        return Check("roles", True, "may build, submit, watch and cancel")
    member = world.caller_member or "user:<your address>"
    give = f"gcloud projects add-iam-policy-binding {world.names.project} --member={member}"
    return Check(
        "roles",
        False,
        f"{world.caller or 'this account'} lacks {', '.join(lacking)}",
        "\n".join(
            ["An owner of the project gives them by:", *(f"{give} --role={role} --condition=None" for role in lacking)]
        ),
    )


def found_row(name: str, found: Found) -> Check:
    detail = found.problem.message if found.problem is not None else found.detail
    return Check(name, found.ok is True, detail, remedy_of(found.problem), unknown=found.ok is None)


def status_row(name: str, found: Status) -> Check:
    """The row of a resource of `arrcoc setup`; what is there but not as setup makes it does not stop a launch."""
    if found.state in ("ok", "different", "pending", "note"):
        return Check(name, True, found.detail or "there")
    remedy = remedy_of(found.problem) or "arrcoc setup   makes what is missing"
    detail = found.problem.message if found.problem is not None else f"{found.state}: {found.detail}".rstrip(": ")
    return Check(name, False, detail, remedy, unknown=found.state == "unknown")


def remedy_of(problem: Problem | None) -> str:
    """The steps of a repair, one a line, each command on its own."""
    if problem is None:
        return ""
    lines: list[str] = []
    for fix in problem.fixes:
        lines += [line for line in (fix.text if fix.text != "Run:" else "", fix.command) if line]
    return "\n".join(lines)
