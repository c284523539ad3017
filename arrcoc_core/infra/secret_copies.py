"""The keys that jobs need, in Secret Manager: copied from this machine only when the user has said so.

A secret remembers a fingerprint of the key that was copied, so that another key on this machine shows without the
value being read back. The training account may read the secret; that binding is made here.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arrcoc_core.accounts.keys import LOGINS, TITLES, LocalKey
from arrcoc_core.cloud.calling import TRANSIENT, call, if_there
from arrcoc_core.cloud.names import SECRET_KEYS
from arrcoc_core.errors import CloudError
from arrcoc_core.infra.events import Fix, Problem
from arrcoc_core.infra.policies import add, edit, has, secret_policy
from arrcoc_core.infra.repairs import foreign
from arrcoc_core.infra.resource import Say, Status, listed, stranger

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World

ACCESSOR = "roles/secretmanager.secretAccessor"
FINGERPRINT = "arrcoc-fingerprint"
"""Annotation of a secret: which key was copied last."""
_PAUSES_S = (0.2, 1.0, 3.0)


@dataclass(frozen=True)
class Secret:
    key: str
    title: str
    name: str
    variable: str
    needs: tuple[str, ...] = ("apis", "training-account")

    def where(self, world: World) -> str:
        return self.name.rpartition("/")[2]

    def page(self, world: World) -> str:
        return f"security/secret-manager/secret/{self.where(world)}/versions"

    def check(self, world: World) -> Status:
        found, problem = self._look(world)
        if problem is not None:
            return problem
        local = world.keys.get(self.variable)
        if found is None:
            return self._absent(world, local)
        if not self._versions(world):
            return Status("missing", "it holds no key") if self._may_copy(world) else self._absent(world, local)
        member = f"serviceAccount:{world.names.training_account}"
        if not has(secret_policy(world, self.name).read(), ACCESSOR, member):
            return Status("different", "jobs may not read it")
        if local is not None and dict(found.annotations).get(FINGERPRINT) != local.fingerprint:
            if self._may_copy(world):
                return Status("different", "the key on this machine is another one")
            return Status("ok", "the key on this machine is another one; --copy-keys copies it")
        return Status("ok")

    def ensure(self, world: World, say: Say) -> Status:
        found, problem = self._look(world)
        if problem is not None:
            return problem
        local = world.keys.get(self.variable)
        if local is not None and self._may_copy(world):
            problem = self._copy(world, found, local, say)
            if problem is not None:
                return problem
        elif found is None:
            return self._absent(world, local)
        member = f"serviceAccount:{world.names.training_account}"
        edit(secret_policy(world, self.name), lambda policy: add(policy, ACCESSOR, member))
        return self.check(world)

    def destroy(self, world: World, say: Say) -> Status:
        found, problem = self._look(world)
        if problem is not None or found is None:
            return problem or Status("missing")
        if_there(world.cloud.secrets().delete_secret, request={"name": self.name})
        return Status("missing", "the key on this machine stays")

    def _copy(self, world: World, found: Any, local: LocalKey, say: Say) -> Status | None:
        """Create the secret where there is none, and give it the key where it holds another."""
        client = world.cloud.secrets()
        marked = {FINGERPRINT: local.fingerprint}
        if found is None:
            made: dict[str, Any] = {
                "replication": {"automatic": {}},
                "labels": world.names.labels,
                "annotations": marked,
            }
            parent, _, name = self.name.rpartition("/secrets/")
            try:
                call(client.create_secret, request={"parent": parent, "secret_id": name, "secret": made})
            except CloudError as error:
                if error.scope != "conflict":  # there already: a first try whose answer was lost, or foreign
                    raise
                found, problem = self._look(world)
                if problem is not None:
                    return problem
        known = found is None or dict(found.annotations).get(FINGERPRINT) == local.fingerprint
        if not known or not self._versions(world):
            say(f"copying the key from {local.where}")
            self._add_version(world, local)
        if found is not None and not known:
            # Only now: a kill in between makes the next setup copy it again, never leave the old one unnoticed.
            secret = {"name": self.name, "annotations": {**dict(found.annotations), **marked}}
            call(client.update_secret, request={"secret": secret, "update_mask": {"paths": ["annotations"]}})
        return None

    def _add_version(self, world: World, local: LocalKey) -> None:
        """One more version, and no second one where the answer is lost: then the list tells whether it is there."""
        import google_crc32c

        checksums: Any = google_crc32c  # untyped
        data = local.value.encode()
        request: dict[str, Any] = {"parent": self.name, "payload": {"data": data, "data_crc32c": checksums.value(data)}}
        before = len(self._versions(world))
        for pause in (*_PAUSES_S, None):
            try:
                call(world.cloud.secrets().add_secret_version, request=request, again=False)
                return
            except CloudError as error:
                if error.scope not in TRANSIENT or pause is None:
                    raise
                if len(self._versions(world)) > before:
                    return
                time.sleep(pause)

    def _may_copy(self, world: World) -> bool:
        return self.variable in world.copy and self.variable in world.keys

    def _absent(self, world: World, local: LocalKey | None) -> Status:
        if self._may_copy(world):
            return Status("missing", f"will be copied from {local.where if local else ''}")
        title = TITLES[self.variable]
        if local is not None:
            problem = Problem(
                f"The {title} is on this machine and not in Secret Manager.",
                "Keys are copied only when you say so.",
                (Fix("Copy it:", "arrcoc setup --copy-keys"),),
            )
            return Status("note", f"not copied; found in {local.where}", problem)
        problem = Problem(
            f"There is no {title} on this machine.",
            f"A job runs without it; {_LACK[self.variable]}.",
            (Fix("Log in:", LOGINS[self.variable]), Fix("Then copy it:", "arrcoc setup --copy-keys")),
        )
        return Status("note", "no key on this machine", problem)

    def _look(self, world: World) -> tuple[Any, Status | None]:
        found = if_there(world.cloud.secrets().get_secret, request={"name": self.name})
        if found is None:
            return None, None
        why = stranger(found.labels, world)
        if why:
            return None, Status("foreign", why, foreign(f"Secret {self.where(world)}", why))
        return found, None

    def _versions(self, world: World) -> list[Any]:
        """Its enabled versions."""
        request = {"parent": self.name, "filter": "state:ENABLED"}
        found = listed(world.cloud.secrets().list_secret_versions, request=request)
        return [version for version in found if version.state.name == "ENABLED"]


_LACK = {
    "WANDB_API_KEY": "its metrics come back through the runs bucket instead of W&B",
    "HF_TOKEN": "only public models and data sets can be loaded, and nothing is uploaded",
}


def secrets(world: World) -> tuple[Secret, ...]:
    return tuple(
        Secret(f"secret-{name}", TITLES[variable], world.names.secret(variable), variable)
        for variable, name in SECRET_KEYS.items()
    )


def own_secrets(world: World) -> list[Secret]:
    """Every secret of the project with our label; a project has few, and what is ours is decided here."""
    known = {one.where(world): one for one in secrets(world)}
    request = {"parent": world.project_path}
    ours: list[Secret] = []
    for one in listed(world.cloud.secrets().list_secrets, request=request):
        if stranger(one.labels, world):
            continue
        name = str(one.name).rpartition("/")[2]
        ours.append(known.get(name) or Secret(f"secret-{name}", "Another secret", str(one.name), ""))
    return ours
