"""Processes that outlive the one that started them, known by (pid, stamp).

A pid alone is not an identity: it is used again after a while, and at once after a reboot. The stamp is the
kernel's own start time of the process, together with the id of this boot where the system has one (Linux), so that
neither a clock that is set nor a reboot can make two processes look alike. A zombie counts as gone: it runs nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def stamp(pid: int) -> str | None:
    """What tells this process from an earlier or later one with the same pid; None when no such process runs."""
    if not _has_proc():
        return _portable_stamp(pid)
    try:
        line = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in parentheses and may hold anything, even ")".
    fields = line[line.rindex(")") + 2 :].split()
    if fields[0] in "ZXx":
        return None
    return f"{_boot_id()}:{fields[19]}"


def alive(pid: int, known_stamp: str) -> bool:
    """Whether exactly that process still runs."""
    return pid > 0 and stamp(pid) == known_stamp


def send(pid: int, known_stamp: str, signum: signal.Signals) -> bool:
    """Signal exactly that process; False when it is gone."""
    if not alive(pid, known_stamp):
        return False
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return False
    return True


def kill_session(leader: int, marks: Mapping[str, str]) -> None:
    """Kill what is left of the session that `leader` had started: helpers of a trainer that has ended.

    `marks` are variables that the leader was started with and its helpers have inherited. When nobody watched it end,
    its number may be that of somebody else's session by now (after a reboot it soon is): that one has no such marks.
    """
    import psutil

    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and marks.items() <= process.environ().items():
                process.kill()
        except (ProcessLookupError, PermissionError, psutil.Error):
            continue


def spawn_detached(command: Sequence[str], *, cwd: Path, log: Path, env: Mapping[str, str] | None = None) -> None:
    """Start a process that belongs to nobody: own session, no terminal, output appended to `log`.

    A shell starts it in the background and ends at once, so that it is no child of ours: an app that stays open
    collects no zombies, and a closed one takes nothing with it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        subprocess.run(
            ["/bin/sh", "-c", '"$@" &', "sh", *command],
            cwd=cwd,
            env=dict(os.environ if env is None else env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            check=True,
        )


@lru_cache
def _has_proc() -> bool:
    return _BOOT_ID.exists()


@lru_cache
def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()


def _portable_stamp(pid: int) -> str | None:
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None
