"""Query and Mutation: artifacts."""

from __future__ import annotations

import base64
from typing import Any

from arrcoc_core.sandbox.wandb.artifacts.store import Artifact, Artifacts
from arrcoc_core.sandbox.wandb.artifacts.views import ArtifactView, file_view, manifest
from arrcoc_core.sandbox.wandb.graphql import WandbError
from arrcoc_core.sandbox.wandb.views import connection
from arrcoc_core.sandbox.wandb.world import Asked


class ArtifactFields:
    """Mixed into the root, which has `_asked`."""

    _asked: Asked

    @property
    def _artifacts(self) -> Artifacts:
        return self._asked.world.artifacts

    def artifact(self, id: str) -> ArtifactView | None:
        found = self._artifacts.get(id)
        if found is None or not self._asked.readable(self._artifacts.sequence_of(found).entity):
            return None
        return ArtifactView(self._asked, found)

    def client_idmapping(self, client_id: str) -> dict[str, Any] | None:
        found = self._artifacts.by_client_id(client_id)
        return None if found is None else {"serverID": found.id}

    def create_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        entity, project = input["entity_name"], input["project_name"]
        self._asked.check_writable(entity, "createArtifact")
        names = input.get("artifact_collection_names") or [input.get("artifact_collection_name") or ""]
        if not names[0]:
            raise WandbError(400, "createArtifact: the artifact has no name")
        self._asked.world.ensure_project(entity, project)
        algorithm = input["digest_algorithm"]
        sequence = self._artifacts.ensure_sequence(entity, project, input["artifact_type_name"], names[0], algorithm)
        if sequence.type != input["artifact_type_name"]:
            raise WandbError(400, f"artifact {names[0]} is of type {sequence.type}, not {input['artifact_type_name']}")
        deduplicate = bool(input.get("enable_digest_deduplication"))
        made = self._artifacts.add(sequence, input["digest"], deduplicate=deduplicate)
        if made.state == "PENDING":
            run = self._asked.world.runs.get(entity, project, input.get("run_name") or "")
            made.run = run.storage_id if run is not None else made.run
            made.description = input.get("description") or made.description
            made.metadata = input.get("metadata") or made.metadata
            made.client_id = input.get("client_id") or made.client_id
            self._artifacts.put(made)
        aliases: list[dict[str, Any]] = input.get("aliases") or []
        self._artifacts.alias(made, [alias["alias"] for alias in aliases])
        return {"artifact": ArtifactView(self._asked, made)}

    def create_artifact_manifest(self, input: dict[str, Any]) -> dict[str, Any]:
        artifact = self._own(input["artifact_id"], "createArtifactManifest")
        return self._manifest(artifact, input["digest"])

    def update_artifact_manifest(self, input: dict[str, Any]) -> dict[str, Any]:
        number = base64.b64decode(input["artifact_manifest_id"]).decode().partition(":")[2]
        found = self._artifacts.by_number(int(number)) if number.isdigit() else None
        if found is None:
            raise WandbError(404, "artifact manifest not found during updateArtifactManifest")
        return self._manifest(self._own(found.id, "updateArtifactManifest"), input.get("digest"))

    def create_artifact_files(self, input: dict[str, Any]) -> dict[str, Any]:
        files = [
            file_view(self._asked, self._own(spec["artifactID"], "createArtifactFiles"), spec["name"])
            for spec in input["artifact_files"]
        ]
        return {"files": connection(files, lambda one: one, len(files), None)}

    def commit_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        artifact = self._own(input["artifact_id"], "commitArtifact")
        self._artifacts.commit(artifact)
        return {"artifact": ArtifactView(self._asked, artifact)}

    def update_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        artifact = self._own(input["artifact_id"], "updateArtifact")
        for name in ("description", "metadata"):
            if input.get(name) is not None:
                setattr(artifact, name, input[name])
        self._artifacts.put(artifact)
        if input.get("aliases") is not None:
            wanted = [alias["alias"] for alias in input["aliases"]]
            self._artifacts.unalias(artifact, [a for a in self._artifacts.aliases_of(artifact) if a not in wanted])
            self._artifacts.alias(artifact, wanted)
        return {"artifact": ArtifactView(self._asked, artifact)}

    def delete_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        artifact = self._own(input["artifact_id"], "deleteArtifact")
        if self._artifacts.aliases_of(artifact) and not input.get("delete_aliases"):
            raise WandbError(400, "cannot delete an artifact that has aliases")
        self._artifacts.delete(artifact)
        return {"artifact": ArtifactView(self._asked, artifact)}

    def use_artifact(self, input: dict[str, Any]) -> dict[str, Any]:
        run = self._asked.own_run(input["entity_name"], input["project_name"], input["run_name"], "useArtifact")
        artifact = self._own(input["artifact_id"], "useArtifact")
        if run.storage_id not in artifact.used_by:
            artifact.used_by.append(run.storage_id)
            self._artifacts.put(artifact)
        return {"artifact": ArtifactView(self._asked, artifact)}

    def add_aliases(self, input: dict[str, Any]) -> dict[str, Any]:
        artifact = self._own(input["artifact_id"], "addAliases")
        self._artifacts.alias(artifact, [alias["alias"] for alias in input["aliases"]])
        return {"success": True}

    def delete_aliases(self, input: dict[str, Any]) -> dict[str, Any]:
        artifact = self._own(input["artifact_id"], "deleteAliases")
        self._artifacts.unalias(artifact, [alias["alias"] for alias in input["aliases"]])
        return {"success": True}

    def _manifest(self, artifact: Artifact, digest: str | None) -> dict[str, Any]:
        artifact.manifest_digest = digest or artifact.manifest_digest
        self._artifacts.put(artifact)
        return {"artifactManifest": manifest(self._asked, artifact)}

    def _own(self, artifact_id: str, what: str) -> Artifact:
        found = self._artifacts.get(artifact_id)
        if found is None:
            raise WandbError(404, f"artifact {artifact_id} not found during {what}")
        self._asked.check_writable(self._artifacts.sequence_of(found).entity, what)
        return found
