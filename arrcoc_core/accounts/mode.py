"""Whether a run logs to a W&B server while it trains (online), or to the file beside it only (offline), and why.

WANDB_MODE says it; empty, it is automatic: online where this machine has a key for the server, else offline. Nobody is
asked anything here: whose the key is is known where somebody has asked before (accounts/remembering.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arrcoc_core.accounts.addresses import HUB, hub_url, wandb_url
from arrcoc_core.accounts.keys import ENVIRONMENT, find_key
from arrcoc_core.accounts.logins import wandb_login
from arrcoc_core.accounts.remembering import remembered
from arrcoc_core.cloud.endpoints import load_endpoints

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings


@dataclass(frozen=True, slots=True)
class WandbMode:
    online: bool = False
    why: str = "offline"
    """ "online as sandbox at http://127.0.0.1:41080", "offline: no key for https://api.wandb.ai on this machine"."""
    asked: bool = False
    """WANDB_MODE says it, so that what is in its way is an error; False: automatic, and nothing is."""
    url: str = ""
    entity: str = ""
    """Whose the run is; "": whoever the key belongs to, which is not known yet."""
    key: str = ""
    """Where this machine's key for the server is, for people; "": it has none."""
    fleeting: bool = False
    """The key is in this shell's environment only: a process of another shell that resumes the run may not have it."""

    login: str = ""
    """How to come by a key, where there is none."""

    @property
    def name(self) -> str:
        """As WANDB_MODE of a trainer has it."""
        return "online" if self.online else "offline"


OFFLINE = WandbMode()


def wandb_mode(settings: Settings) -> WandbMode:
    """The mode of what is launched now with these settings. ConfigError where endpoints cannot be read."""
    url, entity = wandb_url(settings), str(settings.get("WANDB_ENTITY"))
    asked = str(settings.get("WANDB_MODE"))
    named = f"WANDB_MODE={asked} ({settings.source('WANDB_MODE').detail})"
    if asked == "offline":
        return WandbMode(False, f"offline: {named}", True, url, entity)
    endpoints = load_endpoints(str(settings.get("CLOUD_ENDPOINTS")))
    key = find_key("WANDB_API_KEY", url, endpoints)
    if key is None:
        login = wandb_login(url, None, sandbox="wandb" in endpoints.services)
        why = f"online at {url}: {named}" if asked else f"offline: no key for {url} on this machine"
        return WandbMode(bool(asked), why, bool(asked), url, entity, login=login)
    account = remembered(settings, url, key)
    who = f"as {account.user} at {url}" if account is not None else f"at {url}, with the key of {key.where}"
    why = f"online {who}: {named}" if asked else f"online {who}"
    entity = entity or (account.entity if account is not None else "")
    return WandbMode(True, why, bool(asked), url, entity, key.where, ENVIRONMENT in key.where)


def account_environment(settings: Settings, mode: WandbMode) -> dict[str, str]:
    """Where a trainer finds the accounts: addresses and names, never a key."""
    hub = hub_url(settings)
    found = {
        "WANDB_BASE_URL": mode.url,
        "WANDB_PROJECT": str(settings.get("WANDB_PROJECT")),
        "WANDB_ENTITY": mode.entity,
        "HF_ENDPOINT": "" if hub == HUB else hub,
    }
    return {name: value for name, value in found.items() if value}
