"""What a run has besides on the Hugging Face Hub."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arrcoc_core.hub import Upload


class OnHub(ABC):
    """The part of `Run` that is about its upload."""

    root: Path

    @property
    @abstractmethod
    def id(self) -> str: ...

    @property
    @abstractmethod
    def directory(self) -> Path: ...

    @property
    @abstractmethod
    def plan(self) -> dict[str, Any]: ...

    @property
    def uploaded(self) -> Upload | None:
        """How its upload to the Hub stands; None where there was none."""
        from arrcoc_core.hub.state import read_upload

        return read_upload(self.directory)

    @property
    def hub_url(self) -> str:
        """Page of the repository that holds its selector; "" as long as no upload was complete."""
        upload = self.uploaded
        return upload.url if upload is not None else ""

    def upload(
        self,
        repo: str | None = None,
        *,
        private: bool | None = None,
        on_progress: Callable[[Upload], None] = lambda _: None,
    ) -> Upload:
        """Upload its selector to the Hub and return when it is there; what is there already is not sent again.

        `repo` ("owner/name") and `private` are what the experiment and `.training` say where they are left out; a given
        `private` also changes a repository that is there. RunError where it has no result, or the upload failed.
        """
        from arrcoc_core.hub.uploading import upload_run

        return upload_run(
            self.id,
            self.directory,
            self.root,
            endpoints=str(self.plan.get("endpoints") or ""),
            repo=repo,
            private=private,
            on_progress=on_progress,
        )
