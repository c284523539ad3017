"""Who we are at W&B, and where we may write: found from the API key alone.

    account = who(settings)        WandbAccount(user="ada", entity="lab", teams=("lab",), url="https://api.wandb.ai")
    entity_of(settings, account)   WANDB_ENTITY of the settings, else the entity that the key's runs go to

A key that is wrong, a server that cannot be reached and an address that is no W&B server's are each a CloudError with
the command that repairs it. The answer is remembered per key (remembering.py), so that plans can say it for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arrcoc_core.accounts.keys import find_keys
from arrcoc_core.accounts.remembering import WandbAccount as WandbAccount
from arrcoc_core.accounts.remembering import forget, remember
from arrcoc_core.accounts.wandb_client import OF_WANDB, PATIENCE_S, WandbClient
from arrcoc_core.errors import CloudError

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings

# Fields that every server since 2019 has: wandb 0.31's own look (`query Viewer`) asks for them, too.
_VIEWER = "query Viewer { viewer { id username entity teams { edges { node { name } } } } }"


def who(settings: Settings, *, client: WandbClient | None = None, patience_s: float = PATIENCE_S) -> WandbAccount:
    """The account of this machine's key at the server of the settings. CloudError."""
    asking = client or WandbClient.of(settings)
    try:
        account = _ask(asking, patience_s)
    except CloudError as error:
        key = find_keys(settings).get("WANDB_API_KEY")
        if error.scope == "auth" and key is not None:
            forget(settings, asking.url, key)
        raise
    finally:
        if client is None:
            asking.close()
    key = find_keys(settings).get("WANDB_API_KEY")
    if key is not None:
        remember(settings, key, account)
    return account


def entity_of(settings: Settings, account: WandbAccount) -> str:
    """Where runs go with these settings."""
    return str(settings.get("WANDB_ENTITY")) or account.entity


def may_not_write(account: WandbAccount, entity: str) -> CloudError:
    """The error of an account that may not log to `entity`, which names those it may log to."""
    teams = f", or a team of yours: {', '.join(account.teams)}" if account.teams else ""
    return CloudError(
        f"{account.user} may not write to {entity} at {account.url}: it is neither this user nor one of its teams.",
        scope="permission",
        remedy=f"WANDB_ENTITY={account.entity} in .training logs to your own{teams}\n"
        f"Or ask an admin of {entity} to add {account.user} to it.",
        data=OF_WANDB,
    )


def _ask(client: WandbClient, patience_s: float) -> WandbAccount:
    viewer: dict[str, Any] | None = client.execute(_VIEWER, patience_s=patience_s).get("viewer")
    if viewer is None:  # how a server answers somebody it does not know, where it answers at all
        raise client.not_taken()
    teams: dict[str, list[dict[str, Any]]] = viewer.get("teams") or {}
    user = str(viewer.get("username") or viewer.get("entity") or "")
    return WandbAccount(
        user=user,
        entity=str(viewer.get("entity") or user),
        teams=tuple(str(edge["node"]["name"]) for edge in teams.get("edges", ())),
        url=client.url,
    )
