"""Who may do what with buckets and objects: Google's predefined roles, as far as training and builds use them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_READ_OBJECTS = {"storage.objects.get", "storage.objects.list"}
_WRITE_OBJECTS = {
    "storage.objects.insert",
    "storage.objects.delete",
    "storage.objects.patch",
    "storage.objects.update",
    "storage.objects.compose",
    "storage.objects.copy",
    "storage.objects.rewrite",
    "storage.objects.move",
}
_READ_BUCKET = {"storage.buckets.get", "storage.buckets.getIamPolicy"}

# What the routes are called, rather than Google's permissions: "insert" is storage.objects.create there.
ROLES: dict[str, set[str]] = {
    "roles/storage.objectViewer": _READ_OBJECTS,
    "roles/storage.objectCreator": {"storage.objects.insert"},
    "roles/storage.objectUser": _READ_OBJECTS | _WRITE_OBJECTS,
    "roles/storage.objectAdmin": _READ_OBJECTS | _WRITE_OBJECTS,
    "roles/storage.legacyBucketReader": {"storage.objects.list", "storage.buckets.get"},
    "roles/storage.legacyBucketWriter": {"storage.objects.list", "storage.buckets.get"} | _WRITE_OBJECTS,
    "roles/storage.legacyObjectReader": {"storage.objects.get"},
    "roles/storage.bucketViewer": _READ_BUCKET | {"storage.buckets.list"},
    "roles/viewer": {"storage.buckets.list"},
}
_EVERYTHING = ("roles/owner", "roles/editor", "roles/storage.admin", "roles/storage.legacyBucketOwner")


def permitted(bindings: Iterable[tuple[str, Sequence[str]]], caller: str, permission: str) -> bool:
    """Whether one of these (role, members) gives the account that permission."""
    own = (
        {f"serviceAccount:{caller}", f"user:{caller}", "allUsers", "allAuthenticatedUsers"} if caller else {"allUsers"}
    )
    for role, members in bindings:
        if own & set(members) and (role in _EVERYTHING or permission in ROLES.get(role, ())):
            return True
    return False
