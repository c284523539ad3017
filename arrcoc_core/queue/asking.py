"""Asking a W&B server about Launch: whose the queues are, what an old server does not know, and one without Launch."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from arrcoc_core.accounts.addresses import wandb_app_url
from arrcoc_core.accounts.wandb_client import WandbClient
from arrcoc_core.errors import CloudError
from arrcoc_core.queue import documents

NO_LAUNCH = "NO_LAUNCH"
"""The reason in an error's data where the server knows no queues."""
PATIENCE_S = 8.0
"""For each question: a supervisor has other runs to look at, and comes back."""
_UNKNOWN = re.compile(r'Cannot query field "(\w+)" on type')
_OF_LAUNCH = re.compile(r"runQueue|launchAgent|defaultResourceConfig", re.I)

Document = str | Callable[[set[str]], str]
"""A query, or what makes it from the optional fields to leave out."""


class LaunchServer:
    def __init__(self, client: WandbClient, entity: str = "") -> None:
        """`entity`: the user or team whose queues these are; "": the key's own, asked for when it is needed."""
        self.client = client
        self._entity = entity
        self._without: set[str] = set()

    @property
    def entity(self) -> str:
        """Asks once for whose the key is, where no entity was given."""
        if not self._entity:
            viewer = inside(self.ask(documents.VIEWER, {}), "viewer")
            self._entity = str(inside(viewer, "entity") or inside(viewer, "username") or "")
            if not self._entity:
                raise CloudError(
                    f"{self.client.url} does not say whose the W&B key is.",
                    scope="auth",
                    remedy="Set WANDB_ENTITY in .training to your user or team.",
                )
        return self._entity

    @property
    def page(self) -> str:
        """Where a browser finds the queues of the entity."""
        return f"{wandb_app_url(self.client.url)}/{self.entity}/launch"

    @property
    def server_now(self) -> float:
        """The server's clock: what its times are compared with. This machine's, where the server does not tell."""
        return self.client.server_time or time.time()

    def ask(self, document: Document, variables: Mapping[str, Any]) -> Any:
        """A question, again while trouble passes, and without the optional fields that the server does not know."""
        while True:
            text = document if isinstance(document, str) else document(self._without)
            try:
                return self._sent(text, variables, PATIENCE_S)
            except CloudError as error:
                unknown = _unknown(error) & documents.OPTIONAL.keys() - self._without
                if not unknown:
                    raise
                self._without |= unknown

    def change(self, document: str, variables: Mapping[str, Any]) -> Any:
        """Something that changes something: sent once."""
        return self._sent(document, variables, 0.0)

    def _sent(self, text: str, variables: Mapping[str, Any], patience_s: float) -> Any:
        try:
            return self.client.execute(text, variables, patience_s=patience_s)
        except CloudError as error:
            if any(_OF_LAUNCH.search(name) for name in _unknown(error) - documents.OPTIONAL.keys()):
                raise no_launch(self.client.url) from error
            raise


def no_launch(url: str) -> CloudError:
    return CloudError(
        f"The W&B server at {url} has no Launch: it knows no queues.",
        scope="invalid",
        remedy="compute=Vertex(...) needs no queue; in .training, leave WANDB_LAUNCH_QUEUE_NAME empty.",
        data={"reason": NO_LAUNCH},
    )


def inside(held: Any, *path: str) -> Any:
    """What lies at `path` of an answer; None where anything on the way is null, or not there."""
    for name in path:
        if not isinstance(held, dict):
            return None
        held = held.get(name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return held  # pyright: ignore[reportUnknownVariableType]


def _unknown(error: CloudError) -> set[str]:
    """The fields that the server says it does not know."""
    return set(_UNKNOWN.findall(error.message)) if error.scope == "invalid" else set()
