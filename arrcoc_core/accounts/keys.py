"""The W&B key and the Hub token of this machine, where W&B and the Hub themselves keep them.

A W&B key is looked for in WANDB_API_KEY, then in netrc (what `wandb login` writes), then in the system's keyring where
the package `keyring` is installed: `keyring set wandb api.wandb.ai` stores one for the server of that name. The Hub's
token is where `hf auth login` keeps it. Endpoints that serve W&B or the Hub themselves bring their own key for it.

Values never leave this object but for Secret Manager and the environment of a trainer that is started: they are not in
its representation, and what is compared or remembered is a fingerprint.
"""

from __future__ import annotations

import hashlib
import netrc
import os
import threading
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from arrcoc_core.accounts.addresses import wandb_url
from arrcoc_core.cloud.endpoints import Endpoints, load_endpoints

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings

TITLES = {"WANDB_API_KEY": "W&B API key", "HF_TOKEN": "Hugging Face token"}
LOGINS = {"WANDB_API_KEY": "wandb login", "HF_TOKEN": "hf auth login"}
KEYRING_SERVICE = "wandb"
"""Service under which a W&B key is kept in the system's keyring; the user name is the server's host."""
ENVIRONMENT = "in the environment"
_KEYRING_S = 3.0
"""How long a keyring may take: one that is locked asks a person, who may not be there."""


@dataclass(frozen=True, slots=True)
class LocalKey:
    variable: str
    where: str
    """Where it was found, for people."""
    value: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """12 hex digits that tell two keys apart and say nothing about them."""
        return hashlib.sha256(f"{self.variable}\0{self.value}".encode()).hexdigest()[:12]


def find_keys(settings: Settings) -> dict[str, LocalKey]:
    """Variable -> key, of those that this machine has for the servers of `settings`."""
    endpoints, url = load_endpoints(str(settings.get("CLOUD_ENDPOINTS"))), wandb_url(settings)
    found = (find_key(variable, url, endpoints) for variable in TITLES)
    return {key.variable: key for key in found if key is not None}


def find_key(variable: str, url: str, endpoints: Endpoints) -> LocalKey | None:
    """The key behind one variable of TITLES; `url` is the W&B server's.

    Endpoints that serve W&B or the Hub themselves bring their own key for it: a person's own goes to no sandbox.
    """
    if variable == "HF_TOKEN":
        return _file_key(endpoints, variable) if "huggingface" in endpoints.services else _hub_token()
    return _file_key(endpoints, variable) if "wandb" in endpoints.services else _wandb_key(url)


def _file_key(endpoints: Endpoints, variable: str) -> LocalKey | None:
    path = Path(endpoints.keys.get(variable, ""))
    value = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    return LocalKey(variable, _short(path), value) if value else None


def _wandb_key(url: str) -> LocalKey | None:
    held = os.environ.get("WANDB_API_KEY", "").strip()
    if held:
        return LocalKey("WANDB_API_KEY", f"WANDB_API_KEY {ENVIRONMENT}", held)
    host = urlsplit(url)
    for path in _netrc_files():
        try:
            entries = netrc.netrc(path)
        except (OSError, netrc.NetrcParseError):
            continue  # not there, or not a netrc file: W&B finds no key in it either
        for name in (host.netloc, host.hostname or ""):
            login = entries.hosts.get(name)
            if login is not None and login[2]:
                return LocalKey("WANDB_API_KEY", f"{_short(path)} ({name})", login[2])
    value = _from_keyring(host.netloc)
    return LocalKey("WANDB_API_KEY", f"the keyring ({KEYRING_SERVICE}, {host.netloc})", value) if value else None


def _from_keyring(host: str) -> str:
    """What the system's keyring holds for a server; "" without the package, a keyring, an entry, or an answer."""
    if find_spec("keyring") is None:
        return ""
    found: list[str] = []

    def read() -> None:
        import keyring
        from keyring.errors import KeyringError

        library: Any = keyring
        try:
            found.append(library.get_password(KEYRING_SERVICE, host) or "")
        except KeyringError:
            return  # no keyring on this machine, or one that stays locked: it holds nothing for us

    thread = threading.Thread(target=read, name="keyring", daemon=True)
    thread.start()
    thread.join(_KEYRING_S)
    return found[0] if found else ""


def _hub_token() -> LocalKey | None:
    try:
        from huggingface_hub import get_token
    except ImportError:  # the light installation: no Hub, no token
        return None
    token = get_token()
    if not token:
        return None
    held = os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN")
    return LocalKey("HF_TOKEN", f"HF_TOKEN {ENVIRONMENT}" if held else "the file of `hf auth login`", token)


def _netrc_files() -> list[Path]:
    named = os.environ.get("NETRC")
    return [Path(named).expanduser()] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]


def _short(path: Path) -> str:
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)
