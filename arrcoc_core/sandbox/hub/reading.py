"""Answers about what is there. Each begins, looks inside one transaction, and sends after it."""

from __future__ import annotations

from typing import Any

from arrcoc_core.sandbox.hub import describing, pages, resolving
from arrcoc_core.sandbox.hub.errors import no_entry
from arrcoc_core.sandbox.hub.repositories import MAIN, Commit, Repository
from arrcoc_core.sandbox.hub.request import Request

COMMITS_PAGE = 50
LIST_PAGE = 1000


def listing(request: Request, kind: str) -> None:
    request.begin("list")
    wanted, author = request.query.get("search", "").lower(), request.query.get("author", "").lower()
    repositories = request.hub.repositories
    rows: list[dict[str, Any]] = []
    with request.hub.box.state.transaction():
        for repository in repositories.all(kind):
            hidden = repository.private and not request.caller.may_see(repository.id)
            if hidden or wanted not in repository.id.lower() or author not in ("", repository.owner.lower()):
                continue
            commit = repositories.head(repository, MAIN)
            tree = repositories.tree(repository, commit)
            rows.append(describing.info(repository, commit, tree, request.hub.contents, blobs=False))
    request.page(rows, LIST_PAGE)


def info(request: Request, kind: str, repo_id: str, revision: str) -> None:
    request.begin("info")
    found, commit, tree = request.revision(kind, repo_id, revision)
    request.json(describing.info(found, commit, tree, request.hub.contents, blobs=request.flag("blobs")))


def tree(request: Request, kind: str, repo_id: str, revision: str, folder: str) -> None:
    request.begin("tree")
    found, commit, files = request.revision(kind, repo_id, revision)
    rows = describing.entries(files, folder, recursive=request.flag("recursive"))
    if folder and not rows:
        raise no_entry(folder, commit.sha)
    if request.flag("expand"):
        _add_last_commits(request, found, commit, rows)
    request.page(rows, request.hub.tree_page)


def paths(request: Request, kind: str, repo_id: str, revision: str) -> None:
    form = request.form()
    request.begin("paths-info")
    found, commit, files = request.revision(kind, repo_id, revision)
    rows: list[dict[str, Any]] = []
    for path in form.get("paths", []):
        if path in files:
            rows.append(describing.entry(path, files[path]))
        elif any(name.startswith(f"{path}/") for name in files):
            rows.append(describing.folder_entry(files, path))
    if (form.get("expand") or [""])[-1].lower() in ("true", "1"):
        _add_last_commits(request, found, commit, rows)
    request.json(rows)


def commits(request: Request, kind: str, repo_id: str, revision: str) -> None:
    request.begin("commits")
    found, first, _ = request.revision(kind, repo_id, revision)
    with request.hub.box.state.transaction():
        history = request.hub.repositories.history(found, first)
    request.page([describing.commit_row(commit) for commit in history], COMMITS_PAGE)


def refs(request: Request, kind: str, repo_id: str) -> None:
    request.begin("refs")
    with request.hub.box.state.transaction():
        found = request.readable(kind, repo_id)
        held = {group: request.hub.repositories.refs(found, group) for group in ("heads", "tags")}
    rows = {
        group: [{"name": name, "ref": f"refs/{group}/{name}", "targetCommit": sha} for name, sha in known.items()]
        for group, known in held.items()
    }
    request.json({"branches": rows["heads"], "tags": rows["tags"], "converts": [], "pullRequests": []})


def auth_check(request: Request, kind: str, repo_id: str, *, write: bool) -> None:
    request.begin("auth-check")
    with request.hub.box.state.transaction():
        if write:
            request.writable(kind, repo_id)
        else:
            request.readable(kind, repo_id)
    request.json({})


def file(request: Request, kind: str, repo_id: str, revision: str, path: str) -> None:
    request.begin("resolve")
    _, commit, files = request.revision(kind, repo_id, revision)
    hub = request.hub
    resolving.resolve(request.exchange, hub.contents, hub.large, commit, files, path, request.base)


def page(request: Request, kind: str, repo_id: str, rest: list[str]) -> None:
    """For browsers: `owner/name`, `owner/name/tree/revision` and whatever else is linked to."""
    request.begin("page")
    html = {"Content-Type": "text/html; charset=utf-8"}
    repositories = request.hub.repositories
    revision = rest[1] if len(rest) > 1 else MAIN
    with request.hub.box.state.transaction():
        found = repositories.find(kind, repo_id)
        if found is None:
            content = pages.missing_page(request.exchange.path)
        else:
            commit = repositories.resolve(found, revision)
            history, files = repositories.history(found, commit), repositories.tree(found, commit)
            content = pages.repository_page(request.base, found, history, files, request.hub.contents, revision)
    request.exchange.send(200 if found else 404, content, html)


def _add_last_commits(request: Request, repository: Repository, commit: Commit, rows: list[dict[str, Any]]) -> None:
    repositories = request.hub.repositories
    with request.hub.box.state.transaction():
        history = repositories.history(repository, commit)
        describing.last_commits(rows, [(known, repositories.tree(repository, known)) for known in history])
