"""Keys that a job needs, read from Secret Manager with the job's own identity when it starts.

The job's request carries references only: ARRCOC_SECRETS="WANDB_API_KEY=projects/p/secrets/s,HF_TOKEN=…". A value goes
into the environment of the trainer and nowhere else: no log line and no error holds one.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from arrcoc_core.cloud.calling import call
from arrcoc_core.cloud.clients import Cloud
from arrcoc_core.errors import CloudError, ConfigError

REFERENCES = "ARRCOC_SECRETS"
OPTIONAL = frozenset({"HF_TOKEN"})
"""Public bases and data need none, and an upload that lacks it is no reason not to train."""
_LATEST = "versions/latest"


def read_secrets(cloud: Cloud, say: Callable[[str], None]) -> dict[str, str]:
    """Variable -> value of each secret that REFERENCES names. CloudError naming the secret when one cannot be read.

    One of OPTIONAL that cannot be read is said, and done without.
    """
    found: dict[str, str] = {}
    for reference in filter(None, os.environ.get(REFERENCES, "").split(",")):
        variable, _, name = (part.strip() for part in reference.partition("="))
        if not variable or not name:
            raise ConfigError(
                f"{REFERENCES} holds an entry without a variable or a secret's name",
                remedy="Write it as VARIABLE=projects/PROJECT/secrets/NAME, with commas between several.",
            )
        version = name if "/versions/" in name else f"{name}/{_LATEST}"
        try:
            answer = call(cloud.secrets().access_secret_version, request={"name": version})
        except CloudError as error:
            if variable in OPTIONAL:
                say(f"going on without {variable}, whose secret cannot be read: {error.message}")
                continue
            raise CloudError(
                f"the secret {name} for {variable} cannot be read: {error.message}",
                scope=error.scope,
                remedy="arrcoc setup   creates the secret and lets the training account read it",
                data=error.data,
            ) from None
        found[variable] = answer.payload.data.decode().strip()
    return found
