"""The two buckets: build contexts, which age out, and runs, which stay.

Both: uniform access (no access lists of single objects), no public access ever, no versioning (nothing is written
twice under one name but small status files). Staging has no soft delete: it holds copies. The runs bucket keeps
deleted objects restorable for 7 days: results are what cannot be made again, and pruned checkpoints are small.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arrcoc_core.cloud.calling import call, if_there
from arrcoc_core.errors import CloudError
from arrcoc_core.infra.repairs import foreign
from arrcoc_core.infra.resource import Say, Status, listed, stranger

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World

STAGING_DAYS = 14
RUNS_SOFT_DELETE_DAYS = 7
_DAY_S = 86_400
_AT_ONCE = 8
_DELETE_PAGE = 1000


@dataclass(frozen=True)
class Bucket:
    key: str
    title: str
    name: str
    age_days: int = 0
    """Objects older than this are deleted; 0: never."""
    soft_delete_days: int = 0
    needs: tuple[str, ...] = ("apis",)

    def where(self, world: World) -> str:
        return f"gs://{self.name}"

    def page(self, world: World) -> str:
        return f"storage/browser/{self.name}"

    def check(self, world: World) -> Status:
        found, problem = self._look(world)
        if problem is not None:
            return problem
        if found is None:
            return Status("missing")
        wrong = self._differences(found)
        if wrong:
            return Status("different", ", ".join(wrong))
        elsewhere = str(found.location).lower()
        return Status("ok", f"in {elsewhere}" if elsewhere != world.names.region else "")

    def ensure(self, world: World, say: Say) -> Status:
        client = world.cloud.storage()
        bucket, problem = self._look(world)
        if problem is not None:
            return problem
        if bucket is None:
            bucket = client.bucket(self.name)
            bucket.labels = world.names.labels
            bucket.storage_class = "STANDARD"
            self._set(bucket)
            try:
                call(client.create_bucket, bucket, location=world.names.region, project=world.names.project)
            except CloudError as error:
                # A conflict may also be our own first try, whose answer was lost: what is there now decides.
                if error.scope not in ("conflict", "permission"):
                    raise
                found, problem = self._look(world)
                if problem is not None:
                    return problem
                if found is None:
                    raise
        elif self._differences(bucket):
            self._set(bucket)
            call(bucket.patch)
        return self.check(world)

    def destroy(self, world: World, say: Say) -> Status:
        bucket, problem = self._look(world)
        if problem is not None or bucket is None:
            return problem or Status("missing")
        self._empty(world, bucket, say)
        if_there(bucket.delete)
        days = self.soft_delete_days
        return Status("missing", f"its objects can be restored, and are paid for, for {days} days" if days else "")

    def size_bytes(self, world: World) -> int:
        """Bytes of all its objects, old versions included."""
        blobs = listed(world.cloud.storage().list_blobs, self.name, versions=True, fields="items(size),nextPageToken")
        return sum(int(blob.size or 0) for blob in blobs)

    def _look(self, world: World) -> tuple[Any, Status | None]:
        """The bucket if it is ours, None if there is none; else what is wrong with it."""
        try:
            found = if_there(world.cloud.storage().get_bucket, self.name)
        except CloudError as error:
            if error.scope != "permission":
                raise
            # Storage says "forbidden" for a bucket of somebody else's project.
            return None, Status(
                "foreign", "in another project", foreign(self.where(world), "this account may not even look at it")
            )
        if found is None:
            return None, None
        why = stranger(found.labels, world)
        if why:
            return None, Status("foreign", why, foreign(self.where(world), why))
        return found, None

    def _differences(self, bucket: Any) -> list[str]:
        wrong: list[str] = []
        access = bucket.iam_configuration
        if not access.uniform_bucket_level_access_enabled:
            wrong.append("access is not uniform")
        if access.public_access_prevention != "enforced":
            wrong.append("public access is not ruled out")
        if bucket.versioning_enabled:
            wrong.append("versioning is on")
        if self.age_days and self.age_days not in _deletion_ages(bucket):
            wrong.append(f"nothing deletes objects after {self.age_days} days")
        kept = bucket.soft_delete_policy.retention_duration_seconds
        if kept is not None and int(kept) != self.soft_delete_days * _DAY_S:
            wrong.append(f"deleted objects stay for {int(kept) // _DAY_S} days")
        return wrong

    def _set(self, bucket: Any) -> None:
        bucket.iam_configuration.uniform_bucket_level_access_enabled = True
        bucket.iam_configuration.public_access_prevention = "enforced"
        bucket.versioning_enabled = False
        bucket.soft_delete_policy.retention_duration_seconds = self.soft_delete_days * _DAY_S
        if self.age_days and self.age_days not in _deletion_ages(bucket):
            bucket.add_lifecycle_delete_rule(age=self.age_days)

    def _empty(self, world: World, bucket: Any, say: Say) -> None:
        """Delete every object, a few at a time in parallel; what is gone already is fine."""
        done, lock = [0], threading.Lock()

        def delete(blob: Any) -> None:
            if_there(blob.delete)
            with lock:
                done[0] += 1
                if done[0] % 100 == 0:
                    say(f"{done[0]:,} objects removed")

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while True:
                blobs = listed(world.cloud.storage().list_blobs, self.name, versions=True, max_results=_DELETE_PAGE)
                if not blobs:
                    return
                for deleted in [pool.submit(delete, blob) for blob in blobs]:
                    deleted.result()


def staging_bucket(world: World) -> Bucket:
    return Bucket("staging-bucket", "Bucket for builds", world.names.staging_bucket, age_days=STAGING_DAYS)


def runs_bucket(world: World) -> Bucket:
    return Bucket("runs-bucket", "Bucket for runs", world.names.runs_bucket, soft_delete_days=RUNS_SOFT_DELETE_DAYS)


def own_buckets(world: World) -> list[Bucket]:
    """Every bucket of the project with our label; one with another name than ours counts as holding runs."""
    known = {one.name: one for one in (staging_bucket(world), runs_bucket(world))}
    found = listed(world.cloud.storage().list_buckets, project=world.names.project)
    ours = [bucket for bucket in found if not stranger(bucket.labels, world)]
    return [
        known.get(bucket.name) or Bucket(f"bucket-{bucket.name}", "Another bucket", str(bucket.name)) for bucket in ours
    ]


def _deletion_ages(bucket: Any) -> set[int]:
    rules = [dict(rule) for rule in bucket.lifecycle_rules]
    return {
        int(rule["condition"]["age"])
        for rule in rules
        if rule.get("action", {}).get("type") == "Delete" and set(rule.get("condition", {})) == {"age"}
    }
