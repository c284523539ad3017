"""Who may do what: policies of a project, a bucket, a repository, a secret or a service account, edited alike.

A policy is read whole, changed and written whole with the etag it was read with. Somebody else may write in between:
the write is then refused, and the whole is done again. Version 3 is read and written, so that conditional bindings of
others stay as they are; ours have no condition.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arrcoc_core.cloud.calling import call
from arrcoc_core.errors import CloudError

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World

VERSION = 3
_TRIES = 12
_NOT_YET_S = 60.0
"""A new service account is known to policies only after a while."""


@dataclass(frozen=True)
class Holder:
    """Something that has a policy. `read` and `write` speak google.iam.v1.Policy."""

    what: str
    read: Callable[[], Any]
    write: Callable[[Any], None]


def has(policy: Any, role: str, member: str) -> bool:
    return any(member in binding.members for binding in _plain(policy) if binding.role == role)


def add(policy: Any, role: str, member: str) -> bool:
    """Whether that changed it."""
    if has(policy, role, member):
        return False
    for binding in _plain(policy):
        if binding.role == role:
            binding.members.append(member)
            return True
    policy.bindings.add(role=role, members=[member])
    return True


def remove(policy: Any, role: str, member: str) -> bool:
    """Whether that changed it. An account that was deleted before counts as well; a binding without members goes."""
    changed = False
    for binding in _plain(policy):
        if binding.role != role:
            continue
        for held in [one for one in binding.members if one == member or one.startswith(f"deleted:{member}?uid=")]:
            binding.members.remove(held)
            changed = True
    for index in reversed(range(len(policy.bindings))):
        if not policy.bindings[index].members:
            del policy.bindings[index]
    return changed


def edit(holder: Holder, change: Callable[[Any], bool]) -> bool:
    """Change a policy; False where nothing had to be. CloudError (conflict) when others never stop writing."""
    deadline = time.monotonic() + _NOT_YET_S
    tries = 0
    while True:
        try:
            policy = holder.read()
            if not change(policy):
                return False
            policy.version = VERSION
            holder.write(policy)
            return True
        except CloudError as error:
            tries += 1
            if error.scope == "conflict" and tries < _TRIES:
                time.sleep(random.uniform(0.02, 0.1) * tries)
            elif _is_too_new(error) and time.monotonic() < deadline:
                time.sleep(2.0)
            else:
                raise


def _is_too_new(error: CloudError) -> bool:
    """An account that was made a moment ago is not known everywhere yet."""
    return error.scope == "not-found" or (error.scope == "invalid" and "does not exist" in error.message)


def project_policy(world: World) -> Holder:
    return _holder(f"project {world.names.project}", world.cloud.projects, world.project_path)


def repository_policy(world: World) -> Holder:
    return _holder(f"repository {world.names.owner}", world.cloud.registry, world.names.repository)


def secret_policy(world: World, name: str) -> Holder:
    return _holder(name, world.cloud.secrets, name)


def account_policy(world: World, email: str) -> Holder:
    return _holder(email, world.cloud.accounts, account_path(world, email))


def bucket_policy(world: World, bucket: str) -> Holder:
    """Storage has a policy class of its own; it says the same."""

    def read() -> Any:
        from google.iam.v1.policy_pb2 import Policy
        from google.protobuf.json_format import ParseDict

        handle = world.cloud.storage().bucket(bucket)
        found = call(handle.get_iam_policy, requested_policy_version=VERSION)
        shown = found.to_api_repr()
        kept = {key: shown[key] for key in ("version", "etag", "bindings") if key in shown}
        return ParseDict(kept, Policy())

    def write(policy: Any) -> None:
        from google.api_core import iam
        from google.protobuf.json_format import MessageToDict

        library: Any = iam  # untyped
        made = library.Policy.from_api_repr(MessageToDict(policy))
        call(world.cloud.storage().bucket(bucket).set_iam_policy, made)

    return Holder(f"gs://{bucket}", read, write)


def account_path(world: World, email: str) -> str:
    return f"{world.project_path}/serviceAccounts/{email}"


def _holder(what: str, client: Callable[[], Any], resource: str) -> Holder:
    def read() -> Any:
        request = {"resource": resource, "options": {"requested_policy_version": VERSION}}
        return call(client().get_iam_policy, request=request)

    def write(policy: Any) -> None:
        call(client().set_iam_policy, request={"resource": resource, "policy": policy})

    return Holder(what, read, write)


def _plain(policy: Any) -> list[Any]:
    """The bindings without a condition."""
    return [binding for binding in policy.bindings if not binding.HasField("condition")]
