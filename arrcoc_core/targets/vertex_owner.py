"""Who drives the runs of a state folder, as other machines see it: what fences of attempts are signed with."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path


def owner(directory: Path) -> str:
    """Who drives the runs of this state folder: the machine's name and a mark kept in the folder."""
    state = directory.parents[1]
    file = state / "owner"
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        partial = file.with_name(f"owner.{os.getpid()}.partial")
        partial.write_text(f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}", encoding="utf-8")
        try:
            os.link(partial, file)  # the first one stays
        except FileExistsError:
            pass
        finally:
            partial.unlink()
        return file.read_text(encoding="utf-8")
