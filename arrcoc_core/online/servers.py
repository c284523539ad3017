"""Which W&B server a run is on, and what to say where a look fails.

A run that was launched in a sandbox logs to the sandbox's W&B, whatever `.training` says now; runs of other people are
on the server of the settings.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from arrcoc_core.accounts.wandb_client import WandbClient
from arrcoc_core.errors import CloudError
from arrcoc_core.online.addresses import RunPath
from arrcoc_core.settings import PREFIX, load_settings

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings


@dataclass(frozen=True, slots=True)
class Server:
    """Where a client is made from: a project folder, and the folder of endpoints (None: what its settings say)."""

    root: Path
    endpoints: str | None = None

    def settings(self) -> Settings:
        if self.endpoints is None:
            return load_settings(self.root)
        variable = f"{PREFIX}CLOUD_ENDPOINTS"
        environment = {name: value for name, value in os.environ.items() if name != variable}
        return load_settings(self.root, {**environment, variable: self.endpoints} if self.endpoints else environment)

    def client(self, *, timeout_s: float) -> WandbClient:
        """CloudError (scope "auth") where this machine has no key for it; ConfigError where the settings are wrong."""
        client = WandbClient.of(self.settings())
        client.timeout_s = timeout_s
        return client


def no_such_run(url: str, path: RunPath, *, project_found: bool) -> CloudError:
    if project_found:
        return CloudError(
            f"{url} has no run {path.run_id} in {path.entity}/{path.project}",
            scope="not-found",
            remedy=f"arrcoc runs --online --entity {path.entity} --project {path.project}   lists those that there are",
        )
    return no_such_project(url, path.entity, path.project)


def no_such_project(url: str, entity: str, project: str) -> CloudError:
    return CloudError(
        f"{url} shows this key no project {entity}/{project}: it does not exist, or the key may not read it",
        scope="not-found",
        remedy=f"arrcoc runs --online --entity {entity}   lists that entity's projects",
    )
