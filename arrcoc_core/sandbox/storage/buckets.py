"""Buckets: their names are shared by everybody, their policies carry an etag, and only empty ones can be deleted."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, cast

from arrcoc_core.sandbox.storage.conditions import conditions_of, number
from arrcoc_core.sandbox.storage.index import Index
from arrcoc_core.sandbox.storage.messages import Reply, Request, StorageError, invalid, json_reply, precondition_failed
from arrcoc_core.sandbox.storage.world import World, written

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_PLACES = {"US", "EU", "ASIA"}
_LONGEST_LABEL = 63
_FIXED = ("id", "name", "projectNumber", "location", "timeCreated", "kind", "metageneration", "generation", "etag")


class Buckets:
    def __init__(self, index: Index, world: World) -> None:
        self._index = index
        self._world = world

    def insert(self, request: Request) -> Reply:
        project = request.one("project")
        if not project:
            raise StorageError(400, "required", "Required parameter: project")
        wanted = request.json()
        name = str(wanted.get("name", ""))
        if not 3 <= len(name) <= 222 or not _NAME.fullmatch(name) or max(map(len, name.split("."))) > 63:
            raise invalid(f"Invalid bucket name: '{name}'")
        if name.startswith("goog") or "google" in name:
            raise invalid(f"Invalid bucket name: '{name}'")
        _check_labels(wanted.get("labels"))
        _check_lifecycle(wanted.get("lifecycle"))
        owner = self._world.project_number(project)
        if owner is None:
            raise StorageError(404, "notFound", f"The requested project was not found: {project}")
        location = str(wanted.get("location") or "US").upper()
        with self._index.lock:
            held = self._index.bucket(name)
            if self._world.somebody_elses(name) or (held and held["projectNumber"] != owner):
                raise StorageError(
                    409,
                    "conflict",
                    "The requested bucket name is not available. The bucket namespace is shared by all users of the "
                    "system. Please select a different name and try again.",
                )
            if held:
                raise StorageError(
                    409,
                    "conflict",
                    "Your previous request to create the named bucket succeeded and you already own it.",
                )
            now = written(self._world.now())
            bucket: dict[str, Any] = {
                **{key: value for key, value in wanted.items() if key not in _FIXED and value is not None},
                "kind": "storage#bucket",
                "id": name,
                "name": name,
                "projectNumber": owner,
                "generation": str(self._index.next_generation()),
                "metageneration": "1",
                "location": location,
                "locationType": "multi-region" if location in _PLACES else "region",
                "storageClass": wanted.get("storageClass") or "STANDARD",
                "timeCreated": now,
                "updated": now,
                "project": project,
            }
            _fill_access(bucket)
            bucket["iam"] = {"version": 1, "bindings": _first_bindings(project), "stamp": 1}
            self._index.put_bucket(name, bucket)
        return json_reply(self._shown(bucket, request))

    def get(self, request: Request, name: str) -> Reply:
        bucket = self.held(name)
        conditions_of(request).check(_only_meta(bucket), reading=True)
        return json_reply(self._shown(bucket, request))

    def list(self, request: Request) -> Reply:
        project = request.one("project")
        if not project:
            raise StorageError(400, "required", "Required parameter: project")
        owner = self._world.project_number(project)
        if owner is None:
            raise StorageError(404, "notFound", f"The requested project was not found: {project}")
        prefix, after = request.one("prefix") or "", read_token(request.one("pageToken"))
        limit = min(number(request, "maxResults") or 1000, 1000)
        found = [
            bucket
            for bucket in self._index.buckets()
            if bucket["projectNumber"] == owner
            and bucket["name"].startswith(prefix)
            and (after is None or bucket["name"] > after)
        ]
        answer: dict[str, Any] = {"kind": "storage#buckets"}
        if found:
            answer["items"] = [self._shown(bucket, request) for bucket in found[:limit]]
        if len(found) > limit:
            answer["nextPageToken"] = page_token(found[limit - 1]["name"])
        return json_reply(answer)

    def patch(self, request: Request, name: str, *, whole: bool = False) -> Reply:
        wanted = request.json()
        _check_labels(wanted.get("labels"))
        _check_lifecycle(wanted.get("lifecycle"))
        with self._index.lock:
            bucket = self.held(name)
            conditions_of(request).check(_only_meta(bucket))
            if whole:
                kept = (*_FIXED, "locationType", "storageClass", "project", "iam", "iamConfiguration", "updated")
                bucket = {key: value for key, value in bucket.items() if key in kept}
            merge(bucket, {key: value for key, value in wanted.items() if key not in _FIXED})
            _fill_access(bucket)
            bucket["metageneration"] = str(int(bucket["metageneration"]) + 1)
            bucket["updated"] = written(self._world.now())
            self._index.put_bucket(name, bucket)
        return json_reply(self._shown(bucket, request))

    def delete(self, request: Request, name: str) -> Reply:
        with self._index.lock:
            bucket = self.held(name)
            conditions_of(request).check(_only_meta(bucket))
            if not self._index.is_empty(name):
                raise StorageError(409, "conflict", "The bucket you tried to delete is not empty.")
            self._index.drop_bucket(name)
        return Reply(204)

    def get_policy(self, request: Request, name: str) -> Reply:
        return json_reply(_policy(self.held(name)))

    def set_policy(self, request: Request, name: str) -> Reply:
        wanted = request.json()
        bindings: list[dict[str, Any]] = wanted.get("bindings") or []
        for binding in bindings:
            if not binding.get("role"):
                raise StorageError(400, "required", "Required: role")
            for member in binding.get("members", []):
                if ":" not in member and member not in ("allUsers", "allAuthenticatedUsers"):
                    raise invalid(f"Invalid argument: unknown member {member}")
                if member.startswith("serviceAccount:") and not self._world.account_exists(member.partition(":")[2]):
                    raise invalid(f"Service account {member.partition(':')[2]} does not exist.")
        with self._index.lock:
            bucket = self.held(name)
            if wanted.get("etag") and wanted["etag"] != _policy(bucket)["etag"]:
                raise precondition_failed()
            bucket["iam"] = {
                "version": wanted.get("version", 1),
                "bindings": [binding for binding in bindings if binding.get("members")],
                "stamp": bucket["iam"]["stamp"] + 1,
            }
            self._index.put_bucket(name, bucket)
        return json_reply(_policy(bucket))

    def held(self, name: str) -> dict[str, Any]:
        """StorageError when there is none, or it is somebody else's."""
        bucket = self._index.bucket(name)
        if self._world.somebody_elses(name):
            raise StorageError(
                403,
                "forbidden",
                "The caller does not have storage.buckets.get access to the Google Cloud Storage bucket. "
                "Permission 'storage.buckets.get' denied on resource (or it may not exist).",
            )
        if bucket is None:
            raise StorageError(404, "notFound", "The specified bucket does not exist.")
        return bucket

    def _shown(self, bucket: Mapping[str, Any], request: Request) -> dict[str, Any]:
        hidden = {"iam", "project"}
        shown = {key: value for key, value in bucket.items() if key not in hidden}
        shown["selfLink"] = f"{request.base}/storage/v1/b/{bucket['name']}"
        shown["etag"] = etag(bucket["metageneration"])
        return shown


def _only_meta(bucket: Mapping[str, Any]) -> dict[str, Any]:
    return {"metageneration": bucket["metageneration"]}


def _policy(bucket: Mapping[str, Any]) -> dict[str, Any]:
    held = bucket["iam"]
    return {
        "kind": "storage#policy",
        "resourceId": f"projects/_/buckets/{bucket['name']}",
        "version": held["version"],
        "etag": etag(f"policy {held['stamp']}"),
        "bindings": held["bindings"],
    }


def _first_bindings(project: str) -> list[dict[str, Any]]:
    owners = [f"projectEditor:{project}", f"projectOwner:{project}"]
    return [
        {"role": "roles/storage.legacyBucketOwner", "members": owners},
        {"role": "roles/storage.legacyBucketReader", "members": [f"projectViewer:{project}"]},
    ]


def _fill_access(bucket: dict[str, Any]) -> None:
    access = bucket.setdefault("iamConfiguration", {})
    uniform = access.get("uniformBucketLevelAccess") or access.get("bucketPolicyOnly") or {"enabled": False}
    access["uniformBucketLevelAccess"] = access["bucketPolicyOnly"] = uniform
    access.setdefault("publicAccessPrevention", "inherited")


def _check_labels(labels: Any) -> None:
    if labels is None:
        return
    for key, value in cast("dict[str, str | None]", labels).items():
        good_key = re.fullmatch(rf"[a-z][a-z0-9_-]{{0,{_LONGEST_LABEL - 1}}}", key)
        if not good_key or (value is not None and not re.fullmatch(rf"[a-z0-9_-]{{0,{_LONGEST_LABEL}}}", value)):
            raise invalid(f"Invalid argument: label {key}={value}")


def _check_lifecycle(lifecycle: Any) -> None:
    held: dict[str, list[dict[str, Any]]] = lifecycle or {}
    for rule in held.get("rule") or []:
        wanted: dict[str, str] = rule.get("action") or {}
        action = wanted.get("type")
        if action not in ("Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"):
            raise invalid(f"Invalid lifecycle action: {action}")
        if not rule.get("condition"):
            raise invalid("A lifecycle rule must have at least one condition.")


def merge(held: dict[str, Any], wanted: Mapping[str, Any]) -> None:
    """A patch: None removes, an object is merged, anything else replaces."""
    for key, value in wanted.items():
        if value is None:
            held.pop(key, None)
        elif isinstance(value, dict) and isinstance(held.get(key), dict):
            merge(held[key], cast("dict[str, Any]", value))
        else:
            held[key] = value


def etag(of: str) -> str:
    return base64.b64encode(of.encode()).decode()


def page_token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def read_token(token: str | None) -> str | None:
    if not token:
        return None
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise invalid("Invalid argument: pageToken") from None
