"""How a run's upload stands: `upload.json` in its folder, which whoever uploads replaces every few seconds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from arrcoc_core.targets.local import read_json

FILE = "upload.json"
SILENT_S = 60.0
"""An upload that has told nothing for so long goes on no more: it is told every five seconds, seconds late from the
cloud."""


@dataclass(frozen=True, slots=True)
class Upload:
    state: str
    """"uploading", "done", "failed", or "skipped": there was no way to begin."""
    repo: str
    url: str
    """Page of the last upload that was complete; "": there was none."""
    revision: str
    """Its commit."""
    done_bytes: int
    total_bytes: int
    detail: str
    """One message: why it failed or was skipped, or what is worth knowing."""
    remedy: str
    """What to do about it."""
    at: datetime | None
    """When this was told, UTC."""

    @property
    def fraction(self) -> float | None:
        """0 to 1; None while the size is not known."""
        return min(1.0, self.done_bytes / self.total_bytes) if self.total_bytes else None

    def to_json(self) -> dict[str, Any]:
        told = None if self.at is None else self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {**asdict(self), "at": told}


def read_upload(directory: Path, now: datetime | None = None) -> Upload | None:
    """What is known of the upload of the run in `directory`; None where there was none."""
    held = read_json(directory / FILE)
    return None if held is None else upload_of(held, directory.name, now)


def upload_of(held: dict[str, Any], run_id: str, now: datetime | None = None) -> Upload:
    try:
        at = datetime.fromisoformat(str(held.get("at")))
    except ValueError:
        at = None
    state, detail, remedy = (str(held.get(name) or "") for name in ("state", "detail", "remedy"))
    if state == "uploading" and (at is None or ((now or datetime.now(UTC)) - at).total_seconds() > SILENT_S):
        state, detail, remedy = "failed", "it was interrupted", f"arrcoc upload {run_id}"
    return Upload(
        state=state,
        repo=str(held.get("repo") or ""),
        url=str(held.get("url") or ""),
        revision=str(held.get("revision") or ""),
        done_bytes=int(held.get("done_bytes") or 0),
        total_bytes=int(held.get("total_bytes") or 0),
        detail=detail,
        remedy=remedy,
        at=at,
    )
