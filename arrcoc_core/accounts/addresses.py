"""Where W&B and the Hub are: what `.training` says, or what the endpoints in use say instead (the sandbox's)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from arrcoc_core.cloud.endpoints import load_endpoints

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings

HUB = "https://huggingface.co"


def wandb_url(settings: Settings) -> str:
    """Address of the W&B server's API, without a slash at its end. ConfigError where endpoints cannot be read."""
    return _of_endpoints(settings, "wandb") or str(settings.get("WANDB_BASE_URL")).rstrip("/")


def hub_url(settings: Settings) -> str:
    """Address of the Hub, without a slash at its end; HF_ENDPOINT of the environment is the Hub's own name for it."""
    return _of_endpoints(settings, "huggingface") or os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB


def wandb_app_url(api_url: str) -> str:
    """Where a browser finds what the API at `api_url` serves.

    The rule of wandb 0.31 (`wandb.util.api_to_app_url`): `api.` goes from W&B's own host, becomes `app.` on an
    on-premises cloud, and a server of one's own has one address for both.
    """
    if "://api.wandb." in api_url:
        return api_url.replace("://api.", "://").rstrip("/")
    return api_url.replace("://api.", "://app.").rstrip("/")


def _of_endpoints(settings: Settings, service: str) -> str:
    return load_endpoints(str(settings.get("CLOUD_ENDPOINTS"))).services.get(service, "").rstrip("/")
