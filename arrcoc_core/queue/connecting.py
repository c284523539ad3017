"""The queue's client for whoever has only a run's plan: the supervisor, which reads no settings.

The plan names the server and the entity; the key is found anew each time, and endpoints that serve W&B themselves (a
sandbox) say where it is now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arrcoc_core.accounts.keys import find_key
from arrcoc_core.accounts.wandb_client import WandbClient
from arrcoc_core.cloud.endpoints import load_endpoints
from arrcoc_core.errors import CloudError
from arrcoc_core.queue.client import QueueClient


def client_of(plan: Mapping[str, Any]) -> QueueClient:
    """For a run's plan.json. ConfigError where endpoints cannot be read, CloudError (scope "auth") without a key."""
    queue, endpoints = plan["queue"], load_endpoints(str(plan["cloud"]["endpoints"]))
    own = endpoints.services.get("wandb", "").rstrip("/")
    url = own or str(queue["url"])
    key = find_key("WANDB_API_KEY", url, endpoints)
    client = WandbClient(url, key or "", sandbox=bool(own))
    if key is None:
        raise CloudError(
            f"There is no W&B key for {url} on this machine.", scope="auth", remedy=client.not_taken().remedy
        )
    return QueueClient(client, str(queue["entity"]))
