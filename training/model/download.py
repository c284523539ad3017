"""Where a selector lies: in a folder, or in a repository of the Hub, from which its few files are fetched.

All of them come from one commit, also while somebody uploads. HF_ENDPOINT is the Hub to ask, as for all its clients.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from httpx2 import HTTPError
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError

from arrcoc_core.errors import ConfigError
from training.model.files import CONFIG, PROCESSOR, WEIGHTS

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def find_selector(place: str | Path, revision: str | None = None) -> Path:
    """The folder with a selector's files. ConfigError when `place` is neither one nor a repository that holds one."""
    folder = Path(place)
    of_hub = isinstance(place, str) and not folder.exists() and _REPOSITORY.fullmatch(place) is not None
    if of_hub:
        folder = _fetch(str(place), revision)
    if not (folder / WEIGHTS).is_file() or not (folder / CONFIG).is_file():
        raise ConfigError(
            f"{place} holds no selector ({WEIGHTS} and {CONFIG})",
            remedy="Give a repository that a run was uploaded to."
            if of_hub
            else "Give the result/ folder of a run that has ended well, or a repository of the Hub as owner/name.",
        )
    return folder


def _fetch(repo: str, revision: str | None) -> Path:
    endpoint = os.environ.get("HF_ENDPOINT") or None
    wanted = [WEIGHTS, CONFIG, PROCESSOR]
    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=wanted, endpoint=endpoint))
    except (OSError, HTTPError, HFValidationError) as error:
        at = f" at {revision}" if revision else ""
        raise ConfigError(
            f"there is no folder {repo}, and {repo}{at} could not be fetched from the Hugging Face Hub: {error}",
            remedy="Check the name, the revision and the network; a private repository needs `hf auth login`.",
        ) from error
