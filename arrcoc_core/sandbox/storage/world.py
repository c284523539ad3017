"""What the Storage server has to know about the rest of the sandbox."""

from __future__ import annotations

import zlib
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

    def bytes_per_s(self) -> float | None:
        """How fast bytes come and go; None: as fast as they can."""
        ...


class OpenWorld:
    """Every project exists, nothing is taken, the clock is the machine's: a Storage server on its own."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def project_number(self, project: str) -> str | None:
        return str(100_000_000_000 + zlib.crc32(project.encode()))

    def somebody_elses(self, bucket: str) -> bool:
        return False

    def bytes_per_s(self) -> float | None:
        return None


def written(moment: datetime) -> str:
    """A time as the JSON API writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
