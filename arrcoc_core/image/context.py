"""What Cloud Build gets to see: the job files of a snapshot, packed so that equal files make an equal archive."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

from arrcoc_core.identity import job_files


def write_context(code: Path) -> bytes:
    """A .tar.gz of `job_files(code)`: sorted, without times, owners or other traces of this machine."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in job_files(code):
            data = (code / path).read_bytes()
            entry = tarfile.TarInfo(path.as_posix())
            entry.size = len(data)
            entry.mode = 0o755 if os.access(code / path, os.X_OK) else 0o644
            archive.addfile(entry, io.BytesIO(data))
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as compressed:
        compressed.write(plain.getvalue())
    return packed.getvalue()


def lock_hash(code: Path) -> str:
    """12 hex digits over what the layer of installed packages depends on."""
    held = b"".join(
        (code / name).read_bytes() for name in ("Dockerfile", "requirements.lock") if (code / name).is_file()
    )
    return hashlib.sha256(held).hexdigest()[:12]
