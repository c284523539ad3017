"""Sequences of artifacts, their versions, and the aliases by which versions are named.

A version is made PENDING, its files and its manifest are uploaded, and with its commit it gets its number. One with
the digest of its sequence's newest is that one: nothing new is made.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from arrcoc_core.sandbox.clock import Clock
from arrcoc_core.sandbox.state import State
from arrcoc_core.sandbox.wandb.files import Files

MANIFEST = "wandb_manifest.json"
LATEST = "latest"


@dataclass
class Sequence:
    number: int
    entity: str
    project: str
    type: str
    name: str
    created: float
    algorithm: str = "MANIFEST_MD5"
    versions: int = 0
    """How many have been committed so far."""
    aliases: dict[str, int] = field(default_factory=dict[str, int])
    """Alias -> number of the artifact."""

    @property
    def id(self) -> str:
        return _id("ArtifactCollection", self.number)


@dataclass
class Artifact:
    number: int
    sequence: int
    digest: str
    created: float
    state: str = "PENDING"
    version: int | None = None
    run: str | None = None
    """Storage id of the run that made it."""
    description: str | None = None
    metadata: str | None = None
    updated: float = 0.0
    aliases: list[str] = field(default_factory=list[str])
    """What it is to be called once it is committed."""
    used_by: list[str] = field(default_factory=list[str])
    """Storage ids of runs."""
    client_id: str | None = None
    size: int = 0
    files: int = 0
    manifest_digest: str | None = None

    @property
    def id(self) -> str:
        return _id("Artifact", self.number)

    @property
    def owner(self) -> str:
        """Of its files."""
        return f"artifact-{self.number}"

    @property
    def manifest_owner(self) -> str:
        return f"manifest-{self.number}"

    @property
    def commit_hash(self) -> str:
        return hashlib.sha1(f"{self.number}/{self.digest}".encode()).hexdigest()[:20]


class Artifacts:
    def __init__(self, state: State, files: Files, clock: Clock) -> None:
        self._sequences = state.table("sequence")
        self._artifacts = state.table("artifact")
        self._state = state
        self._files = files
        self._clock = clock

    def sequences(self, entity: str, project: str) -> list[Sequence]:
        found = [Sequence(**held) for held in self._sequences.values()]
        return sorted((s for s in found if (s.entity, s.project) == (entity, project)), key=lambda s: s.number)

    def sequence(self, entity: str, project: str, name: str) -> Sequence | None:
        return next((found for found in self.sequences(entity, project) if found.name == name), None)

    def sequence_of(self, artifact: Artifact) -> Sequence:
        held = self._sequences.get(str(artifact.sequence))
        assert held is not None, f"artifact {artifact.number} has lost its sequence"
        return Sequence(**held)

    def ensure_sequence(self, entity: str, project: str, type_name: str, name: str, algorithm: str) -> Sequence:
        known = self.sequence(entity, project, name)
        if known is not None:
            return known
        number = self._state.next("sequence")
        made = Sequence(number, entity, project, type_name, name, self._clock.now(), algorithm)
        self.put_sequence(made)
        return made

    def put_sequence(self, sequence: Sequence) -> None:
        self._sequences.put(str(sequence.number), dataclasses.asdict(sequence))

    def get(self, artifact_id: str) -> Artifact | None:
        try:
            kind, _, number = base64.b64decode(artifact_id).decode().partition(":")
        except ValueError:
            return None
        return self.by_number(int(number)) if kind == "Artifact" and number.isdigit() else None

    def by_number(self, number: int) -> Artifact | None:
        held = self._artifacts.get(str(number))
        return None if held is None else Artifact(**held)

    def by_client_id(self, client_id: str) -> Artifact | None:
        return next((found for found in self._all() if found.client_id == client_id), None)

    def versions(self, sequence: Sequence) -> list[Artifact]:
        """The committed ones, the newest first."""
        found = [a for a in self._all() if a.sequence == sequence.number and a.state == "COMMITTED"]
        return sorted(found, key=lambda a: -(a.version or 0))

    def of_run(self, storage_id: str) -> list[Artifact]:
        return sorted((a for a in self._all() if a.run == storage_id), key=lambda a: a.number)

    def used_by(self, storage_id: str) -> list[Artifact]:
        return sorted((a for a in self._all() if storage_id in a.used_by), key=lambda a: a.number)

    def named(self, entity: str, project: str, name: str) -> tuple[Sequence, Artifact] | None:
        """By "sequence:alias", "sequence:v3" or "sequence" (its newest)."""
        base, _, alias = name.partition(":")
        sequence = self.sequence(entity, project, base)
        artifact = self.version(sequence, alias or LATEST) if sequence is not None else None
        return (sequence, artifact) if sequence is not None and artifact is not None else None

    def version(self, sequence: Sequence, alias: str) -> Artifact | None:
        if alias in sequence.aliases:
            return self.by_number(sequence.aliases[alias])
        found = self.versions(sequence)
        return next((a for a in found if alias in (f"v{a.version}", a.digest, a.commit_hash)), None)

    def aliases_of(self, artifact: Artifact) -> list[str]:
        return [alias for alias, number in self.sequence_of(artifact).aliases.items() if number == artifact.number]

    def add(self, sequence: Sequence, digest: str, *, deduplicate: bool) -> Artifact:
        """A new version, or the newest one where it has the same content."""
        newest = next(iter(self.versions(sequence)), None)
        if deduplicate and newest is not None and newest.digest == digest:
            return newest
        # The same client asks twice for the artifact that it makes: first by hand, then in logging it.
        pending = [a for a in self._all() if a.sequence == sequence.number and a.state == "PENDING"]
        known = next((a for a in pending if a.digest == digest), None)
        if known is not None:
            return known
        made = Artifact(self._state.next("artifact"), sequence.number, digest, self._clock.now())
        self.put(made)
        return made

    def put(self, artifact: Artifact) -> None:
        artifact.updated = self._clock.now()
        self._artifacts.put(str(artifact.number), dataclasses.asdict(artifact))

    def commit(self, artifact: Artifact) -> None:
        """Number it and give it its aliases; a second time changes nothing."""
        if artifact.state == "COMMITTED":
            return
        sequence = self.sequence_of(artifact)
        artifact.state, artifact.version = "COMMITTED", sequence.versions
        manifest = json.loads(self._files.read(artifact.manifest_owner, MANIFEST) or b"{}")
        contents: dict[str, Any] = manifest.get("contents") or {}
        artifact.size = sum(int(entry.get("size") or 0) for entry in contents.values())
        artifact.files = len(contents)
        sequence.versions += 1
        self.put_sequence(sequence)
        self.put(artifact)
        self.alias(artifact, [*artifact.aliases, LATEST])

    def alias(self, artifact: Artifact, names: list[str]) -> None:
        """These names are this version's from now on; one that is not committed gets them then."""
        if artifact.state != "COMMITTED":
            artifact.aliases = list(dict.fromkeys([*artifact.aliases, *names]))
            self.put(artifact)
            return
        sequence = self.sequence_of(artifact)
        sequence.aliases |= dict.fromkeys(names, artifact.number)
        self.put_sequence(sequence)

    def unalias(self, artifact: Artifact, names: list[str]) -> None:
        sequence = self.sequence_of(artifact)
        for name in names:
            if sequence.aliases.get(name) == artifact.number:
                del sequence.aliases[name]
        self.put_sequence(sequence)

    def delete(self, artifact: Artifact) -> None:
        self.unalias(artifact, self.aliases_of(artifact))
        artifact.state = "DELETED"
        self.put(artifact)
        self._files.delete(artifact.owner)

    def _all(self) -> list[Artifact]:
        return [Artifact(**held) for held in self._artifacts.values()]


def _id(kind: str, number: int) -> str:
    return base64.b64encode(f"{kind}:{number}".encode()).decode()
