"""What the service accounts may do, and who may act as them: bindings in the policies of what they work on.

The training account writes objects in the runs bucket, writes logs, and reads its own secrets (that binding is made
with each secret). The build account writes images, reads and writes the staging bucket, and writes logs. Nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arrcoc_core.cloud.calling import call
from arrcoc_core.errors import CloudError
from arrcoc_core.infra.events import Fix, Problem
from arrcoc_core.infra.policies import (
    Holder,
    account_path,
    account_policy,
    add,
    bucket_policy,
    edit,
    has,
    project_policy,
    remove,
    repository_policy,
)
from arrcoc_core.infra.resource import Say, Status

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World

LOG_WRITER = "roles/logging.logWriter"
OBJECT_USER = "roles/storage.objectUser"
BUCKET_READER = "roles/storage.legacyBucketReader"
"""Seeing that a bucket exists: Cloud Build looks before it writes its log there."""
IMAGE_WRITER = "roles/artifactregistry.writer"
ACT_AS = "roles/iam.serviceAccountUser"
ACT_AS_PERMISSION = "iam.serviceAccounts.actAs"

Grant = tuple[Holder, str]
"""Whose policy, and which role in it."""


@dataclass(frozen=True)
class Roles:
    """The roles of one service account."""

    key: str
    title: str
    email: str
    grants: Callable[[World], tuple[Grant, ...]]
    needs: tuple[str, ...]

    def where(self, world: World) -> str:
        return self.email.partition("@")[0]

    def page(self, world: World) -> str:
        return "iam-admin/iam"

    @property
    def member(self) -> str:
        return f"serviceAccount:{self.email}"

    def check(self, world: World) -> Status:
        grants = self.grants(world)
        lacking = [role for holder, role in grants if not _granted(holder, role, self.member)]
        if not lacking:
            return Status("ok", ", ".join(dict.fromkeys(_short(role) for _, role in grants)))
        state = "missing" if len(lacking) == len(grants) else "different"
        return Status(state, f"lacks {', '.join(map(_short, lacking))}")

    def ensure(self, world: World, say: Say) -> Status:
        for holder, role in self.grants(world):
            say(f"{_short(role)} on {holder.what}")
            edit(holder, _adding(role, self.member))
        return self.check(world)

    def destroy(self, world: World, say: Say) -> Status:
        """Take back what the policies hold; a policy that is gone with its resource needs nothing."""
        for holder, role in self.grants(world):
            if _granted(holder, role, self.member):
                say(f"{_short(role)} on {holder.what}")
                edit(holder, _removing(role, self.member))
        return Status("missing")

    def any_granted(self, world: World) -> bool:
        return any(_granted(holder, role, self.member) for holder, role in self.grants(world))


@dataclass(frozen=True)
class ActAs:
    """The right of who runs setup to start jobs and builds as the service accounts."""

    key: str = "act-as"
    title: str = "Right to act as them"
    needs: tuple[str, ...] = ("training-account", "build-account")

    def where(self, world: World) -> str:
        return world.caller or "who calls"

    def page(self, world: World) -> str:
        return "iam-admin/serviceaccounts"

    def check(self, world: World) -> Status:
        lacking = [email for email in self._emails(world) if not _may_act_as(world, email)]
        if not lacking:
            return Status("ok", world.caller)
        return Status("missing", f"not as {', '.join(lacking)}")

    def ensure(self, world: World, say: Say) -> Status:
        member = world.caller_member
        for email in self._emails(world):
            if _may_act_as(world, email):
                continue
            if not member:
                return Status("unknown", "the credentials do not say who calls", _who_are_you(world, email))
            edit(account_policy(world, email), _adding(ACT_AS, member))
        return Status("ok", world.caller)

    def destroy(self, world: World, say: Say) -> Status:
        return Status("missing", "goes with the accounts")

    def _emails(self, world: World) -> tuple[str, str]:
        return world.names.training_account, world.names.build_account


def training_roles(world: World) -> Roles:
    def grants(world: World) -> tuple[Grant, ...]:
        return (
            (bucket_policy(world, world.names.runs_bucket), OBJECT_USER),
            (project_policy(world), LOG_WRITER),
        )

    return Roles(
        "training-roles", "Roles of jobs", world.names.training_account, grants, ("training-account", "runs-bucket")
    )


def build_roles(world: World) -> Roles:
    def grants(world: World) -> tuple[Grant, ...]:
        return (
            (repository_policy(world), IMAGE_WRITER),
            (bucket_policy(world, world.names.staging_bucket), OBJECT_USER),
            (bucket_policy(world, world.names.staging_bucket), BUCKET_READER),
            (project_policy(world), LOG_WRITER),
        )

    return Roles(
        "build-roles",
        "Roles of builds",
        world.names.build_account,
        grants,
        ("build-account", "repository", "staging-bucket"),
    )


def _granted(holder: Holder, role: str, member: str) -> bool:
    try:
        return has(holder.read(), role, member)
    except CloudError as error:
        if error.scope == "not-found" or (error.scope == "permission" and holder.what.startswith("gs://")):
            return False  # not there, or (for a bucket) somebody else's: we have given nothing in it
        raise


def _adding(role: str, member: str) -> Callable[[Any], bool]:
    return lambda policy: add(policy, role, member)


def _removing(role: str, member: str) -> Callable[[Any], bool]:
    return lambda policy: remove(policy, role, member)


def _may_act_as(world: World, email: str) -> bool:
    request = {"resource": account_path(world, email), "permissions": [ACT_AS_PERMISSION]}
    try:
        answer = call(world.cloud.accounts().test_iam_permissions, request=request)
    except CloudError as error:
        if error.scope == "not-found":
            return False
        raise
    return ACT_AS_PERMISSION in answer.permissions


def _who_are_you(world: World, email: str) -> Problem:
    command = (
        f"gcloud iam service-accounts add-iam-policy-binding {email} --project {world.names.project} "
        f"--member=user:<your address> --role={ACT_AS}"
    )
    return Problem(
        f"Who calls may not act as {email} yet.",
        "The credentials do not say whose they are, so the role cannot be given by setup.",
        (Fix("Give it to yourself:", command), Fix("Then run setup again:", "arrcoc setup")),
    )


def _short(role: str) -> str:
    return role.removeprefix("roles/")
