"""The two hashes that say whether something already ran: of the config, and of the code.

**Config fingerprint**: what changes the result, that is `model`, `tokens`, `data` (without its workers and cache),
`train` and `evaluation`, as canonical JSON, SHA-256, 12 hex digits. Name, compute, checkpoints, logging, hub, tags and
notes are placement and do not count. A field that was added later is left out where it holds its `ABSENT` value.

**Code hash**: names and contents of `job_files()`, committed or not. The same list makes the snapshot an attempt runs
from, the "code changed" badge and, in the cloud, the image.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from arrcoc_core.defaults import ABSENT
from arrcoc_core.experiment import SECTIONS, Experiment
from arrcoc_core.values import field_names

IDENTITY_SECTIONS = ("model", "tokens", "data", "train", "evaluation")
PLACEMENT_FIELDS = frozenset({"data.num_workers", "data.prefetch_factor", "data.feature_cache_gb"})

_IDENTITY_FIELDS = tuple(
    (section, tuple((f"{section}.{name}", name) for name in field_names(SECTIONS[section])))
    for section in IDENTITY_SECTIONS
)
IDENTITY_PATHS = tuple(path for _, fields in _IDENTITY_FIELDS for path, _ in fields if path not in PLACEMENT_FIELDS)
"""Dotted paths of the fields that decide the result."""

JOB_FOLDERS = ("training",)
JOB_CORE = (
    "__init__",
    "cloud/__init__",
    "cloud/calling",
    "cloud/clients",
    "cloud/credentials",
    "cloud/endpoints",
    "cloud/objects",
    "compute",
    "defaults",
    "encoding",
    "errors",
    "experiment",
    "explaining",
    "identity",
    "memory",
    "references",
    "resolved",
    "stored",
    "values",
)
JOB_SINGLES = ("requirements.lock", "Dockerfile")


def fingerprint(experiment: Experiment, absent: Mapping[str, object] = ABSENT) -> str:
    """12 hex digits of a resolved experiment's identity."""
    state = experiment.__dict__
    kept: dict[str, object] = {}
    for section, fields in _IDENTITY_FIELDS:
        held = state[section].__dict__
        for path, name in fields:
            kept[path] = held[name]
    for path in PLACEMENT_FIELDS:
        del kept[path]
    for path, meaning in absent.items():
        if path in kept and kept[path] == meaning:
            del kept[path]
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def job_files(root: Path) -> tuple[Path, ...]:
    """Every file a job needs, relative to the project root, sorted.

    `training/`, the experiment types, the lock, and the Dockerfile where there is one; no caches, hidden files or
    editors' backups.
    """
    found = [Path("arrcoc_core") / f"{name}.py" for name in JOB_CORE]
    found += [Path(name) for name in JOB_SINGLES]
    found = [path for path in found if (root / path).is_file()]
    for folder in JOB_FOLDERS:
        for here, folders, files in os.walk(root / folder):
            folders[:] = [name for name in folders if name != "__pycache__" and not _is_noise(name)]
            inside = Path(here).relative_to(root)
            found += [inside / name for name in files if not _is_noise(name)]
    return tuple(sorted(found))


def code_hash(root: Path) -> str:
    """12 hex digits over names and contents of `job_files(root)`."""
    whole = hashlib.sha256()
    for path in job_files(root):
        whole.update(f"{path.as_posix()}\0{_content_hash(root / path)}\n".encode())
    return whole.hexdigest()[:12]


_hashes: dict[str, tuple[tuple[int, int, int], str]] = {}
"""File -> (modification time in ns, size, inode) and the SHA-256 its content had then."""


def _content_hash(file: Path) -> str:
    status = file.stat()
    state = (status.st_mtime_ns, status.st_size, status.st_ino)
    known = _hashes.get(str(file))
    if known and known[0] == state:
        return known[1]
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    _hashes[str(file)] = (state, digest)
    return digest


def _is_noise(name: str) -> bool:
    return name.startswith(".") or name.endswith((".pyc", "~", ".egg-info"))
