"""The W&B key and the Hub token of this machine, where W&B and the Hub themselves keep them.

Values never leave this object but for Secret Manager: they are not in its representation, and what is compared is a
fingerprint.
"""

from __future__ import annotations

import hashlib
import netrc
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from arrcoc_core.accounts.addresses import wandb_url
from arrcoc_core.cloud.endpoints import Endpoints, load_endpoints

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings

TITLES = {"WANDB_API_KEY": "W&B API key", "HF_TOKEN": "Hugging Face token"}
LOGINS = {"WANDB_API_KEY": "wandb login", "HF_TOKEN": "hf auth login"}


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
    """Variable -> key, of those that this machine has for the servers of `settings`.

    Endpoints that serve W&B or the Hub themselves bring their own key for it: a person's own goes to no sandbox.
    """
    endpoints = load_endpoints(str(settings.get("CLOUD_ENDPOINTS")))
    found = (
        _file_key(endpoints, "WANDB_API_KEY") if "wandb" in endpoints.services else _wandb_key(wandb_url(settings)),
        _file_key(endpoints, "HF_TOKEN") if "huggingface" in endpoints.services else _hub_token(),
    )
    return {key.variable: key for key in found if key is not None}


def _file_key(endpoints: Endpoints, variable: str) -> LocalKey | None:
    path = Path(endpoints.keys.get(variable, ""))
    value = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    return LocalKey(variable, _short(path), value) if value else None


def _wandb_key(url: str) -> LocalKey | None:
    held = os.environ.get("WANDB_API_KEY", "").strip()
    if held:
        return LocalKey("WANDB_API_KEY", "WANDB_API_KEY in the environment", held)
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
    return None


def _hub_token() -> LocalKey | None:
    try:
        from huggingface_hub import get_token
    except ImportError:  # the light installation: no Hub, no token
        return None
    token = get_token()
    if not token:
        return None
    held = os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN")
    return LocalKey("HF_TOKEN", "HF_TOKEN in the environment" if held else "the file of `hf auth login`", token)


def _netrc_files() -> list[Path]:
    named = os.environ.get("NETRC")
    return [Path(named).expanduser()] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]


def _short(path: Path) -> str:
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)
