"""Downloads: a file of a revision as it is, a large one by a redirect to the storage, each also in ranges.

What the client reads: `ETag` and `X-Repo-Commit`, of large files `X-Linked-ETag` and `X-Linked-Size` (huggingface_hub
2.4, file_download.py:get_hf_file_metadata). It follows a redirect that stays on the same host, so the storage says the
same again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from arrcoc_core.sandbox.hub.contents import Contents, pieces
from arrcoc_core.sandbox.hub.errors import HubError, no_entry
from arrcoc_core.sandbox.hub.large_files import LargeFiles
from arrcoc_core.sandbox.hub.repositories import Commit, Tree

if TYPE_CHECKING:
    from arrcoc_core.sandbox.exchange import Exchange

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def resolve(
    exchange: Exchange, contents: Contents, large: LargeFiles, commit: Commit, tree: Tree, path: str, base: str
) -> None:
    file = tree.get(path)
    if file is None:
        raise no_entry(path, commit.sha)
    headers = {
        "X-Repo-Commit": commit.sha,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'inline; filename="{path.rpartition("/")[2]}";'.encode("ascii", "replace").decode(),
        "Cache-Control": "no-cache",
    }
    if file.large:
        place = large.address(base, f"get/{file.sha256}", commit=commit.sha)
        linked = {"X-Linked-Size": str(file.size), "X-Linked-ETag": f'"{file.sha256}"', "Location": place}
        exchange.send(302, b"", {**headers, **linked, "ETag": f'"{file.oid}"'})
        return
    kind = "text/plain; charset=utf-8"
    send(exchange, contents, file.sha256, {**headers, "ETag": f'"{file.oid}"', "Content-Type": kind})


def storage(exchange: Exchange, contents: Contents, sha256: str, commit: str) -> None:
    """A GET or HEAD of the storage."""
    size = contents.size(sha256)
    if size is None:
        raise HubError(404, "The specified key does not exist.")
    headers = {
        "ETag": f'"{sha256}"',
        "X-Linked-ETag": f'"{sha256}"',
        "X-Linked-Size": str(size),
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    }
    if commit:
        headers["X-Repo-Commit"] = commit
    send(exchange, contents, sha256, headers)


def send(exchange: Exchange, contents: Contents, sha256: str, headers: dict[str, str]) -> None:
    """The whole content, or the range that was asked for."""
    size = contents.size(sha256) or 0
    start, stop = _range(str(exchange.headers.get("Range") or ""), size)
    partial = (start, stop) != (0, size) or bool(exchange.headers.get("Range"))
    if partial:
        headers = {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    with contents.open(sha256) as file:
        exchange.send_stream(206 if partial else 200, stop - start, pieces(file, start, stop - start), headers)


def _range(asked: str, size: int) -> tuple[int, int]:
    """[start, stop) of a Range header; all of it where there is none. HubError 416 where it lies outside."""
    found = _RANGE.fullmatch(asked.replace(" ", ""))
    if not asked or found is None:
        return 0, size
    first, last = found.groups()
    start = int(first) if first else max(0, size - int(last or 0))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        raise HubError(416, f"Requested range not satisfiable: {asked} of {size} bytes")
    return start, stop
