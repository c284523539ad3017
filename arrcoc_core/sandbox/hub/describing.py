"""What the Hub's API says of repositories, commits and files, in the words its client reads."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, cast

from arrcoc_core.sandbox.hub.contents import Contents, pointer
from arrcoc_core.sandbox.hub.repositories import Commit, File, Repository, Tree, folder_hash

CARD = "README.md"


def info(repository: Repository, commit: Commit, tree: Tree, contents: Contents, *, blobs: bool) -> dict[str, Any]:
    """The answer of `/api/models/owner/name`; `blobs`: with sizes and hashes of the files."""
    card = card_data(contents.read(tree[CARD].sha256)) if CARD in tree else {}  # refused in a commit where it is bad
    tags: Any = card.get("tags")
    found: dict[str, Any] = {
        "_id": f"{repository.serial:024x}",
        "id": repository.id,
        "author": repository.owner,
        "sha": commit.sha,
        "lastModified": commit.date,
        "createdAt": repository.created_at,
        "private": repository.private,
        "gated": repository.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": cast("list[str]", tags) if isinstance(tags, list) else [],
        "siblings": [_sibling(path, file, blobs) for path, file in sorted(tree.items())],
        "usedStorage": sum(file.size for file in tree.values()),
    }
    if card:
        found["cardData"] = card
    if repository.type == "model":
        found["modelId"] = repository.id
        for name in ("library_name", "pipeline_tag"):
            if name in card:
                found[name] = card[name]
    if repository.sdk:
        found["sdk"] = repository.sdk
    return found


def entries(tree: Tree, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    """Files and folders at a place of a tree, in the order of their paths."""
    inside = f"{folder}/" if folder else ""
    found: dict[str, dict[str, Any]] = {}
    for path, file in tree.items():
        if not path.startswith(inside):
            continue
        parts = path.removeprefix(inside).split("/")
        for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
            name = inside + "/".join(parts[:depth])
            found[name] = folder_entry(tree, name)
        if recursive or len(parts) == 1:
            found[path] = entry(path, file)
    return [found[path] for path in sorted(found)]


def entry(path: str, file: File) -> dict[str, Any]:
    row: dict[str, Any] = {"type": "file", "oid": file.oid, "size": file.size, "path": path}
    if file.large:
        row["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": len(pointer(file.sha256, file.size))}
    return row


def folder_entry(tree: Tree, path: str) -> dict[str, Any]:
    return {"type": "directory", "oid": folder_hash(tree, path), "size": 0, "path": path}


def last_commits(rows: Iterable[dict[str, Any]], history: list[tuple[Commit, Tree]]) -> None:
    """Add to each entry the commit that last changed it."""
    for row in rows:
        path = row["path"]
        versions = [(commit, _version(tree, path, row["type"])) for commit, tree in history]
        changed = next((new for (new, is_now), (_, was) in pairwise(versions) if is_now != was), versions[-1][0])
        row["lastCommit"] = {"id": changed.sha, "title": changed.title, "date": changed.date}


def commit_row(commit: Commit) -> dict[str, Any]:
    return {
        "id": commit.sha,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": commit.author}],
        "date": commit.date,
    }


def card_data(content: bytes) -> dict[str, Any]:
    """The metadata at the head of a card; {} where it has none. ValueError where it cannot be read."""
    import yaml

    text = content.decode("utf-8", "replace").replace("\r\n", "\n")
    if not text.startswith("---\n"):
        return {}
    head, closed, _ = text[4:].partition("\n---")
    if not closed:
        return {}
    try:
        found: Any = yaml.safe_load(head)
    except yaml.YAMLError as error:
        raise ValueError(f"YAML metadata error: {error}") from error
    if found is not None and not isinstance(found, dict):
        raise ValueError("YAML metadata must be a mapping")
    return cast("dict[str, Any]", found or {})


def _sibling(path: str, file: File, blobs: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"rfilename": path}
    if blobs:
        row |= {"size": file.size, "blobId": file.oid}
        if file.large:
            size = len(pointer(file.sha256, file.size))
            row["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": size}
    return row


def _version(tree: Tree, path: str, kind: str) -> str:
    if kind == "directory":
        return folder_hash(tree, path)
    return tree[path].oid if path in tree else ""
