"""What a browser sees of a repository: where "open on the Hub" leads in the sandbox.

Whoever can reach this port has the sandbox's folder as well, so private repositories have a page too; their files can
only be downloaded with the token.
"""

from __future__ import annotations

import html

from arrcoc_core.formatting import size
from arrcoc_core.sandbox.hub.contents import Contents
from arrcoc_core.sandbox.hub.describing import CARD
from arrcoc_core.sandbox.hub.repositories import Commit, Repository, Tree

_STYLE = (
    "body{font:15px system-ui;max-width:60em;margin:2em auto;padding:0 1em}td{padding:2px 1.5em 2px 0}"
    "pre{background:#f4f4f4;padding:1em;overflow:auto;white-space:pre-wrap}small{color:#777}"
)


def repository_page(
    base: str, repository: Repository, history: list[Commit], tree: Tree, contents: Contents, revision: str
) -> bytes:
    """Files, history and card of a revision."""
    title = html.escape(repository.path)
    rows = "".join(_row(base, repository, path, tree, revision) for path in sorted(tree))
    card = tree.get(CARD)
    text = contents.read(card.sha256).decode("utf-8", "replace") if card is not None else ""
    commits = "".join(
        f"<tr><td><code>{commit.sha[:8]}</code><td>{html.escape(commit.title)}<td><small>{commit.date}</small>"
        for commit in history[:50]
    )
    return _page(
        title,
        f"<h1>{title}</h1><p>{'private' if repository.private else 'public'} {repository.type}, revision "
        f"<code>{html.escape(revision)}</code> at <code>{history[0].sha[:8]}</code></p>"
        f"<table>{rows}</table><h2>History</h2><table>{commits}</table>"
        + (f"<h2>Card</h2><pre>{html.escape(text)}</pre>" if text else ""),
    )


def missing_page(path: str) -> bytes:
    return _page("not found", f"<h1>404</h1><p>There is nothing at <code>{html.escape(path)}</code>.</p>")


def _row(base: str, repository: Repository, path: str, tree: Tree, revision: str) -> str:
    name = html.escape(path)
    if not repository.private:
        name = f'<a href="{base}/{repository.path}/resolve/{html.escape(revision)}/{name}">{name}</a>'
    return f"<tr><td>{name}<td>{size(tree[path].size)}"


def _page(title: str, body: str) -> bytes:
    note = "<p><small>arrcoc sandbox: nothing here is on the Hugging Face Hub.</small></p>"
    return f"<!doctype html><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>{body}{note}".encode()
