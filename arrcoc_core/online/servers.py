"""Which W&B server a run is on, one connection to it that a program may share, and what to say where a look fails.

A run that was launched in a sandbox logs to the sandbox's W&B, whatever `.training` says now; runs of other people are
on the server of the settings.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.accounts.wandb_client import OF_WANDB, PATIENCE_S, TIMEOUT_S, WandbClient
from arrcoc_core.errors import CloudError
from arrcoc_core.online import queries
from arrcoc_core.online.addresses import RunPath
from arrcoc_core.online.decoding import nodes_of
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

    def client(self, *, timeout_s: float = TIMEOUT_S) -> WandbClient:
        """CloudError (scope "auth") where this machine has no key for it; ConfigError where the settings are wrong."""
        return WandbClient.of(self.settings(), timeout_s=timeout_s)

    def to_json(self) -> dict[str, Any]:
        """As the follow child takes it."""
        return {"root": str(self.root), "endpoints": self.endpoints}


class Connection:
    """A client that several objects and threads share, a request at a time."""

    def __init__(self, server: Server, settings: Settings | None = None) -> None:
        self.server = server
        self.client = WandbClient.of(settings or server.settings())
        self._one = threading.RLock()

    @property
    def url(self) -> str:
        """The server's address."""
        return self.client.url

    def execute(
        self, query: str, variables: Mapping[str, Any] | None = None, *, patience_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        with self._one:
            return self.client.execute(query, variables, patience_s=patience_s)


def no_such_run(url: str, path: RunPath) -> CloudError:
    return CloudError(
        f"{url} has no run {path.run_id} in {path.entity}/{path.project}.",
        scope="not-found",
        remedy=f"arrcoc runs --online --entity {path.entity} --project {path.project}   lists those that there are",
        data=OF_WANDB,
    )


def no_such_project(url: str, entity: str, project: str) -> CloudError:
    """A server's answer does not tell a project that is not there from one that the key may not read."""
    return CloudError(
        f"{url} shows this key no project {entity}/{project}: it does not exist, or the key may not read it.",
        scope="not-found",
        remedy=_LISTS_PROJECTS,
        data=OF_WANDB,
    )


def why_no_project(connection: Connection, entity: str, project: str) -> CloudError:
    """The same, told apart by one more request: whose the key is."""
    who = entities_of(connection)
    if entity not in who:
        return CloudError(
            f"{who[0]} may not read {entity}/{project} at {connection.url}: it is no member of {entity}.",
            scope="permission",
            remedy=f"Ask an admin of {entity} to add {who[0]} to it.\n{_LISTS_PROJECTS}",
            data=OF_WANDB,
        )
    return CloudError(
        f"{connection.url} has no project {project} of {entity}.",
        scope="not-found",
        remedy=f"{_LISTS_PROJECTS}\n--project P, or WANDB_PROJECT in .training, names another; the first run that "
        "logs to it makes it.",
        data=OF_WANDB,
    )


@contextmanager
def reading(entity: str, project: str) -> Generator[None]:
    """A refusal that comes without a repair gets one: a server says "permission denied" and no more."""
    try:
        yield
    except CloudError as error:
        raise explained(error, entity, project) from error


def explained(error: CloudError, entity: str, project: str) -> CloudError:
    """The error with what to do about it, where that is known here and not said yet."""
    if error.remedy or error.scope not in ("permission", "not-found"):
        return error
    return CloudError(
        f"{entity}/{project} cannot be read. {error.message}",
        scope=error.scope,
        remedy=f"Ask an admin of {entity} to let the user of this key read it.\n{_LISTS_PROJECTS}",
        data=error.data,
    )


def entities_of(connection: Connection) -> list[str]:
    """The key's own entity, then its teams. CloudError where the server does not know the key."""
    viewer: dict[str, Any] | None = connection.execute(queries.ENTITIES).get("viewer")
    if viewer is None:
        raise connection.client.not_taken()
    own = str(viewer.get("entity") or viewer.get("username") or "")
    return list(dict.fromkeys([own, *(str(node.get("name")) for node in nodes_of(viewer.get("teams")))]))


_LISTS_PROJECTS = "arrcoc runs --online --projects   lists the projects that the key may read"
