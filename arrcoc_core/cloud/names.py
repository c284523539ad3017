"""What everything of ours in the cloud is called, all of it derived from `.training`.

PROJECT_NAME=arr-coc-0-1, GCP_PROJECT_ID=my-project   (n = arr-coc-0-1, p = my-project)

label           arrcoc_owner=n          on everything that can carry labels; without it, it is not ours
buckets         p-n-staging             build contexts; emptied by age
                p-n-runs                runs/<run id>/{experiment.json, checkpoints/, …}
repository      n                       Docker images, in the region of `.training`
accounts        n-train, n-build        @p.iam.gserviceaccount.com; their description carries the label
secrets         n-wandb-api-key, n-hf-token
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings

OWNER_LABEL = "arrcoc_owner"
RUN_LABEL = "arrcoc_run"
ATTEMPT_LABEL = "arrcoc_attempt"
SECRET_KEYS = {"WANDB_API_KEY": "wandb-api-key", "HF_TOKEN": "hf-token"}
"""Variable a trainer reads -> what its secret is called, after our name."""

_LONGEST_ACCOUNT = 30


@dataclass(frozen=True, slots=True)
class Names:
    project: str
    region: str
    owner: str
    """PROJECT_NAME, as a label value."""

    @staticmethod
    def of(settings: Settings) -> Names:
        return Names(
            project=str(settings.get("GCP_PROJECT_ID")),
            region=str(settings.get("GCP_ROOT_RESOURCE_REGION")),
            owner=str(settings.get("PROJECT_NAME")),
        )

    @property
    def labels(self) -> dict[str, str]:
        return {OWNER_LABEL: self.owner}

    @property
    def description(self) -> str:
        """Marks what can carry a description and no labels as ours."""
        return f"{OWNER_LABEL}={self.owner}"

    @property
    def staging_bucket(self) -> str:
        return _bucket(f"{self.project}-{self.owner}-staging")

    @property
    def runs_bucket(self) -> str:
        return _bucket(f"{self.project}-{self.owner}-runs")

    @property
    def repository(self) -> str:
        """Full resource name of the Docker repository."""
        return f"projects/{self.project}/locations/{self.region}/repositories/{self.owner}"

    @property
    def image(self) -> str:
        """The image without tag or digest."""
        return f"{self.region}-docker.pkg.dev/{self.project}/{self.owner}/trainer"

    @property
    def training_account(self) -> str:
        """E-mail of the service account that jobs run as."""
        return self._account("train")

    @property
    def build_account(self) -> str:
        return self._account("build")

    def secret(self, variable: str) -> str:
        """Full resource name of the secret behind a variable of SECRET_KEYS."""
        return f"projects/{self.project}/secrets/{self.owner}-{SECRET_KEYS[variable]}"

    def run_uri(self, run_id: str) -> str:
        return f"gs://{self.runs_bucket}/runs/{run_id}"

    def _account(self, role: str) -> str:
        return f"{_short(self.owner, _LONGEST_ACCOUNT - len(role) - 1)}-{role}@{self.project}.iam.gserviceaccount.com"


def _bucket(name: str) -> str:
    """At most 63 of [a-z0-9-]; what is cut off is hashed, so that two long names stay two.

    A project may be called after Google, a bucket may not: "goog" and its like are left out, and hashed, too.
    """
    plain = re.sub(r"g[o0]{2}g(?:[l1]e)?", "g", name.lower())
    return _short(name, 63) if plain == name.lower() else f"{_short(plain, 56)}-{_mark(name)}"


def _short(name: str, limit: int) -> str:
    plain = re.sub(r"[^a-z0-9-]+", "-", name.lower())
    if len(plain) <= limit:
        return plain.strip("-")
    return f"{plain[: limit - 7].strip('-')}-{_mark(name)}"


def _mark(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:6]
