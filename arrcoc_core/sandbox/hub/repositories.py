"""Repositories: who owns them, their branches and tags, their commits, and the files of each commit.

A commit holds the hash of its tree; a tree is path -> file, whole, so a revision is two look-ups. Everything is kept
under the repository's serial number: a repository that is moved keeps it, one that is deleted takes its own along.
Names are per type, as really: a data set `a/b` does not stand in the way of a model `a/b`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from arrcoc_core.sandbox.clock import Clock
from arrcoc_core.sandbox.hub.accounts import Caller
from arrcoc_core.sandbox.hub.errors import HubError, bad_request, no_repository, no_revision
from arrcoc_core.sandbox.state import State

TYPES = ("model", "dataset", "space")
MAIN = "main"
_NAME = re.compile(r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_SHA = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True)
class File:
    oid: str
    """Its name in git: of the content, or of the pointer of a large file."""
    sha256: str
    size: int
    large: bool = False


Tree = dict[str, File]


@dataclass
class Repository:
    type: str
    owner: str
    name: str
    serial: int
    private: bool
    created_at: str
    gated: str | bool = False
    sdk: str = ""

    @property
    def id(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def key(self) -> str:
        return f"{self.type}/{self.id.lower()}"

    @property
    def path(self) -> str:
        """Its place in addresses: `owner/name`, `datasets/owner/name`."""
        return self.id if self.type == "model" else f"{self.type}s/{self.id}"


@dataclass(frozen=True)
class Commit:
    sha: str
    parents: tuple[str, ...]
    tree: str
    title: str
    message: str
    author: str
    date: str


class Repositories:
    """Called inside a transaction of the state."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._repositories = state.table("hub.repositories")
        self._refs = state.table("hub.refs")
        self._commits = state.table("hub.commits")
        self._trees = state.table("hub.trees")

    def all(self, kind: str) -> list[Repository]:
        return [Repository(**held) for held in self._repositories.values(f"{kind}/")]

    def find(self, kind: str, repo_id: str) -> Repository | None:
        held = self._repositories.get(f"{kind}/{repo_id.lower()}")
        return Repository(**held) if held else None

    def get(self, kind: str, repo_id: str, caller: Caller) -> Repository:
        """One that the caller may see; HubError 401 or 404."""
        found = self.find(kind, repo_id)
        if found is None or (found.private and not caller.may_see(found.id)):
            raise no_repository(bool(caller.user))
        return found

    def create(self, kind: str, owner: str, name: str, *, private: bool, sdk: str = "") -> Repository:
        if not _NAME.fullmatch(name):
            raise bad_request(f"Invalid repo name: {owner}/{name} - repo name includes invalid characters")
        made = Repository(kind, owner, name, self._state.next("hub"), private, self._now(), sdk=sdk)
        self.save(made)
        return made

    def save(self, repository: Repository) -> None:
        self._repositories.put(repository.key, asdict(repository))

    def move(self, repository: Repository, owner: str, name: str) -> None:
        self._repositories.delete(repository.key)
        repository.owner, repository.name = owner, name
        self.save(repository)

    def delete(self, repository: Repository) -> None:
        self._repositories.delete(repository.key)
        for table in (self._refs, self._commits, self._trees):
            for key, _ in table.items(f"{repository.serial}/"):
                table.delete(key)

    def refs(self, repository: Repository, kind: str) -> dict[str, str]:
        """Name -> commit, of the branches ("heads") or the tags ("tags")."""
        prefix = f"{repository.serial}/{kind}/"
        return {key.removeprefix(prefix): held["commit"] for key, held in self._refs.items(prefix)}

    def set_ref(self, repository: Repository, kind: str, name: str, commit: str, message: str = "") -> None:
        self._refs.put(f"{repository.serial}/{kind}/{name}", {"commit": commit, "message": message})

    def drop_ref(self, repository: Repository, kind: str, name: str) -> bool:
        return self._refs.delete(f"{repository.serial}/{kind}/{name}")

    def resolve(self, repository: Repository, revision: str) -> Commit:
        """The commit of a branch, a tag or a hash (of at least seven digits). HubError RevisionNotFound."""
        bare = revision.removeprefix("refs/")
        for kind in ("heads", "tags"):
            held = self._refs.get(f"{repository.serial}/{kind}/{bare.removeprefix(f'{kind}/')}")
            if held is not None:
                return self.commit(repository, held["commit"])
        if _SHA.fullmatch(revision):
            found = self._commits.items(f"{repository.serial}/{revision}")
            if len(found) == 1:
                return _commit(found[0][1])
        raise no_revision(revision)

    def head(self, repository: Repository, branch: str) -> Commit:
        """The last commit of a branch. HubError RevisionNotFound where no branch has that name."""
        held = self._refs.get(f"{repository.serial}/heads/{branch.removeprefix('refs/heads/')}")
        if held is None:
            raise no_revision(branch)
        return self.commit(repository, held["commit"])

    def commit(self, repository: Repository, sha: str) -> Commit:
        held = self._commits.get(f"{repository.serial}/{sha}")
        if held is None:
            raise HubError(500, f"Commit {sha} is not kept")
        return _commit(held)

    def history(self, repository: Repository, first: Commit) -> list[Commit]:
        """From that one to the beginning."""
        found = [first]
        while found[-1].parents:
            found.append(self.commit(repository, found[-1].parents[0]))
        return found

    def tree(self, repository: Repository, commit: Commit) -> Tree:
        held = self._trees.get(f"{repository.serial}/{commit.tree}")
        return {path: File(*file) for path, file in (held or {}).items()}

    def add_commit(
        self, repository: Repository, tree: Tree, *, parents: Iterable[str], title: str, message: str, author: str
    ) -> Commit:
        """Keep a commit and its tree; no branch points at it yet."""
        held = {path: [file.oid, file.sha256, file.size, file.large] for path, file in sorted(tree.items())}
        tree_sha = _sha(["tree", held])
        date, parents = self._now(), tuple(parents)
        # The counter keeps two commits with the same content within one millisecond apart.
        what = ["commit", tree_sha, parents, title, message, author, date, self._state.next("hub.commit")]
        made = Commit(_sha(what), parents, tree_sha, title, message, author, date)
        self._trees.put(f"{repository.serial}/{tree_sha}", held)
        self._commits.put(f"{repository.serial}/{made.sha}", asdict(made))
        return made

    def _now(self) -> str:
        return written(self._clock.date())


def folder_hash(tree: Tree, folder: str) -> str:
    """The name of a folder's content."""
    return _sha(["tree", sorted((path, file.oid) for path, file in tree.items() if path.startswith(f"{folder}/"))])


def written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def _commit(held: dict[str, Any]) -> Commit:
    parents: list[str] = held["parents"]
    others: dict[str, str] = {name: value for name, value in held.items() if name != "parents"}
    return Commit(parents=tuple(parents), **others)


def _sha(value: object) -> str:
    return hashlib.sha1(json.dumps(value).encode(), usedforsecurity=False).hexdigest()
