"""The exact commands that repair a key: which one depends on where the key is that does not work."""

from __future__ import annotations

from urllib.parse import urlsplit

from arrcoc_core.accounts.addresses import HUB
from arrcoc_core.accounts.keys import ENVIRONMENT, KEYRING_SERVICE, LocalKey

WANDB = "https://api.wandb.ai"
SANDBOX = "arrcoc sandbox start"


def login(url: str) -> str:
    """The command that stores a W&B key for the server at `url`."""
    return "wandb login --relogin" if url == WANDB else f"wandb login --relogin --host {url}"


def wandb_login(url: str, key: LocalKey | None, *, sandbox: bool = False) -> str:
    """How to come by a key that the server at `url` takes, in place of `key` (None: there is none)."""
    if sandbox:
        return f"{SANDBOX}   writes the sandbox's own key again"
    if key is not None and ENVIRONMENT in key.where:
        return f"unset WANDB_API_KEY   it comes before the key that is stored\n{login(url)}"
    if key is not None and "keyring" in key.where:
        return f"keyring set {KEYRING_SERVICE} {urlsplit(url).netloc}"
    return login(url)


def hub_login(url: str, key: LocalKey | None, *, sandbox: bool = False) -> str:
    """How to come by a token that the Hub at `url` takes, in place of `key` (None: there is none)."""
    if sandbox:
        return f"{SANDBOX}   writes the sandbox's own token again"
    command = "hf auth login --force" if key is not None else "hf auth login"
    command = command if url == HUB else f"HF_ENDPOINT={url} {command}"
    if key is not None and ENVIRONMENT in key.where:
        return f"unset HF_TOKEN   it comes before the token that is stored\n{command}"
    return command


def wandb_reach(url: str, *, sandbox: bool = False) -> str:
    """What to do about a W&B server that does not answer."""
    if sandbox:
        return SANDBOX
    reach = f"curl -I {url}   shows whether this machine reaches it (a proxy, a VPN?)"
    return f"{reach}\nWANDB_BASE_URL in .training is its address."


def hub_reach(url: str, *, sandbox: bool = False) -> str:
    """What to do about a Hub that does not answer."""
    return SANDBOX if sandbox else f"curl -I {url}   shows whether this machine reaches it (a proxy, a VPN?)"
