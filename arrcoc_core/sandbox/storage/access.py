"""Who may do what with buckets and objects: by the bucket's own policy and the project's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.policies import GRANTS
from arrcoc_core.sandbox.project import OWNER, PROJECT

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

# The JSON API's methods that are not called like the permissions they need.
_NEEDS = {
    "storage.objects.insert": ("storage.objects.create",),
    "storage.objects.patch": ("storage.objects.update",),
    "storage.objects.compose": ("storage.objects.create", "storage.objects.get"),
    "storage.objects.copy": ("storage.objects.create", "storage.objects.get"),
    "storage.objects.rewrite": ("storage.objects.create", "storage.objects.get"),
    "storage.objects.move": ("storage.objects.create", "storage.objects.get", "storage.objects.delete"),
    "storage.buckets.insert": ("storage.buckets.create",),
    "storage.buckets.patch": ("storage.buckets.update",),
    "storage.buckets.testIamPermissions": (),
    "storage.projects.serviceAccount.get": (),
}


def missing(box: Box, caller: str, method: str, bucket: dict[str, Any] | None) -> str:
    """The permission that an account lacks for a method; "" where it lacks none."""
    needed = _NEEDS.get(method, (method,))
    return next((permission for permission in needed if not allowed(box, caller, permission, bucket)), "")


def allowed(box: Box, caller: str, permission: str, bucket: dict[str, Any] | None) -> bool:
    if caller == OWNER:
        return box.policies.permitted([permission]) != []
    own = {"allUsers"}
    if caller:
        own |= {f"serviceAccount:{caller}", f"user:{caller}", "allAuthenticatedUsers"}
    held: list[tuple[str, list[str]]] = []
    if bucket:
        held += [(row["role"], row["members"]) for row in bucket["iam"]["bindings"]]
    held += [(str(row.role), list(row.members)) for row in box.policies.get(f"projects/{PROJECT}").bindings]
    return any(own & set(members) and permission.startswith(GRANTS.get(role, ("\0",))) for role, members in held)
