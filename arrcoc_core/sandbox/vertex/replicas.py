"""A machine of a job: one process with the container's arguments and environment, in a folder of its own.

A small shell watches it and writes its exit code to a file, so that a sandbox that was killed and started again can
still learn how it ended. Its output goes to files; output.py reads them. Nothing of the sandbox's own environment is
inherited.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from arrcoc_core import processes

_WATCH = 'trap : TERM INT HUP; "$@"; code=$?; echo $code > "$0.partial"; mv "$0.partial" "$0"'
_PYTHONS = {"python", "python3", "/usr/bin/python", "/usr/bin/python3", "/usr/local/bin/python"}


class Replica(NamedTuple):
    """A started machine; JSON in the job's record."""

    task: str
    """workerpool0-0"""
    folder: str
    pid: int
    stamp: str


class Machine(NamedTuple):
    """A machine to start."""

    task: str
    folder: Path
    """Of its own: root/ holds the image's files, home/ is its HOME."""
    workdir: str
    """In the image."""
    command: Sequence[str]
    environment: Mapping[str, str]


def start(machine: Machine) -> Replica:
    """Start its process; the image's files are there already."""
    root = machine.folder / "root"
    workdir = root / machine.workdir.lstrip("/")
    workdir.mkdir(parents=True, exist_ok=True)
    for place in (machine.folder / "home", temporary(machine.folder)):
        place.mkdir(exist_ok=True)
    for name in ("exit", "stdout", "stderr"):
        (machine.folder / name).unlink(missing_ok=True)
    command = [_in_image(part, root) for part in machine.command]
    if command and command[0] in _PYTHONS:
        command[0] = sys.executable
    with (machine.folder / "stdout").open("wb") as output, (machine.folder / "stderr").open("wb") as errors:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, str(machine.folder / "exit"), *command],
            cwd=workdir,
            env={**basics(machine.folder), **machine.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
    _children[process.pid] = process
    return Replica(machine.task, str(machine.folder), process.pid, processes.stamp(process.pid) or "")


_children: dict[int, subprocess.Popen[bytes]] = {}


def _in_image(part: str, root: Path) -> str:
    """A word of the command; an absolute path to a file of the image becomes where that file is here."""
    place = root / part.lstrip("/")
    return str(place) if part.startswith("/") and place.is_file() else part


def basics(folder: Path) -> dict[str, str]:
    """All that a machine has from this one: where its programs are, and folders of its own."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": str(folder / "home"),
        "TMPDIR": str(temporary(folder)),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def temporary(folder: Path) -> Path:
    """A machine's TMPDIR. Short: sockets are made in it, and their paths have at most 107 characters."""
    return Path(tempfile.gettempdir()) / f"arrcoc-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


def clear(replica: Replica) -> None:
    """Remove what a machine that has ended held, but for what it printed."""
    folder = Path(replica.folder)
    for place in (folder / "root", folder / "home", temporary(folder)):
        shutil.rmtree(place, ignore_errors=True)


def running(replica: Replica) -> bool:
    child = _children.get(replica.pid)
    if child is not None and child.poll() is not None:
        del _children[replica.pid]  # collected: no zombie stays
        return False
    return processes.alive(replica.pid, replica.stamp)


def exit_code(replica: Replica) -> int | None:
    """How its process ended; None while it runs, or when it was killed together with the shell that watched it."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int((Path(replica.folder) / "exit").read_text())
    return None


def ask_to_end(replica: Replica) -> None:
    """SIGTERM to the machine's processes."""
    if processes.alive(replica.pid, replica.stamp):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(replica.pid, signal.SIGTERM)


def end(replica: Replica) -> None:
    """SIGKILL to everything that the machine runs, also to what has left its process group."""
    import psutil

    found: list[Any] = []
    if processes.alive(replica.pid, replica.stamp):
        with contextlib.suppress(psutil.Error):
            found = psutil.Process(replica.pid).children(recursive=True)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(replica.pid, signal.SIGKILL)
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()
    child = _children.pop(replica.pid, None)
    if child is not None:
        child.wait(timeout=10)
    end_strays(Path(replica.folder))


def end_strays(folder: Path) -> None:
    """Kill every process that was started as part of this machine: by its HOME, which nothing else has."""
    import psutil

    home = str(folder / "home")
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if process.environ().get("HOME") == home:
                process.kill()


def cluster_spec(pools: Mapping[str, Sequence[str]], pool: str, index: int, job: Mapping[str, Any]) -> str:
    """CLUSTER_SPEC as Vertex AI sets it: pool name -> addresses, and which of them this is."""
    spec = {
        "cluster": {name: list(addresses) for name, addresses in pools.items()},
        "environment": "cloud",
        "task": {"type": pool, "index": index},
        "job": json.dumps(job),
    }
    return json.dumps(spec)
