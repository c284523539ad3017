"""What the resources work with: the clients, the names, and what this machine and the experiments say.

`World.of(settings)` finds it all; nothing in it has asked a service yet.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.accounts.keys import LocalKey, find_keys
from arrcoc_core.accounts.mode import OFFLINE, WandbMode, wandb_mode
from arrcoc_core.cloud.clients import Cloud
from arrcoc_core.cloud.names import Names
from arrcoc_core.infra.needs import GpuNeed, needs_of, queues_of, resolved_experiments

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings


@dataclass(frozen=True)
class World:
    cloud: Cloud
    names: Names
    root: Path | None = None
    needs: tuple[GpuNeed, ...] = ()
    """GPUs that the experiments of the project ask for."""
    keys: Mapping[str, LocalKey] = field(default_factory=dict[str, LocalKey])
    """Variable -> the key on this machine, as far as there is one."""
    copy: frozenset[str] = frozenset()
    """Variables whose keys the user has said may be copied to Secret Manager."""
    request_quota: bool = True
    """Whether quota that is missing may be asked for."""
    contact: str = ""
    """E-mail address that Google may write to about a quota request."""
    settings: Settings | None = None
    """Whose W&B and Hub accounts these are; None: they are left out."""
    queues: tuple[str, ...] = ()
    """W&B Launch queues that the settings and the experiments name."""

    @staticmethod
    def of(
        settings: Settings,
        *,
        copy: frozenset[str] = frozenset(),
        request_quota: bool = True,
        contact: str = "",
    ) -> World:
        names, experiments = Names.of(settings), resolved_experiments(settings.root, settings)
        return World(
            cloud=Cloud.of(settings),
            names=names,
            root=settings.root,
            needs=needs_of(experiments, names.region),
            keys=find_keys(settings),
            copy=copy,
            request_quota=request_quota,
            contact=contact,
            settings=settings,
            queues=queues_of(experiments, settings),
        )

    @staticmethod
    def for_accounts(settings: Settings) -> World:
        """One that only looks at accounts: the experiments are not loaded for it."""
        return World(Cloud.of(settings), Names.of(settings), keys=find_keys(settings), settings=settings)

    @property
    def given(self) -> Settings:
        """The settings, for rows that are there only with them."""
        assert self.settings is not None
        return self.settings

    @property
    def on_google(self) -> bool:
        """Whether a Google Cloud project is named; without one there is nothing of Google's to look at."""
        return bool(self.names.project)

    @property
    def logging(self) -> WandbMode:
        """As it is now: whose the key is may just have been found out."""
        return OFFLINE if self.settings is None else wandb_mode(self.settings)

    @property
    def has_wandb_key(self) -> bool:
        """Whether W&B can be asked, wherever runs log."""
        return "WANDB_API_KEY" in self.keys

    @property
    def project_path(self) -> str:
        return f"projects/{self.names.project}"

    @property
    def caller(self) -> str:
        """E-mail address of who calls; "" where neither the credentials nor gcloud tell."""
        identity = self.cloud.identity
        if identity.account:
            return identity.account
        held: Any = identity.credentials
        account = str(getattr(held, "account", "") or "")
        return account or (gcloud_account(os.environ) if self.cloud.endpoints.is_google else "")

    @property
    def caller_member(self) -> str:
        """The caller as a policy names them; "" where unknown."""
        account = self.caller
        if not account:
            return ""
        return f"{'serviceAccount' if account.endswith('.gserviceaccount.com') else 'user'}:{account}"


def has_others(settings: Settings) -> bool:
    """Whether there is something to set up outside of Google Cloud: W&B, or a repository on the Hub."""
    return wandb_mode(settings).online or bool(settings.get("HF_HUB_REPO_ID"))


def gcloud_account(environment: Mapping[str, str]) -> str:
    """The account that gcloud is logged in with on this machine, from its configuration files; "" without one."""
    if environment.get("CLOUDSDK_CORE_ACCOUNT"):
        return environment["CLOUDSDK_CORE_ACCOUNT"]
    folder = Path(environment.get("CLOUDSDK_CONFIG") or Path.home() / ".config" / "gcloud")
    try:
        active = (folder / "active_config").read_text(encoding="utf-8").strip() or "default"
    except OSError:
        active = "default"
    held = configparser.ConfigParser()
    try:
        held.read(folder / "configurations" / f"config_{active}", encoding="utf-8")
    except configparser.Error:
        return ""
    return held.get("core", "account", fallback="")
