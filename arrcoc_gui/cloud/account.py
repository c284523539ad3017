"""Which project the app's commands go to, as `.training` or the sandbox says. Reads files: not on the GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NO_PROJECT = "There is no Google Cloud project yet."
REHEARSE = (
    "Setup asks for one. Without an account the whole path can be rehearsed in the sandbox: setup, launch, preemption, "
    "resume, results on W&B and the Hub, and teardown, against servers on this machine."
)


@dataclass(frozen=True)
class Account:
    """`owner`: PROJECT_NAME, the label on everything of ours. `project` is "" where none is set; `others`: there is W&B
    or the Hub to look at all the same.
    """

    project: str = ""
    region: str = ""
    owner: str = ""
    others: bool = False


def read_account(root: Path) -> Account:
    """From the settings as they are now; SettingsError where they cannot be read."""
    from arrcoc_core.infra.world import has_others
    from arrcoc_core.settings import load_settings

    settings = load_settings(root)
    return Account(
        project=str(settings.get("GCP_PROJECT_ID")),
        region=str(settings.get("GCP_ROOT_RESOURCE_REGION")),
        owner=str(settings.get("PROJECT_NAME")),
        others=has_others(settings),
    )


def write_setting(root: Path, key: str, value: str) -> Path:
    """Set one key in `.training` (with a sandbox, in the sandbox's own); the file. SettingsError."""
    from arrcoc_core.settings import load_settings
    from arrcoc_core.settings_writer import settings_file, starter_file, write_settings

    file = settings_file(root, load_settings(root))
    write_settings(file, {key: value}, starter=starter_file(root))
    return file
