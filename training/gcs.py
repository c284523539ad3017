"""Checkpoints in Cloud Storage: the store's protocol over conditional writes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from arrcoc_core.cloud.objects import Objects, crc32c
from training.checkpoints import CheckpointStore, DiskStore

PLACE = "ARRCOC_CHECKPOINTS"
"""Variable that names the folder (`gs://…`) where it is not the run's own directory."""
_PATIENCE_S = 120.0


class GcsStore:
    """Objects in a folder of a bucket. What was written is verified by the size and CRC32C that the bucket holds."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def put_if_absent(self, name: str, data: bytes) -> bool:
        return self._objects.put_if_absent(name, data)

    def get(self, name: str) -> bytes:
        return self._objects.get(name)

    def list(self) -> list[str]:
        return [stored.name for stored in self._objects.listing()]

    def holds(self, files: Mapping[str, bytes]) -> bool:
        folders = {name.split("/", 1)[0] for name in files}
        stored = [entry for folder in folders for entry in self._objects.listing(f"{folder}/")]
        there = {entry.name: (entry.size, entry.crc32c) for entry in stored}
        return all(there.get(name) == (len(data), crc32c(data)) for name, data in files.items())

    def delete(self, name: str) -> None:
        self._objects.delete(name)


def open_store(directory: Path) -> CheckpointStore:
    """Where the checkpoints of the run in `directory` are kept."""
    place = os.environ.get(PLACE)
    if not place:
        return DiskStore(directory / "checkpoints")
    from training.vertex_machine import open_cloud

    return GcsStore(Objects(open_cloud().storage(), place, patience_s=_PATIENCE_S))
