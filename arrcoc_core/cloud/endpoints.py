"""Where the services are: Google's own addresses, or a folder that says otherwise.

`CLOUD_ENDPOINTS` names a folder with an `endpoints.json` (the sandbox writes one, see arrcoc_core/sandbox):

    {"name": "sandbox",
     "services": {"storage": "http://127.0.0.1:41001", "aiplatform": "http://127.0.0.1:41002", …},
     "credentials": "/…/key.json",
     "keys": {"WANDB_API_KEY": "/…/wandb.key", "HF_TOKEN": "/…/hub.token"},
     "console": "http://127.0.0.1:41001/console",
     "speed": 1.0}

The file is read each time clients are made, so that a restart on other ports is followed. Code that calls services
does not know which of the two it talks to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arrcoc_core.errors import ConfigError

FILE = "endpoints.json"
GOOGLE_CONSOLE = "https://console.cloud.google.com"


@dataclass(frozen=True)
class Endpoints:
    name: str = "google"
    services: Mapping[str, str] = field(default_factory=dict[str, str])
    """Service -> address with its scheme; a service that is not here is at Google's own address."""
    credentials: str | None = None
    """A key file to use instead of the ones Google's own tools keep."""
    keys: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variable -> file with the key that these endpoints take for it."""
    console: str = GOOGLE_CONSOLE
    folder: Path | None = None
    """Where it was read from; None: these are Google's."""
    speed: float = 1.0
    """How fast time passes there: at 60, what takes a minute at Google takes a second."""

    @property
    def is_google(self) -> bool:
        return self.folder is None


GOOGLE = Endpoints()


def load_endpoints(folder: str) -> Endpoints:
    """Google's own for "", else those of `folder`/endpoints.json. ConfigError when that cannot be read."""
    if not folder:
        return GOOGLE
    path = Path(folder).expanduser() / FILE
    try:
        held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Endpoints(
            name=str(held["name"]),
            services={str(name): str(address) for name, address in held["services"].items()},
            credentials=held.get("credentials"),
            keys={str(variable): str(file) for variable, file in held.get("keys", {}).items()},
            console=str(held.get("console", GOOGLE_CONSOLE)),
            folder=path.parent.resolve(),
            speed=float(held.get("speed", 1.0)),
        )
    except FileNotFoundError:
        raise ConfigError(
            f"CLOUD_ENDPOINTS is {folder}, and there is no {FILE} in it: no sandbox has been started there.",
            remedy="arrcoc sandbox start   starts one; leave CLOUD_ENDPOINTS empty for Google Cloud itself",
        ) from None
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"{path} cannot be used: {error}", remedy="arrcoc sandbox start   writes it again", file=str(path)
        ) from error
