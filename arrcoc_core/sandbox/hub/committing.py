"""A commit over the API: lines of JSON, the first one its header, each of the others a change of a file.

huggingface_hub 2.4, _commit_api.py:_prepare_commit_payload. All of it becomes one commit or none does; one that names
a parent is refused (412) unless its branch still points there.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from arrcoc_core.sandbox.hub.contents import Contents, git_hash, pointer
from arrcoc_core.sandbox.hub.describing import CARD, card_data
from arrcoc_core.sandbox.hub.errors import HubError, bad_request, no_entry
from arrcoc_core.sandbox.hub.repositories import Commit, File, Repositories, Repository, Tree

LARGEST_REGULAR = 10 * 1024 * 1024
"""Bytes of a file that git itself keeps; anything longer has to be a large file."""
ATTRIBUTES = ".gitattributes"
LARGE_ENDINGS = (
    *("7z", "bz2", "gz", "lz4", "rar", "tar", "tgz", "xz", "zip", "zst"),
    *("arrow", "avro", "h5", "msgpack", "npy", "npz", "parquet"),
    *("bin", "ckpt", "ftz", "joblib", "mlmodel", "model", "onnx", "ot", "pb", "pickle", "pkl", "pt", "pth"),
    *("safetensors", "tflite", "wasm"),
    *("jpeg", "jpg", "png", "webp"),
)


def first_files() -> bytes:
    """`.gitattributes` of a new repository: which files are large ones, whatever their length."""
    return "".join(f"*.{ending} filter=lfs diff=lfs merge=lfs -text\n" for ending in LARGE_ENDINGS).encode()


def upload_mode(path: str, size: int, sample: bytes) -> str:
    """ "lfs" for what is long, binary, or of a kind that `.gitattributes` names; else "regular"."""
    ending = path.rpartition(".")[2].lower()
    large = size >= LARGEST_REGULAR or ending in LARGE_ENDINGS or b"\0" in sample
    return "lfs" if large and size else "regular"


def read_lines(body: bytes) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """(header, changes) of the body of a commit."""
    try:
        lines: list[dict[str, Any]] = [json.loads(line) for line in body.splitlines() if line.strip()]
        rows = [(str(line["key"]), dict(line["value"])) for line in lines]
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request(f"The commit is not lines of JSON with key and value: {error}") from error
    if not rows or rows[0][0] != "header" or not rows[0][1].get("summary"):
        raise bad_request("A commit starts with a header that has a summary")
    return rows[0][1], rows[1:]


def commit(
    repositories: Repositories,
    contents: Contents,
    repository: Repository,
    branch: str,
    header: Mapping[str, Any],
    changes: list[tuple[str, dict[str, Any]]],
    author: str,
) -> Commit:
    """Inside a transaction: the new head of the branch."""
    head = repositories.head(repository, branch)
    parent = str(header.get("parentCommit") or "")
    if parent and not head.sha.startswith(parent.lower()):
        raise HubError(412, "A commit has happened since. Please refresh and try again.")
    tree = repositories.tree(repository, head)
    for kind, value in changes:
        _apply(contents, tree, kind, value, head)
    made = repositories.add_commit(
        repository,
        tree,
        parents=[head.sha],
        title=str(header["summary"]),
        message=str(header.get("description") or ""),
        author=author,
    )
    repositories.set_ref(repository, "heads", branch.removeprefix("refs/heads/"), made.sha)
    return made


def _apply(contents: Contents, tree: Tree, kind: str, value: Mapping[str, Any], head: Commit) -> None:
    path = _checked(value.get("path") or value.get("oldPath"))
    if kind == "file":
        tree[path] = _regular(contents, path, value)
        if path == CARD:
            _check_card(contents.read(tree[path].sha256))
    elif kind == "lfsFile":
        if path == CARD:
            raise bad_request(f"{CARD} must be a regular file")
        tree[path] = _large(contents, value)
    elif kind == "deletedFile":
        if path not in tree:
            raise no_entry(path, head.sha)
        del tree[path]
    elif kind == "deletedFolder":
        inside = [name for name in tree if name.startswith(f"{path.rstrip('/')}/")]
        if not inside:
            raise no_entry(path, head.sha)
        for name in inside:
            del tree[name]
    else:
        raise bad_request(f"Unknown kind of change: {kind}")


def _regular(contents: Contents, path: str, value: Mapping[str, Any]) -> File:
    text = str(value.get("content", ""))
    try:
        content = base64.b64decode(text, validate=True) if value.get("encoding") == "base64" else text.encode()
    except binascii.Error as error:
        raise bad_request(f"The content of {path} is not base64") from error
    if len(content) > LARGEST_REGULAR:
        raise bad_request(f"{path} is larger than {LARGEST_REGULAR} bytes: use Git LFS")
    return File(git_hash(content), contents.put(content), len(content))


def _check_card(content: bytes) -> None:
    try:
        card_data(content)
    except ValueError as error:
        raise bad_request(f"Your push was rejected: invalid metadata in {CARD}: {error}") from error


def _large(contents: Contents, value: Mapping[str, Any]) -> File:
    oid = str(value.get("oid", ""))
    size = contents.size(oid) if len(oid) == 64 else None
    if value.get("algo") != "sha256" or size is None:
        raise bad_request(f"LFS pointer pointed to a file that does not exist: {value.get('path')} ({oid})")
    return File(git_hash(pointer(oid, size)), oid, size, large=True)


def _checked(path: object) -> str:
    text = str(path or "")
    parts = text.rstrip("/").split("/")
    if not text or text.startswith("/") or any(part in ("", ".", "..", ".git") for part in parts):
        raise bad_request(f"Invalid path: {text!r}")
    return text
