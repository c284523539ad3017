"""What the Storage server has to know about the rest of the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class World(Protocol):
    def now(self) -> datetime: ...

    def project_number(self, project: str) -> str | None:
        """None when there is no such project, or the caller may not see it."""
        ...

    def somebody_elses(self, bucket: str) -> bool:
        """Whether this name belongs to a bucket in a project that the caller cannot see."""
        ...

    def account_exists(self, email: str) -> bool:
        """Whether a service account may be named in a policy."""
        ...

    def bytes_per_s(self) -> float | None:
        """How fast bytes come and go; None: as fast as they can."""
        ...


def written(moment: datetime) -> str:
    """A time as the JSON API writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
