"""How the upload of a run's selector to the Hub stands, in words: what header and result say. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from arrcoc_core.formatting import percent, size
from arrcoc_gui.cloud.trouble import Trouble, fixes_of

if TYPE_CHECKING:
    from arrcoc_core.hub import Upload

State = Literal["uploading", "done", "failed", "skipped"]


@dataclass(frozen=True)
class UploadView:
    """A copy of the core's `Upload`. `url`: the page of the last upload that was complete, "" for none."""

    state: State
    repo: str
    url: str = ""
    revision: str = ""
    done_bytes: int = 0
    total_bytes: int = 0
    detail: str = ""
    remedy: str = ""

    @classmethod
    def of(cls, told: Upload) -> UploadView:
        state: State = told.state if told.state in ("uploading", "done", "skipped") else "failed"  # type: ignore[assignment]
        return cls(
            state, told.repo, told.url, told.revision, told.done_bytes, told.total_bytes, told.detail, told.remedy
        )

    @property
    def going_on(self) -> bool:
        return self.state == "uploading"

    @property
    def fraction(self) -> float | None:
        """0 to 1; None while the size is not known."""
        return min(1.0, self.done_bytes / self.total_bytes) if self.total_bytes else None

    def words(self) -> str:
        """ "Uploading to ada/arr-coc: 3.1 MB of 12.4 MB (25 %)"."""
        if self.state == "uploading":
            if self.fraction is None:
                return f"Uploading to {self.repo}: looking at what is there"
            done, whole = size(self.done_bytes), size(self.total_bytes)
            return f"Uploading to {self.repo}: {done} of {whole} ({percent(self.fraction)})"
        if self.state == "done":
            return f"On the Hub: {self.repo}{f', commit {self.revision[:7]}' if self.revision else ''}"
        if self.state == "skipped":
            return f"Not uploaded{f' to {self.repo}' if self.repo else ''}: {self.detail}"
        return f"The upload to {self.repo} failed: {self.detail}"

    def trouble(self) -> Trouble | None:
        """What a person should mend; None where nothing is to be mended."""
        if self.state not in ("failed", "skipped"):
            return None
        calm = "What was uploaded before is still there." if self.url else ""
        return Trouble(self.words(), calm, fixes_of(self.remedy))
