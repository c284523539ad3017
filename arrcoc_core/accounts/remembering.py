"""Whose a W&B key is, remembered in the state folder so that a plan can say it without asking anybody.

In `<state>/cache/accounts.json`: {"<server> <fingerprint of the key>": {"user", "entity", "teams", "at"}}, and no key.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.accounts.keys import LocalKey
from arrcoc_core.settings import state_dir

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings

FRESH_S = 300.0
_KEPT = 32
"""Keys remembered; the oldest are forgotten."""
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class WandbAccount:
    user: str
    entity: str
    """Where its runs go that name no entity."""
    teams: tuple[str, ...]
    url: str
    """Of the server, without a slash at its end."""

    def may_write(self, entity: str) -> bool:
        """Whether it may log to that entity ("": its own). A team may still have taken that right from a member."""
        return entity in ("", self.user, self.entity, *self.teams)


def remembered(settings: Settings, url: str, key: LocalKey) -> WandbAccount | None:
    """Whose the key was when that was asked last; None: not asked yet."""
    held = _read(settings).get(f"{url} {key.fingerprint}")
    try:
        return None if held is None else WandbAccount(held["user"], held["entity"], tuple(held["teams"]), url)
    except (KeyError, TypeError):  # not as it is written now
        return None


def recently(settings: Settings) -> WandbAccount | None:
    """Whose this machine's key is, where that was found out within the last FRESH_S seconds."""
    from arrcoc_core.accounts.addresses import wandb_url
    from arrcoc_core.accounts.keys import find_keys

    url, key = wandb_url(settings), find_keys(settings).get("WANDB_API_KEY")
    if key is None:
        return None
    held: dict[str, Any] = _read(settings).get(f"{url} {key.fingerprint}", {})
    fresh = 0 <= time.time() - float(held.get("at", 0)) < FRESH_S
    return remembered(settings, url, key) if fresh else None


def remember(settings: Settings, key: LocalKey, account: WandbAccount) -> None:
    """Keep it, where there is a project with a state folder to keep it in."""
    known = {"user": account.user, "entity": account.entity, "teams": list(account.teams), "at": time.time()}
    _change(settings, f"{account.url} {key.fingerprint}", known)


def forget(settings: Settings, url: str, key: LocalKey) -> None:
    """A key that the server does not take any more."""
    _change(settings, f"{url} {key.fingerprint}", None)


def _change(settings: Settings, name: str, value: dict[str, Any] | None) -> None:
    if settings.root is None:
        return
    path = _path(settings.root)
    with _lock:  # rows of setup find it out in parallel
        known = _read(settings)
        if known.pop(name, None) is None and value is None:
            return
        if value is not None:
            known[name] = value
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        partial.write_text(json.dumps(dict(list(known.items())[-_KEPT:]), indent=1), encoding="utf-8")
        os.replace(partial, path)


def _read(settings: Settings) -> dict[str, Any]:
    if settings.root is None:
        return {}
    try:
        found = json.loads(_path(settings.root).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # nothing is remembered yet, or not legibly
        return {}
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _path(root: Path) -> Path:
    return state_dir(root) / "cache" / "accounts.json"
