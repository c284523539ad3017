"""IAM policies of every resource, with etags that go stale, and what they allow a service account.

The owner of the sandbox (key.json) may do everything. A job's service account may do what a role on the resource or on
the project gives it: this is where a forgotten role shows before the real cloud shows it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.faults import PermissionDenied
from arrcoc_core.sandbox.project import OWNER, PROJECT, PROJECT_NUMBER
from arrcoc_core.sandbox.protos import iam_policy_pb2, policy_pb2
from arrcoc_core.sandbox.service import Call

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

GRANTS: dict[str, tuple[str, ...]] = {
    "roles/owner": ("",),
    "roles/editor": ("",),
    "roles/storage.admin": ("storage.",),
    "roles/storage.objectAdmin": ("storage.objects.",),
    "roles/storage.objectUser": (
        "storage.objects.create",
        "storage.objects.delete",
        "storage.objects.get",
        "storage.objects.list",
        "storage.objects.update",
        "storage.multipartUploads.",
    ),
    "roles/storage.objectViewer": ("storage.objects.get", "storage.objects.list"),
    "roles/storage.objectCreator": ("storage.objects.create",),
    "roles/storage.legacyBucketReader": ("storage.buckets.get", "storage.objects.list"),
    "roles/logging.logWriter": ("logging.logEntries.create",),
    "roles/secretmanager.secretAccessor": ("secretmanager.versions.access",),
    "roles/artifactregistry.reader": (
        "artifactregistry.repositories.downloadArtifacts",
        "artifactregistry.repositories.get",
    ),
    "roles/artifactregistry.writer": (
        "artifactregistry.repositories.downloadArtifacts",
        "artifactregistry.repositories.uploadArtifacts",
        "artifactregistry.repositories.get",
    ),
    "roles/iam.serviceAccountUser": ("iam.serviceAccounts.actAs", "iam.serviceAccounts.get"),
}
"""Role -> the permissions it gives, as beginnings; the roles that a job or a build has any use for."""


class Policies:
    def __init__(self, box: Box) -> None:
        self._box = box
        self._held = box.state.messages("policies", policy_class)

    def get(self, resource: str) -> Any:
        found = self._held.get(resource)
        if found is None:
            found = policy_class()(version=1, etag=b"ACAB")
            if resource == f"projects/{PROJECT}":
                found.bindings.add(role="roles/owner", members=[f"serviceAccount:{OWNER}"])
        return found

    def set(self, resource: str, policy: Any) -> Any:
        """Replace it. ABORTED where the etag that was read is not the present one any more."""
        if policy.etag and policy.etag != self.get(resource).etag:
            raise ApiError(
                "ABORTED",
                "There were concurrent policy changes. Please retry the whole read-modify-write with exponential "
                "backoff.",
            )
        for binding in policy.bindings:
            self._check(binding)
        kept = policy_class()()
        kept.CopyFrom(policy)
        del kept.bindings[:]
        kept.bindings.extend(binding for binding in policy.bindings if binding.members)
        kept.version = max(policy.version, 1)
        kept.etag = base64.b64encode(f"BwY{self._box.state.next('etags'):06}".encode())
        self._held.put(resource, kept)
        return kept

    def drop(self, resource: str) -> None:
        self._held.delete(resource)

    def forget(self, email: str, unique_id: str) -> None:
        """An account is deleted: its memberships stay, marked so, as really."""
        old, new = f"serviceAccount:{email}", f"deleted:serviceAccount:{email}?uid={unique_id}"
        for resource, policy in self._held.items():
            for binding in policy.bindings:
                if old in binding.members:
                    members = [new if member == old else member for member in binding.members]
                    del binding.members[:]
                    binding.members.extend(members)
                    self._held.put(resource, policy)

    def allowed(self, email: str, permission: str, *resources: str) -> bool:
        """Whether an account has a permission on one of these resources or on the project."""
        if email in ("", OWNER):
            return self.permitted([permission]) != []
        member = f"serviceAccount:{email}"
        for resource in (*resources, f"projects/{PROJECT}"):
            for binding in self.get(resource).bindings:
                if member in binding.members and permission.startswith(GRANTS.get(binding.role, ("\0",))):
                    return True
        return False

    def require(self, email: str, permission: str, resource: str, *resources: str) -> None:
        """PERMISSION_DENIED unless `allowed`."""
        if not self.allowed(email, permission, resource, *resources):
            raise ApiError(
                "PERMISSION_DENIED",
                f"Permission '{permission}' denied for resource '{resource}' (or it may not exist).",
                reason="IAM_PERMISSION_DENIED",
                domain="iam.googleapis.com",
                metadata={"permission": permission, "resource": resource},
            )

    def permitted(self, permissions: Iterable[str]) -> list[str]:
        """Those the owner has: all of them, but for the scenario's."""

        def denied(name: str) -> bool:
            return self._box.faults.peek(PermissionDenied, lambda fault: fault.permission == name) is not None

        return [name for name in permissions if not denied(name)]

    def _check(self, binding: Any) -> None:
        """INVALID_ARGUMENT for what the real service takes for no role or no member."""
        if not re.fullmatch(r"(roles|projects/[^/]+/roles|organizations/\d+/roles)/[\w.]+", binding.role):
            raise ApiError("INVALID_ARGUMENT", f"Role {binding.role} is not supported for this resource.")
        for member in binding.members:
            kind, _, rest = member.partition(":")
            if kind not in ("user", "serviceAccount", "group", "domain", "deleted", "principal", "principalSet") and (
                member not in ("allUsers", "allAuthenticatedUsers")
                and not re.match(r"project(Owner|Editor|Viewer):", member)
            ):
                raise ApiError("INVALID_ARGUMENT", f"The member {member} is of an unknown type.")
            own = kind == "serviceAccount" and rest.endswith(f"@{PROJECT}.iam.gserviceaccount.com")
            if own and rest != OWNER and not self._box.service("iam").exists(rest):
                raise ApiError("INVALID_ARGUMENT", f"Service account {rest} does not exist.")


class PolicyMethods:
    """The three RPCs that every service with policies has; `policy_of` says whose policy a resource name means."""

    box: Box

    def policy_of(self, resource: str) -> str:
        """The canonical name of the resource. NOT_FOUND where there is none."""
        raise NotImplementedError

    def get_iam_policy(self, request: Any, call: Call) -> Any:
        return self.box.policies.get(self.policy_of(request.resource))

    def set_iam_policy(self, request: Any, call: Call) -> Any:
        return self.box.policies.set(self.policy_of(request.resource), request.policy)

    def test_iam_permissions(self, request: Any, call: Call) -> Any:
        resource = self.policy_of(request.resource)
        allowed = [name for name in request.permissions if self.box.policies.allowed(call.caller, name, resource)]
        return iam_policy_pb2().TestIamPermissionsResponse(permissions=allowed)


def by_id(name: str) -> str:
    """A resource name with the project's id in place of its number."""
    return re.sub(rf"^projects/({PROJECT_NUMBER}|-)(?=/|$)", f"projects/{PROJECT}", name)


def by_number(name: str) -> str:
    """A resource name with the project's number, as several services answer."""
    return re.sub(rf"^projects/{PROJECT}(?=/|$)", f"projects/{PROJECT_NUMBER}", name)


def policy_class() -> Any:
    return policy_pb2().Policy
