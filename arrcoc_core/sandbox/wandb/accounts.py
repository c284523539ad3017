"""Who there is at the sandbox's W&B: one user with a key, a team of theirs, and one that is not.

The key is made at the first start and kept in `wandb.key` beside the other files of the sandbox (mode 600);
`endpoints.json` names the file. A request without a key is the public's: it sees nothing. A wrong one is refused.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.faults import PermissionDenied
from arrcoc_core.sandbox.wandb.graphql import WandbError, permission_denied

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

USER = "sandbox"
TEAM = "sandbox-team"
OTHERS = "others"
EMAIL = "sandbox@example.com"
KEY_FILE = "wandb.key"
KEY_LENGTH = 40
ENTITIES = (USER, TEAM, OTHERS)


class Accounts:
    def __init__(self, box: Box) -> None:
        self._box = box
        self.key_file = box.folder / KEY_FILE
        self._key = _kept_key(self.key_file)

    def caller(self, authorization: str) -> str:
        """The user of a request, "" for the public. WandbError (401) for a key that is not one."""
        key = _key_in(authorization)
        if key and not hmac.compare_digest(key.encode(), self._key.encode()):
            raise not_logged_in()
        return USER if key else ""

    def may_read(self, caller: str, entity: str) -> bool:
        return bool(caller) and entity in (USER, TEAM) and not self._closed(entity)

    def check_writable(self, caller: str, entity: str, what: str) -> None:
        """WandbError for an entity that is not there (404), or in which the caller may not write (403)."""
        if not caller:
            raise not_logged_in()
        if entity not in ENTITIES:
            raise WandbError(404, f"entity {entity} not found during {what}")
        if not self.may_read(caller, entity):
            raise permission_denied()

    def _closed(self, entity: str) -> bool:
        return self._box.faults.peek(PermissionDenied, lambda fault: fault.entity == entity) is not None


def user() -> dict[str, Any]:
    """The one user there is, as the schema's `User`."""
    return {
        "id": "VXNlcjox",
        "name": "Sandbox",
        "username": USER,
        "email": EMAIL,
        "admin": False,
        "flags": "{}",
        "entity": USER,
        "deletedAt": None,
        "apiKeys": {"edges": []},
        "teams": {"edges": [{"node": entity(name)} for name in (USER, TEAM)]},
    }


def entity(name: str) -> dict[str, Any]:
    """A user's or team's entity, as the schema's `Entity`, without its projects."""
    team = name != USER
    return {
        "id": base64.b64encode(f"Entity:{name}".encode()).decode(),
        "name": name,
        "available": False,
        "photoUrl": None,
        "readOnly": False,
        "readOnlyAdmin": False,
        "isTeam": team,
        "entityType": "team" if team else "user",
        "privateOnly": False,
        "storageBytes": 0,
        "codeSavingEnabled": False,
        "defaultAccess": "PRIVATE",
        "isPaid": False,
        "xxhashDigestsEnabled": False,
        "members": [_member()],
        "organization": None,
    }


def not_logged_in() -> WandbError:
    return WandbError(401, "user is not logged in", "UNAUTHENTICATED")


def _key_in(authorization: str) -> str:
    """The key that a header holds: as the password of anybody (Basic), or by itself (Bearer)."""
    kind, _, held = authorization.partition(" ")
    if kind.lower() != "basic":
        return held.strip()
    try:
        return base64.b64decode(held).decode().partition(":")[2]
    except ValueError:
        return "none"


def _member() -> dict[str, Any]:
    return {
        "id": "VXNlcjox",
        "username": USER,
        "email": EMAIL,
        "name": "Sandbox",
        "admin": False,
        "pending": False,
        "accountType": "MEMBER",
    }


def _kept_key(path: Path) -> str:
    try:
        held = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        held = ""
    if len(held) == KEY_LENGTH:
        return held
    key = secrets.token_hex(KEY_LENGTH // 2)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(key + "\n", encoding="utf-8")
    return key
