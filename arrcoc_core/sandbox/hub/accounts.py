"""Whose a token is, and what it may do.

One user, `sandbox`, who belongs to the organisation `sandbox-org`; and `stranger`, who belongs to nothing here. A
token is known by its hash only: the one of the sandbox's owner lies in `hub.token`, others are made by tests.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from arrcoc_core.sandbox.hub.errors import HubError, forbidden
from arrcoc_core.sandbox.state import State

Role = Literal["read", "write", "fineGrained"]

USER = "sandbox"
ORGANISATION = "sandbox-org"
STRANGER = "stranger"
MEMBERS = {USER: (USER, ORGANISATION), STRANGER: (STRANGER,)}
"""User -> the namespaces that are theirs."""
WRITE = ("repo.content.read", "repo.write")
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Caller:
    """`user` is "" for somebody without a token."""

    user: str = ""
    role: Role = "read"
    scopes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Of a fine-grained token: (namespace or "namespace/name", permissions)."""

    def may_see(self, repo_id: str) -> bool:
        """Whether a private repository is there for this caller."""
        return self._belongs(repo_id) and (self.role != "fineGrained" or self._granted(repo_id, "repo.content.read"))

    def check_write(self, repo_id: str) -> None:
        """HubError 401 without a token, 403 where it may not write to that repository or namespace."""
        if not self.user:
            raise HubError(401, "Invalid username or password.")
        if not self._belongs(repo_id):
            raise forbidden(f"You don't have the rights to write to {repo_id} (user: {self.user})")
        if self.role == "read" or (self.role == "fineGrained" and not self._granted(repo_id, "repo.write")):
            raise forbidden(
                f"Forbidden: you must use a write token to write to {repo_id} (this one's role is {self.role})"
            )

    def _belongs(self, repo_id: str) -> bool:
        return repo_id.partition("/")[0] in MEMBERS.get(self.user, ())

    def _granted(self, repo_id: str, permission: str) -> bool:
        names = (repo_id, repo_id.partition("/")[0])
        return any(name in names and permission in permissions for name, permissions in self.scopes)


class Accounts:
    def __init__(self, state: State) -> None:
        self._tokens = state.table("hub.tokens")

    def keep_key(self, file: Path) -> None:
        """Make the owner's token where there is none. A file that was put there before counts."""
        if not file.exists():
            partial = file.with_suffix(".partial")
            partial.touch(mode=0o600)
            partial.write_text(_new_token() + "\n", encoding="utf-8")
            partial.replace(file)
        file.chmod(0o600)
        self._put(file.read_text(encoding="utf-8").strip(), USER, "write", (), "arrcoc sandbox")

    def new_token(
        self, role: Role = "write", *, user: str = USER, scopes: Sequence[tuple[str, Sequence[str]]] = ()
    ) -> str:
        """Another token; a fine-grained one may do what `scopes` say: (namespace or repository, permissions)."""
        token = _new_token()
        self._put(token, user, role, scopes, f"{user}'s {role} token")
        return token

    def revoke(self, token: str) -> None:
        self._tokens.delete(_hashed(token))

    def caller(self, header: str) -> Caller:
        """HubError 401 for a header that names no token of ours."""
        if not header:
            return Caller()
        held = self._held(header)
        scopes = tuple((str(name), tuple(given)) for name, given in held["scopes"])
        return Caller(held["user"], held["role"], scopes)

    def who(self, header: str) -> dict[str, Any]:
        """The answer of whoami-v2."""
        if not header:
            raise HubError(401, "Invalid username or password.")
        held = self._held(header)
        token: dict[str, Any] = {"displayName": held["name"], "role": held["role"]}
        if held["role"] == "fineGrained":
            scoped = [
                {
                    "entity": {"_id": _id(name), "type": _entity(name), "name": name},
                    "permissions": list(permissions),
                }
                for name, permissions in held["scopes"]
            ]
            token["fineGrained"] = {"global": [], "scoped": scoped, "canReadGatedRepos": True}
        user = held["user"]
        return {
            "type": "user",
            "id": _id(user),
            "name": user,
            "fullname": user.capitalize(),
            "isPro": False,
            "avatarUrl": "",
            "orgs": [
                {"type": "org", "id": _id(name), "name": name, "fullname": name, "roleInOrg": "write", "isPro": False}
                for name in MEMBERS.get(user, ())
                if name != user
            ],
            "auth": {"type": "access_token", "accessToken": token},
        }

    def _held(self, header: str) -> dict[str, Any]:
        held = self._tokens.get(_hashed(header.partition(" ")[2].strip()))
        if held is None:
            raise HubError(401, "Invalid credentials in Authorization header")
        return held

    def _put(self, token: str, user: str, role: str, scopes: Sequence[Any], name: str) -> None:
        self._tokens.put(_hashed(token), {"user": user, "role": role, "scopes": list(scopes), "name": name})


def _new_token() -> str:
    return "hf_" + "".join(secrets.choice(_LETTERS) for _ in range(34))


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:24]


def _entity(name: str) -> str:
    return "model" if "/" in name else "org" if name == ORGANISATION else "user"
