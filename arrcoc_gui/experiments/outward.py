"""Where a run that is about to be launched logs, and where its selector goes: words for the plan. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

LOGS = "W&B"
"""The check of a plan that says where it logs (arrcoc_core/facts.py)."""


def logs_words(checks: Iterable[Any]) -> str:
    """ "online as ada at https://api.wandb.ai", "offline: no key for … on this machine"; from a plan's checks, as
    objects or as JSON.
    """
    for check in checks:
        name, detail = (check["name"], check["detail"]) if isinstance(check, dict) else (check.name, check.detail)
        if name == LOGS and detail:
            return str(detail)
    return "as the settings say"


def hub_words(repo: str, *, private: bool) -> str:
    """ "ada/arr-coc (private), when it has succeeded"."""
    if not repo:
        return "nothing is uploaded (no repository is named)"
    return f"{repo} ({'private' if private else 'public'}), when it has succeeded"
