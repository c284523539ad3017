"""Requests that change something, and the questions a client asks before it does. One transaction each."""

from __future__ import annotations

import base64
from typing import Any

from arrcoc_core.sandbox.hub import committing, describing
from arrcoc_core.sandbox.hub.errors import HubError, bad_request, forbidden
from arrcoc_core.sandbox.hub.repositories import MAIN, TYPES, File
from arrcoc_core.sandbox.hub.request import Request


def create(request: Request) -> None:
    body = request.body()
    request.begin("repos.create", mutating=True)
    kind, name = str(body.get("type") or "model"), str(body.get("name", ""))
    owner = str(body.get("organization") or request.caller.user)
    if kind not in TYPES:
        raise bad_request(f"Invalid repo type: {kind}")
    request.check_write(f"{owner}/{name}")
    repositories, contents = request.hub.repositories, request.hub.contents
    with request.hub.box.state.transaction():
        held = repositories.find(kind, f"{owner}/{name}")
        if held is not None:
            more = {"url": f"{request.base}/{held.path}"}
            raise HubError(409, f"You already created this {kind} repo: {held.id}", more=more)
        made = repositories.create(kind, owner, name, private=_private(body), sdk=str(body.get("sdk") or ""))
        content = committing.first_files()
        files = {committing.ATTRIBUTES: File(committing.git_hash(content), contents.put(content), len(content))}
        author = request.caller.user
        first = repositories.add_commit(made, files, parents=(), title="initial commit", message="", author=author)
        repositories.set_ref(made, "heads", MAIN, first.sha)
    request.json({"url": f"{request.base}/{made.path}", "name": made.id, "id": f"{made.serial:024x}"})


def delete(request: Request) -> None:
    body = request.body()
    request.begin("repos.delete", mutating=True)
    owner = str(body.get("organization") or request.caller.user)
    with request.hub.box.state.transaction():
        found = request.writable(str(body.get("type") or "model"), f"{owner}/{body.get('name')}")
        request.hub.repositories.delete(found)
    request.json({})


def move(request: Request) -> None:
    body = request.body()
    request.begin("repos.move", mutating=True)
    kind, target = str(body.get("type") or "model"), str(body.get("toRepo", ""))
    owner, _, name = target.partition("/")
    with request.hub.box.state.transaction():
        found = request.writable(kind, str(body.get("fromRepo", "")))
        request.check_write(target)
        if request.hub.repositories.find(kind, target) is not None:
            raise HubError(409, f"A {kind} repo {target} exists already")
        request.hub.repositories.move(found, owner, name)
    request.json({"url": f"{request.base}/{found.path}"})


def settings(request: Request, kind: str, repo_id: str) -> None:
    body = request.body()
    request.begin("settings", mutating=True)
    with request.hub.box.state.transaction():
        found = request.writable(kind, repo_id)
        if "visibility" in body or "private" in body:
            found.private = _private(body)
        if "gated" in body:
            found.gated = body["gated"]
        request.hub.repositories.save(found)
    request.json({"private": found.private, "gated": found.gated})


def validate(request: Request) -> None:
    """Whether the metadata at the head of a card can be read."""
    body = request.body()
    request.begin("validate-yaml")
    try:
        card = describing.card_data(str(body.get("content", "")).encode())
    except ValueError as error:
        more: dict[str, object] = {"errors": [{"message": str(error)}], "warnings": []}
        raise HubError(400, "Invalid metadata in README.md", more=more) from error
    warnings = [] if card else [{"message": "empty or missing yaml metadata in repo card"}]
    request.json({"errors": [], "warnings": warnings})


def preupload(request: Request, kind: str, repo_id: str, branch: str) -> None:
    """Which files go through Git LFS, and the hashes of those that are there."""
    body = request.body()
    request.begin("preupload")
    repositories = request.hub.repositories
    with request.hub.box.state.transaction():
        found = request.writable(kind, repo_id)
        tree = repositories.tree(found, repositories.head(found, branch))
    rows: list[dict[str, Any]] = []
    for asked in body.get("files", []):
        path, sample = str(asked["path"]), base64.b64decode(str(asked.get("sample", "")))
        mode = committing.upload_mode(path, int(asked.get("size", 0)), sample)
        row = {"path": path, "uploadMode": mode, "shouldIgnore": False}
        held = tree.get(path)
        if held is not None:
            row["oid"] = held.sha256 if held.large else held.oid
        rows.append(row)
    request.json({"files": rows})


def commit(request: Request, kind: str, repo_id: str, branch: str) -> None:
    content = request.exchange.read()
    request.begin_storing("commit")
    if request.flag("create_pr"):
        raise HubError(501, "Pull requests are not served by the sandbox")
    header, changes = committing.read_lines(content)
    repositories, contents = request.hub.repositories, request.hub.contents
    with request.hub.box.state.transaction():
        found = request.writable(kind, repo_id)
        author = request.caller.user
        made = committing.commit(repositories, contents, found, branch, header, changes, author)
    url = f"{request.base}/{found.path}/commit/{made.sha}"
    request.json({"success": True, "commitOid": made.sha, "commitUrl": url, "hookOutput": ""})


def create_branch(request: Request, kind: str, repo_id: str, branch: str) -> None:
    body = request.body()
    request.begin("branch.create", mutating=True)
    repositories = request.hub.repositories
    with request.hub.box.state.transaction():
        found = request.writable(kind, repo_id)
        if branch in repositories.refs(found, "heads"):
            raise HubError(409, f"Reference already exists: refs/heads/{branch}")
        start = repositories.resolve(found, str(body.get("startingPoint") or MAIN))
        repositories.set_ref(found, "heads", branch, start.sha)
    request.json({})


def delete_branch(request: Request, kind: str, repo_id: str, branch: str) -> None:
    request.begin("branch.delete", mutating=True)
    with request.hub.box.state.transaction():
        found = request.writable(kind, repo_id)
        if branch == MAIN:
            raise forbidden("Cannot delete the default branch")
        if not request.hub.repositories.drop_ref(found, "heads", branch):
            raise HubError(404, f"Branch {branch} does not exist", "RevisionNotFound")
    request.json({})


def create_tag(request: Request, kind: str, repo_id: str, revision: str) -> None:
    body = request.body()
    request.begin("tag.create", mutating=True)
    tag, repositories = str(body.get("tag", "")), request.hub.repositories
    with request.hub.box.state.transaction():
        found = request.writable(kind, repo_id)
        if tag in repositories.refs(found, "tags"):
            raise HubError(409, f"Tag reference exists already: {tag}")
        target = repositories.resolve(found, revision)
        repositories.set_ref(found, "tags", tag, target.sha, str(body.get("message") or ""))
    request.json({})


def delete_tag(request: Request, kind: str, repo_id: str, tag: str) -> None:
    request.begin("tag.delete", mutating=True)
    with request.hub.box.state.transaction():
        found = request.writable(kind, repo_id)
        if not request.hub.repositories.drop_ref(found, "tags", tag):
            raise HubError(404, f"Tag {tag} does not exist", "RevisionNotFound")
    request.json({})


def _private(body: dict[str, Any]) -> bool:
    return bool(body.get("private")) or body.get("visibility") in ("private", "protected")
