"""What names a run of a W&B server: `entity/project/run id`, or the address of its page.

    get_online_run("my-team/arr-coc/k64-20260301-1200-ab3d")
    get_online_run("https://wandb.ai/my-team/arr-coc/runs/k64-20260301-1200-ab3d")

By W&B's rule (wandb 0.31, wandb/sdk/lib/runid.py and its settings) none of the three may hold any of / \\ # ? % : and a
run id has at most 128 characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from arrcoc_core.accounts.addresses import wandb_app_url
from arrcoc_core.errors import ConfigError

_NAME = re.compile(r"[^/\\#?%:\x00-\x1f]{1,128}")
_FORMS = "Write entity/project/run id, or the address of the run's page."


@dataclass(frozen=True, slots=True, order=True)
class RunPath:
    """A run of one server."""

    entity: str
    project: str
    run_id: str

    def __str__(self) -> str:
        return f"{self.entity}/{self.project}/{self.run_id}"

    def directory(self, state: Path) -> Path:
        """Where its cache lies below the state folder."""
        return state / "online" / self.entity / self.project / self.run_id

    def url(self, api_url: str) -> str:
        """The address of its page, for a browser."""
        names = (quote(name) for name in (self.entity, self.project, "runs", self.run_id))
        return f"{wandb_app_url(api_url)}/{'/'.join(names)}"


def is_online_name(text: str) -> bool:
    """Whether an argument may mean a run of a W&B server. A point of a sweep may have slashes in its name, too: what
    is known here by that name comes first."""
    return "://" in text or text.count("/") >= 2


def parse_run_path(text: str, api_url: str = "") -> RunPath:
    """ConfigError where it is none, or where the page is one of another server than that of `api_url`."""
    text = text.strip()
    if "://" in text:
        address = urlsplit(text)
        hosts = {urlsplit(api_url).netloc, urlsplit(wandb_app_url(api_url)).netloc}
        if api_url and address.netloc not in hosts:
            raise ConfigError(
                f"{text} is a page of {address.netloc}, and the W&B server here is {api_url}.",
                remedy="WANDB_BASE_URL in .training is the server's address (https://api.wandb.ai for wandb.ai).",
            )
        # A server may live under a path of its host, which its pages then have in front.
        text = unquote(address.path.removeprefix(urlsplit(wandb_app_url(api_url)).path))
    parts = [part for part in text.strip("/").split("/") if part]
    if len(parts) >= 4 and parts[2] == "runs":
        parts = [*parts[:2], parts[3]]
    if len(parts) != 3 or not all(is_name(part) for part in parts):
        raise ConfigError(f"{text!r} does not name a run of W&B.", remedy=_FORMS)
    return RunPath(*parts)


def is_name(text: str) -> bool:
    """Whether an entity, a project or a run can be called so; such a name is safe as a folder's."""
    return bool(_NAME.fullmatch(text)) and text.strip(". ") != ""
