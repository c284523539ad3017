"""Checkpoints that are either whole or absent, on any store that can create an object once.

A checkpoint is a folder of objects:

    step-00000200/selector.safetensors    the selector's parameters
    step-00000200/optimizer.pt            optimizer and scheduler state (read with weights_only)
    step-00000200/state.json              step, threads, reference lines, summary, …
    step-00000200/rows.jsonl              metric rows that a kill may have swallowed (see training.tracking)
    step-00000200/picture-*.png           pictures of those rows
    step-00000200/manifest.json           SHA-256 and size of each of the above
    step-00000200/COMMITTED               SHA-256 of the manifest; written last

Without COMMITTED, or when a hash differs, the checkpoint does not count: `latest` says so and takes the one before.
Older ones are deleted only after the new one has been verified in the store, so the last good one is never lost.
The stores have a small protocol: `DiskStore` here, `GcsStore` in training/gcs.py.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from arrcoc_core.errors import CheckpointError
from training.tracking import Row, pack_rows, unpack_rows

if TYPE_CHECKING:
    import torch

COMMITTED = "COMMITTED"
MANIFEST = "manifest.json"
STATE = "state.json"
_FOLDER = re.compile(r"step-(\d{8,})")


class CheckpointStore(Protocol):
    """Objects by name (`folder/file`). Each call is atomic: an object is there whole, or not at all."""

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Create an object durably. False, and nothing changed, when the name is taken."""
        ...

    def get(self, name: str) -> bytes:
        """Its bytes. Raises KeyError when absent."""
        ...

    def list(self) -> list[str]:
        """All names, sorted."""
        ...

    def holds(self, files: Mapping[str, bytes]) -> bool:
        """Whether each of these is there with exactly these bytes, asked of the store itself."""
        ...

    def delete(self, name: str) -> None:
        """Remove it; an absent one is no error."""
        ...


@dataclass(frozen=True)
class Checkpoint:
    """Everything the loop needs to go on as if it had not stopped."""

    step: int
    selector: dict[str, torch.Tensor]
    optimizer: dict[str, Any]  # tensors and plain values only, so that weights_only can read it
    state: dict[str, Any]  # JSON
    rows: list[Row] = field(default_factory=list)


def save(store: CheckpointStore, checkpoint: Checkpoint, *, limit: int) -> str:
    """Commit a checkpoint, then delete all but the newest `limit` (at least 1). Returns the folder's name."""
    folder = f"step-{checkpoint.step:08d}"
    if _is_whole(store, folder):
        return folder
    _remove(store, folder)  # what a killed write left, or a damaged one that was skipped at resume
    files = _pack(checkpoint)
    manifest = {name: {"sha256": _sha256(data), "bytes": len(data)} for name, data in files.items()}
    files[MANIFEST] = json.dumps(manifest, indent=1, sort_keys=True).encode()
    files[COMMITTED] = _sha256(files[MANIFEST]).encode()
    named = {f"{folder}/{name}": data for name, data in files.items()}
    try:
        for name, data in named.items():
            _create(store, name, data)
    except OSError:  # a full disk: what was written of it would only keep it full
        _remove(store, folder)
        raise
    if not store.holds(named):
        raise CheckpointError(
            f"the checkpoint {folder} does not read back as it was written",
            remedy="Check the disk; the checkpoints before it were kept.",
        )
    _tidy(store, folder, limit)
    return folder


def newest_state(store: CheckpointStore) -> dict[str, Any]:
    """The state of the newest checkpoint that is committed and has a whole one, without the tensors; {} for none.

    Nothing is said of those that are skipped: `latest` does.
    """
    for folder in reversed(_folders(store)):
        try:
            return json.loads(_verified(store, folder, only=STATE)[STATE])
        except CheckpointError:
            continue
    return {}


def latest(store: CheckpointStore, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest whole checkpoint; each one that is skipped is said with its reason. None when there is none."""
    for folder in reversed(_folders(store)):
        try:
            return _read(store, folder)
        except CheckpointError as error:
            say(f"skipping checkpoint {folder}: {error}")
    return None


class DiskStore:
    """Objects as files under a directory, each first written under a temporary name and synced to the disk."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        path = self.directory / name
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
            _sync_directory(path.parent.parent)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, path)  # unlike a rename, this fails when the name is taken
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        _sync_directory(path.parent)
        return True

    def get(self, name: str) -> bytes:
        try:
            return (self.directory / name).read_bytes()
        except FileNotFoundError:
            raise KeyError(name) from None

    def list(self) -> list[str]:
        return sorted(p.relative_to(self.directory).as_posix() for p in self.directory.rglob("*") if p.is_file())

    def holds(self, files: Mapping[str, bytes]) -> bool:
        paths = {self.directory / name: data for name, data in files.items()}
        return all(path.is_file() and path.read_bytes() == data for path, data in paths.items())

    def delete(self, name: str) -> None:
        path = self.directory / name
        path.unlink(missing_ok=True)
        if path.parent != self.directory and path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()


def _pack(checkpoint: Checkpoint) -> dict[str, bytes]:
    import torch
    from safetensors.torch import save as save_tensors

    optimizer = io.BytesIO()
    torch.save(checkpoint.optimizer, optimizer)
    selector = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.selector.items()}
    return {
        "selector.safetensors": save_tensors(selector),
        "optimizer.pt": optimizer.getvalue(),
        STATE: json.dumps({**checkpoint.state, "step": checkpoint.step}, sort_keys=True).encode(),
        **pack_rows(checkpoint.rows),
    }


def _read(store: CheckpointStore, folder: str) -> Checkpoint:
    import torch
    from safetensors.torch import load as load_tensors

    files = _verified(store, folder)
    state = json.loads(files[STATE])
    return Checkpoint(
        step=state["step"],
        selector=load_tensors(files["selector.safetensors"]),
        optimizer=torch.load(io.BytesIO(files["optimizer.pt"]), weights_only=True, map_location="cpu"),
        state=state,
        rows=unpack_rows(files),
    )


def _verified(store: CheckpointStore, folder: str, only: str = "") -> dict[str, bytes]:
    """The files of a committed checkpoint, or `only` that one, checked against their hashes. Raises CheckpointError."""
    try:
        committed = store.get(f"{folder}/{COMMITTED}").decode(errors="replace")
    except KeyError:
        raise CheckpointError("it was not written to its end") from None
    try:
        manifest = store.get(f"{folder}/{MANIFEST}")
        if _sha256(manifest) != committed.strip():
            raise CheckpointError(f"{MANIFEST} differs from its hash")
        hashes = {name: entry["sha256"] for name, entry in json.loads(manifest).items() if only in ("", name)}
        files = {name: store.get(f"{folder}/{name}") for name in hashes}
    except KeyError as missing:
        raise CheckpointError(f"{PurePosixPath(missing.args[0]).name} is missing") from None
    for name, expected in hashes.items():
        if _sha256(files[name]) != expected:
            raise CheckpointError(f"{name} differs from its hash")
    return files


def _is_whole(store: CheckpointStore, folder: str) -> bool:
    try:
        _verified(store, folder)
    except CheckpointError:
        return False
    return True


def _create(store: CheckpointStore, name: str, data: bytes) -> None:
    if not store.put_if_absent(name, data):
        raise CheckpointError(
            f"{name} was written by someone else at the same time",
            remedy="Only one trainer may write to a run: end the other one.",
        )


def _tidy(store: CheckpointStore, newest: str, limit: int) -> None:
    """Delete all but `limit` up to `newest`, and damaged ones of later steps, which were skipped at resume."""
    folders = _folders(store)
    place = folders.index(newest)
    for old in folders[: max(0, place + 1 - max(limit, 1))]:
        _remove(store, old)
    for later in folders[place + 1 :]:
        if not _is_whole(store, later):
            _remove(store, later)


def _remove(store: CheckpointStore, folder: str) -> None:
    names = [name for name in store.list() if name.startswith(f"{folder}/")]
    for name in sorted(names, key=lambda name: not name.endswith(f"/{COMMITTED}")):  # the marker goes first
        store.delete(name)


def _folders(store: CheckpointStore) -> list[str]:
    """Folders of checkpoints, whole or not, oldest first."""
    names = {name.split("/", 1)[0] for name in store.list()}
    return sorted((name for name in names if _FOLDER.fullmatch(name)), key=lambda name: int(name[5:]))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
