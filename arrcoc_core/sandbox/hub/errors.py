"""What the Hub answers instead: a status, a message, and the code that its client tells errors apart by.

huggingface_hub 2.4, utils/_http.py:hf_raise_for_status reads `X-Error-Code` and `X-Error-Message`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping


class HubError(Exception):
    def __init__(
        self, status: int, message: str, code: str = "", *, more: Mapping[str, object] | None = None, commit: str = ""
    ) -> None:
        """`more` goes into the body beside the error; `commit` is the one at which something was not found."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.more = dict(more or {})
        self.commit = commit

    @property
    def body(self) -> bytes:
        return json.dumps({"error": self.message, **self.more}).encode()

    @property
    def headers(self) -> dict[str, str]:
        found = {"Content-Type": "application/json; charset=utf-8", "X-Error-Message": self.message}
        if self.code:
            found["X-Error-Code"] = self.code
        if self.commit:
            found["X-Repo-Commit"] = self.commit
        return found


def bad_request(message: str) -> HubError:
    return HubError(400, message)


def no_repository(signed_in: bool) -> HubError:
    """The same for one that is not there and one that the caller may not see."""
    if signed_in:
        return HubError(404, "Repository not found", "RepoNotFound")
    return HubError(401, "Invalid username or password.", "RepoNotFound")


def no_revision(revision: str) -> HubError:
    return HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def no_entry(path: str, commit: str) -> HubError:
    return HubError(404, f"{path} does not exist on this revision", "EntryNotFound", commit=commit)


def forbidden(message: str) -> HubError:
    return HubError(403, message)
