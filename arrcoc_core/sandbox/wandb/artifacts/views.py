"""Artifacts as GraphQL shows them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.wandb.artifacts.store import MANIFEST, Artifact, Sequence
from arrcoc_core.sandbox.wandb.views import connection, timestamp
from arrcoc_core.sandbox.wandb.world import Asked, Project

if TYPE_CHECKING:
    from arrcoc_core.sandbox.wandb.runs import Run


class ArtifactsOfProject:
    """Mixed into a project's view."""

    _asked: Asked
    _project: Project

    def artifact(self, name: str) -> ArtifactView | None:
        found = self._asked.world.artifacts.named(self._project.entity, self._project.name, name)
        return None if found is None else ArtifactView(self._asked, found[1])

    def artifact_collection_membership(self, name: str) -> dict[str, Any] | None:
        found = self._asked.world.artifacts.named(self._project.entity, self._project.name, name)
        return None if found is None else membership(self._asked, found[1])

    def artifact_type(self, name: str) -> TypeView | None:
        return next((found for found in self._types() if found.name == name), None)

    def artifact_types(self, first: int | None = None, after: str | None = None) -> dict[str, Any]:
        return connection(self._types(), lambda found: found, first, after)

    def artifact_collection(self, name: str) -> SequenceView | None:
        found = self._asked.world.artifacts.sequence(self._project.entity, self._project.name, name)
        return None if found is None else SequenceView(self._asked, found)

    def artifact_collections(
        self, first: int | None = None, after: str | None = None, filters: str | None = None, order: str | None = None
    ) -> dict[str, Any]:
        found = self._asked.world.artifacts.sequences(self._project.entity, self._project.name)
        return connection(found, lambda one: SequenceView(self._asked, one), first, after)

    def _types(self) -> list[TypeView]:
        found = self._asked.world.artifacts.sequences(self._project.entity, self._project.name)
        names = dict.fromkeys(sequence.type for sequence in found)
        return [TypeView(self._asked, self._project.entity, self._project.name, name) for name in names]


class ArtifactsOfRun:
    """Mixed into a run's view."""

    _asked: Asked
    _run: Run

    def output_artifacts(self, first: int | None = None, after: str | None = None) -> dict[str, Any]:
        found = self._asked.world.artifacts.of_run(self._run.storage_id)
        return connection(found, lambda one: ArtifactView(self._asked, one), first, after)

    def input_artifacts(self, first: int | None = None, after: str | None = None) -> dict[str, Any]:
        found = self._asked.world.artifacts.used_by(self._run.storage_id)
        return connection(found, lambda one: ArtifactView(self._asked, one), first, after)


class TypeView:
    def __init__(self, asked: Asked, entity: str, project: str, name: str) -> None:
        self._asked = asked
        self._place = (entity, project)
        self.name = name
        self.id = base64.b64encode(f"ArtifactType:{entity}/{project}/{name}".encode()).decode()
        self.description = None
        self.created_at = timestamp(min((one.created for one in self._sequences()), default=0.0))

    def artifact_collection(self, name: str) -> SequenceView | None:
        return next((SequenceView(self._asked, one) for one in self._sequences() if one.name == name), None)

    def artifact_collections(
        self, first: int | None = None, after: str | None = None, filters: str | None = None, order: str | None = None
    ) -> dict[str, Any]:
        return connection(self._sequences(), lambda one: SequenceView(self._asked, one), first, after)

    def _sequences(self) -> list[Sequence]:
        return [one for one in self._asked.world.artifacts.sequences(*self._place) if one.type == self.name]


class SequenceView:
    type_name = "ArtifactSequence"

    def __init__(self, asked: Asked, sequence: Sequence) -> None:
        self._asked = asked
        self._sequence = sequence
        self.id = sequence.id
        self.name = sequence.name
        self.description = None
        self.state = "READY"
        self.created_at = timestamp(sequence.created)
        self.updated_at = self.created_at
        self.digest_algorithm = sequence.algorithm

    def project(self) -> Any:
        from arrcoc_core.sandbox.wandb.projects import ProjectView

        found = self._asked.world.project(self._sequence.entity, self._sequence.project)
        return None if found is None else ProjectView(self._asked, found)

    def default_artifact_type(self) -> TypeView:
        return TypeView(self._asked, self._sequence.entity, self._sequence.project, self._sequence.type)

    def tags(self, first: int | None = None, after: str | None = None) -> dict[str, Any]:
        return {"edges": []}

    def latest_artifact(self) -> ArtifactView | None:
        found = self._asked.world.artifacts.versions(self._sequence)
        return ArtifactView(self._asked, found[0]) if found else None

    def artifact_membership(self, alias_name: str) -> dict[str, Any] | None:
        found = self._asked.world.artifacts.version(self._sequence, alias_name)
        return None if found is None else membership(self._asked, found)

    def artifacts(
        self, first: int | None = None, after: str | None = None, order: str | None = None, filters: str | None = None
    ) -> dict[str, Any]:
        found = self._asked.world.artifacts.versions(self._sequence)
        page = connection(found, lambda one: ArtifactView(self._asked, one), first, after)
        for edge in page["edges"]:
            edge["version"] = f"v{edge['node'].version_index}"
        return page


class ArtifactView:
    def __init__(self, asked: Asked, artifact: Artifact) -> None:
        self._asked = asked
        self._artifact = artifact
        self._artifacts = asked.world.artifacts
        self.id = artifact.id
        self.digest = artifact.digest
        self.state = artifact.state
        self.description = artifact.description
        self.metadata = artifact.metadata
        self.version_index = artifact.version
        self.commit_hash = artifact.commit_hash
        self.size = artifact.size
        self.file_count = artifact.files
        self.history_step = None
        self.ttl_duration_seconds = -1  # as its project has it
        self.ttl_is_inherited = True
        self.created_at = timestamp(artifact.created)
        self.updated_at = timestamp(artifact.updated)
        self.tags: list[Any] = []

    def digest_algorithm(self) -> str:
        return self._artifacts.sequence_of(self._artifact).algorithm

    def created_by(self) -> Any:
        return self._run(self._artifact.run)

    def used_by(self) -> dict[str, Any]:
        found = [run for name in self._artifact.used_by if (run := self._run(name)) is not None]
        return connection(found, lambda run: run, None, None)

    def artifact_type(self) -> TypeView:
        return self.artifact_sequence().default_artifact_type()

    def artifact_sequence(self) -> SequenceView:
        return SequenceView(self._asked, self._artifacts.sequence_of(self._artifact))

    def artifact_memberships(self) -> dict[str, Any]:
        return {"edges": [{"node": membership(self._asked, self._artifact)}]}

    def aliases(self) -> list[dict[str, Any]]:
        return aliases(self._asked, self._artifact)

    def current_manifest(self) -> dict[str, Any] | None:
        held = self._asked.world.files.get(self._artifact.manifest_owner, MANIFEST)
        return None if held is None else manifest(self._asked, self._artifact)

    def files(
        self, names: list[str] | None = None, first: int | None = None, after: str | None = None
    ) -> dict[str, Any]:
        return files(self._asked, self._artifact, names, first, after)

    def files_by_manifest_entries(
        self,
        storage_layout: str,
        manifest_version: str,
        entries: list[dict[str, Any]] | None = None,
        storage_region: str | None = None,
    ) -> dict[str, Any]:
        found = [
            file_view(self._asked, self._artifacts.get(entry.get("birthArtifactID") or "") or self._artifact, name)
            for entry in entries or []
            for name in (entry["name"],)
        ]
        return connection(found, lambda one: one, len(found), None)

    def _run(self, storage_id: str | None) -> Any:
        from arrcoc_core.sandbox.wandb.run_view import RunView

        found = self._asked.world.runs.by_storage_id(storage_id) if storage_id else None
        return None if found is None else RunView(self._asked, found)


def membership(asked: Asked, artifact: Artifact) -> dict[str, Any]:
    """A version in its sequence, `ArtifactCollectionMembership`."""

    def page(names: list[str] | None = None, first: int | None = None, after: str | None = None) -> dict[str, Any]:
        return files(asked, artifact, names, first, after)

    return {
        "id": base64.b64encode(f"ArtifactCollectionMembership:{artifact.number}".encode()).decode(),
        "versionIndex": artifact.version,
        "createdAt": timestamp(artifact.created),
        "aliases": aliases(asked, artifact),
        "artifactCollection": SequenceView(asked, asked.world.artifacts.sequence_of(artifact)),
        "artifact": ArtifactView(asked, artifact),
        "files": page,
    }


def aliases(asked: Asked, artifact: Artifact) -> list[dict[str, Any]]:
    sequence = SequenceView(asked, asked.world.artifacts.sequence_of(artifact))
    return [
        {
            "id": base64.b64encode(f"ArtifactAlias:{artifact.number}/{alias}".encode()).decode(),
            "alias": alias,
            "artifactCollection": sequence,
        }
        for alias in asked.world.artifacts.aliases_of(artifact)
    ]


def manifest(asked: Asked, artifact: Artifact) -> dict[str, Any]:
    address = asked.world.files.address(asked.base, artifact.manifest_owner, MANIFEST)
    file: dict[str, Any] = {
        "id": base64.b64encode(f"ManifestFile:{artifact.number}".encode()).decode(),
        "name": MANIFEST,
        "directUrl": address,
        "uploadUrl": address,
        "uploadHeaders": [],
    }
    return {
        "id": base64.b64encode(f"ArtifactManifest:{artifact.number}".encode()).decode(),
        "digest": artifact.manifest_digest,
        "file": file,
    }


def files(
    asked: Asked, artifact: Artifact, names: list[str] | None, first: int | None, after: str | None
) -> dict[str, Any]:
    found = [held["name"] for held in asked.world.files.of(artifact.owner) if not names or held["name"] in names]
    return connection(found, lambda name: file_view(asked, artifact, name), first, after)


def file_view(asked: Asked, artifact: Artifact, name: str) -> dict[str, Any]:
    """A file of an artifact, there or to be uploaded."""
    held = asked.world.files.get(artifact.owner, name)
    address = asked.world.files.address(asked.base, artifact.owner, name)
    return {
        "id": base64.b64encode(f"ArtifactFile:{artifact.number}/{name}".encode()).decode(),
        "name": name,
        "displayName": name,
        "url": address,
        "directUrl": address,
        "storagePath": f"{artifact.owner}/{name}",
        "uploadUrl": address,
        "uploadHeaders": [],
        "uploadMultipartUrls": None,
        "sizeBytes": held["size"] if held else 0,
        "mimetype": held["mimetype"] if held else None,
        "md5": held["md5"] if held else None,
        "digest": held["md5"] if held else None,
        "updatedAt": timestamp(held["updated"]) if held else None,
        "artifact": ArtifactView(asked, artifact),
    }
