"""One upload as one commit: the repository is as it was before, or complete.

`push` may be repeated at any point, and after a kill: what the Hub has already is not sent again, and where all of it
is there nothing is committed. Large files go first, by the Hub's LFS protocol over plain HTTP; the commit that names
them comes last, on top of the state that was looked at, so that of two uploads at once the second looks again. Then
the tag. Trouble that passes (429, 5xx, a connection that is cut) is met by starting over for as long as `patience_s`.

Files are given to huggingface_hub as open files that count what is read of them. That is where the progress comes from,
and it makes the client take LFS rather than Xet, which takes no open files (huggingface_hub 2.4,
_commit_api.py:_upload_files): a selector is a few megabytes, of which nothing is worth being stored in chunks.
"""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from httpx2 import HTTPError
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.hf_api import ModelInfo

from arrcoc_core.errors import CloudError, CloudScope
from training.hub.package import Package

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
_SCOPES: dict[int, CloudScope] = {400: "invalid", 401: "auth", 403: "permission", 404: "not-found", 413: "invalid"}
_PASSES = frozenset({"unavailable", "offline", "conflict"})
_NO_ROOM = (402, 507)
_MOVED = (409, 412)  # somebody else has committed meanwhile


@dataclass(frozen=True)
class Pushed:
    url: str
    revision: str
    """The commit."""
    note: str = ""
    """What a person should know, although nothing is wrong."""


class Repository:
    """A model repository of the Hub at `endpoint`. Raises CloudError throughout."""

    def __init__(self, repo: str, *, endpoint: str, token: str, patience_s: float) -> None:
        self.repo, self.endpoint = repo, endpoint
        self.url = f"{endpoint}/{repo}"
        self._api = HfApi(endpoint=endpoint, token=token, library_name="arrcoc")
        self._patience_s = patience_s

    def push(self, package: Package, *, private: bool, chosen: bool, on_progress: Progress) -> Pushed:
        """`private`: who may see it; an existing repository is changed only where that was `chosen` just now, and gets
        nothing that was to be private where it is public."""
        deadline = time.monotonic() + self._patience_s
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return self._push(package, private, chosen, on_progress)
            except (HTTPError, RuntimeError) as error:
                found = self._translated(error)
                wait = max(pause * random.uniform(0.5, 1.0), float(found.data.get("retry_after_s", 0)))
                if found.scope not in _PASSES or time.monotonic() + wait > deadline:
                    raise found from error
            time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _push(self, package: Package, private: bool, chosen: bool, on_progress: Progress) -> Pushed:
        info = self._found(private)
        note = self._visible(info, private, chosen)
        there = [sibling.rfilename for sibling in info.siblings or ()]
        stale = [CommitOperationDelete(path) for path in there if package.is_stale(path)]
        with _Sent(package.size, on_progress) as sent:
            additions = [CommitOperationAdd(path, sent.counting(held)) for path, held in package.files.items()]
            sent.begin()
            commit = self._api.create_commit(
                self.repo, [*additions, *stale], commit_message=package.title, parent_commit=info.sha
            )
        on_progress(package.size, package.size)
        for tag in package.tags:
            self._tag(tag, commit.oid)
        return Pushed(self.url, commit.oid, note)

    def _found(self, private: bool) -> ModelInfo:
        """The repository as it is now; made where there is none."""
        try:
            return self._api.model_info(self.repo)
        except RepositoryNotFoundError:
            self._refuse_other_types()
        self._api.create_repo(self.repo, private=private, exist_ok=True)
        return self._api.model_info(self.repo)

    def _refuse_other_types(self) -> None:
        """A model may bear the name of a data set, but nobody who names one as the place for results means that."""
        for kind in ("dataset", "space"):
            if self._api.repo_exists(self.repo, repo_type=kind):
                raise CloudError(
                    f"{self.repo} is a {kind} on the Hub, and the selector needs a model repository",
                    scope="invalid",
                    remedy="Choose another name: HF_HUB_REPO_ID in .training, or Hub(repo=...).",
                )

    def _visible(self, info: ModelInfo, private: bool, chosen: bool) -> str:
        """See that it is as visible as was asked for; a note where it is less so."""
        if bool(info.private) == private:
            return ""
        if chosen:
            self._api.update_repo_settings(self.repo, private=private)
            return ""
        if not private:
            return f"{self.repo} stays private, as it was (--public changes it)"
        raise CloudError(
            f"{self.repo} is public on the Hub, and this upload is to be private",
            scope="invalid",
            remedy="--public uploads it for all to see, --private makes the whole repository private.\n"
            "For good: HF_HUB_PRIVATE in .training, or Hub(private=...).",
        )

    def _tag(self, tag: str, commit: str) -> None:
        """`tag` names `commit`, whatever it named before."""
        there = {ref.name: ref.target_commit for ref in self._api.list_repo_refs(self.repo).tags}
        if there.get(tag) == commit:
            return
        if tag in there:
            self._api.delete_tag(self.repo, tag=tag)
        self._api.create_tag(self.repo, tag=tag, revision=commit, exist_ok=True)

    def _translated(self, error: Exception) -> CloudError:
        """What the client raised, as what can be done about it."""
        cause = error
        while not isinstance(cause, HTTPError) and cause.__cause__ is not None:  # of a thread that sent a file
            cause = cause.__cause__
        if not isinstance(cause, HfHubHTTPError):
            if not isinstance(cause, HTTPError):
                raise error
            said = str(cause) or type(cause).__name__
            return CloudError(
                f"{self.endpoint} cannot be reached: {said}", scope="offline", remedy="Check the network."
            )
        status = cause.response.status_code
        said = " ".join((cause.server_message or str(cause)).split())[:300]
        if status in _MOVED:
            return CloudError(f"{self.repo} was changed by somebody else meanwhile: {said}", scope="conflict")
        if status == 401 and not isinstance(cause, RepositoryNotFoundError):
            return CloudError(f"{self.endpoint} does not take this token: {said}", scope="auth", remedy=LOG_IN)
        if status == 403:
            return CloudError(
                f"this token may not write to {self.repo}: {said}",
                scope="permission",
                remedy=f"{LOG_IN}, with a token that may write there; or name a repository of yours (HF_HUB_REPO_ID).",
            )
        if status in _NO_ROOM:
            return CloudError(
                f"the Hub has no room for {self.repo}: {said}",
                scope="quota",
                remedy=f"Make room there ({self.endpoint}/settings/billing), or name another repository (--repo).",
            )
        scope = _SCOPES.get(status, "unavailable" if status == 429 or status >= 500 else "invalid")
        wait = cause.response.headers.get("Retry-After", "")
        return CloudError(
            f"{self.endpoint} answered {status}: {said}",
            scope=scope,
            data={"retry_after_s": wait} if wait.isdigit() else None,
        )


LOG_IN = "hf auth login"


class _Sent(ExitStack):
    """How many bytes of a package have been read by whoever sends them."""

    def __init__(self, total: int, on_progress: Progress) -> None:
        super().__init__()
        self._total, self._on_progress = total, on_progress
        self._done: dict[str, int] = {}
        self._sending = False

    def begin(self) -> None:
        """From here on what is read is sent; before, it is hashed."""
        self._sending = True
        self._on_progress(0, self._total)

    def counting(self, held: bytes | Path) -> bytes | io.BufferedReader:
        return held if isinstance(held, bytes) else self.enter_context(_CountedFile(held, self._count))

    def _count(self, name: str, position: int) -> None:
        if self._sending:
            self._done[name] = max(position, self._done.get(name, 0))
            self._on_progress(sum(self._done.values()), self._total)


class _CountedFile(io.BufferedReader):
    def __init__(self, path: Path, count: Callable[[str, int], None]) -> None:
        super().__init__(io.FileIO(path))
        self._name, self._count = str(path), count

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._count(self._name, self.tell())
        return data
