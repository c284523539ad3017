"""This machine: each attempt is a detached process in a session of its own.

The process is the trainer itself, with nothing around it: its (pid, stamp) is the handle, a signal reaches it
directly, and its standard output and error are the attempt's log file. It outlives whoever started it. The keys of
the accounts it logs to are looked for when it starts, and are in its environment and nowhere else.

How it ended is known from its exit status where its parent still watches, and otherwise from what it left behind: the
trainer's last act is to write its exit code to `logs/attempt-<n>.exit`, and a complete result has a `DONE` in it. One
that is gone and left neither was killed.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from arrcoc_core.accounts.keys import find_key
from arrcoc_core.cloud.endpoints import load_endpoints
from arrcoc_core.errors import ConfigError
from arrcoc_core.facts import PASSED_ON
from arrcoc_core.observing import Observation, Preparation
from arrcoc_core.processes import alive, kill_session, send, stamp
from arrcoc_core.targets import AttemptKey, Handle, JobRequest, NoRoomError, Verdict

_NOT_INHERITED = frozenset(
    {
        *PASSED_ON,  # the launch's own values are in the plan; what it had not set is not set
        *("PYTHONSAFEPATH", "PYTHONSTARTUP", "PYTHONHOME"),
        "HF_ENDPOINT",
        *("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"),  # of a job that launches this one
    }
)
_NO_ROOM = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT})
_LAST_LINE_BYTES = 4096


class LocalTarget:
    """Keeps the processes it started, to learn their exit status; knows all others by their handle."""

    def __init__(self) -> None:
        self._children: dict[tuple[int, str], subprocess.Popen[bytes]] = {}

    def prepare(self, request: JobRequest, run_id: str, held: Mapping[str, Any]) -> Preparation:
        return Preparation("ready")

    def clear(self, request: JobRequest, run_id: str, held: Mapping[str, Any], verdict: Verdict) -> Observation:
        return Observation("absent")

    def submit(self, request: JobRequest, key: AttemptKey) -> Handle:
        log = log_path(request.directory, key.n)
        started = time.time()
        try:
            log.parent.mkdir(exist_ok=True)
            exit_path(request.directory, key.n).unlink(missing_ok=True)
            with log.open("ab") as output:
                child = subprocess.Popen(
                    request.command,
                    cwd=request.directory / "code",
                    env=_environment(request, key),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
        except (OSError, MemoryError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_ROOM:
                raise
            raise NoRoomError(f"this machine has no room for another process: {error}") from error
        # A child that has ended already is a zombie until it is polled, and has no stamp any more.
        mark = stamp(child.pid) or "ended at once"
        self._children[child.pid, mark] = child
        return _handle(request, key, child.pid, mark, started)

    def find(self, request: JobRequest, key: AttemptKey) -> Handle | None:
        import psutil

        for process in psutil.process_iter():
            try:
                if str(request.directory) not in process.cmdline()[1:]:
                    continue
                environment = process.environ()
                mark = stamp(process.pid)
                started = process.create_time()
            except psutil.Error:
                continue
            if _marks(key).items() <= environment.items() and "RANK" not in environment and mark is not None:
                return _handle(request, key, process.pid, mark, started)
        if exit_path(request.directory, key.n).exists():  # it has ended before anybody knew its number
            return _handle(request, key, 0, "ended unseen", time.time())
        return None

    def observe(self, handle: Handle) -> Observation:
        directory, pid = Path(handle["directory"]), int(handle["pid"])
        child = self._children.get((pid, str(handle["stamp"])))
        if child is not None:
            code = child.poll()
            if code is None:
                return Observation("alive", busy=_busy(directory, handle))
            exit_code: int | None = code  # kept, for when it cannot be written down now and is asked again
        elif alive(pid, str(handle["stamp"])):
            return Observation("alive", busy=_busy(directory, handle))
        else:
            exit_code = _left_behind(directory, int(handle["n"]))
        kill_session(pid, _marks(AttemptKey(directory.name, int(handle["n"]))))
        return Observation(
            "ended",
            committed_step=committed_step(directory),
            exit_code=exit_code,
            done=(directory / "result" / "DONE").exists(),
            reason="" if exit_code in (0, 75) or (exit_code or -1) < 0 else _last_line(directory, int(handle["n"])),
        )

    def logs(self, handle: Handle, cursor: int) -> tuple[list[str], int]:
        return read_lines(log_path(Path(handle["directory"]), int(handle["n"])), cursor)

    def cancel(self, handle: Handle, *, force: bool = False, stop: str = "", verdict: Verdict | None = None) -> None:
        send(int(handle["pid"]), str(handle["stamp"]), signal.SIGKILL if force else signal.SIGTERM)


def log_path(directory: Path, n: int) -> Path:
    """Where attempt `n` prints to."""
    return directory / "logs" / f"attempt-{n}.log"


def exit_path(directory: Path, n: int) -> Path:
    """Where the trainer of attempt `n` leaves its exit code."""
    return directory / "logs" / f"attempt-{n}.exit"


def committed_step(directory: Path) -> int:
    """Step of the newest committed checkpoint of a run; -1 where there is none."""
    found = (directory / "checkpoints").glob("step-*/COMMITTED")
    steps = [path.parent.name.removeprefix("step-") for path in found]
    return max((int(step) for step in steps if step.isdigit()), default=-1)


def read_lines(path: Path, cursor: int, *, partial: bool = False) -> tuple[list[str], int]:
    """Lines after byte `cursor` and the byte after them; an unfinished last line only with `partial`."""
    try:
        with path.open("rb") as file:
            file.seek(cursor)
            data = file.read()
    except FileNotFoundError:
        return [], cursor
    end = len(data) if partial else data.rfind(b"\n") + 1
    return data[:end].decode("utf-8", errors="replace").splitlines(), cursor + end


def read_json(path: Path) -> dict[str, Any] | None:
    """A small file that its writer replaces whole; None while it is not there."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:  # written by something that does not replace it whole
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def _handle(request: JobRequest, key: AttemptKey, pid: int, mark: str, started: float) -> Handle:
    return {
        "kind": "local",
        "pid": pid,
        "stamp": mark,
        "directory": str(request.directory),
        "n": key.n,
        "started_at": started,
    }


def _environment(request: JobRequest, key: AttemptKey) -> dict[str, str]:
    """This user's environment, without what steers a run (the plan's variables do), and with the plan's variables.

    The supervisor that starts it may be of another shell than the launch.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in _NOT_INHERITED and not name.startswith("WANDB_")
    }
    return {
        **inherited,
        **_keys(request),
        **request.environment,
        "WANDB_DIR": str(request.directory),
        **_marks(key),
    }


def _keys(request: JobRequest) -> dict[str, str]:
    """What it logs in with, as this machine has it now: W&B's key where it logs online, a sandbox's Hub token."""
    try:
        endpoints = load_endpoints(str(request.plan.get("endpoints", "")))
    except ConfigError:  # the sandbox was reset: the trainer finds no server, says so, and logs offline
        return {}
    wanted = ["WANDB_API_KEY"] if request.environment.get("WANDB_MODE") == "online" else []
    wanted += ["HF_TOKEN"] if "huggingface" in endpoints.services else []
    url = request.environment.get("WANDB_BASE_URL", "")
    found = (find_key(variable, url, endpoints) for variable in wanted)
    return {key.variable: key.value for key in found if key is not None}


def _marks(key: AttemptKey) -> dict[str, str]:
    """The variables that a trainer, and all that it starts, is known by."""
    return {"ARRCOC_RUN_ID": key.run_id, "ARRCOC_ATTEMPT": str(key.n)}


def _busy(directory: Path, handle: Handle) -> bool:
    """Whether this attempt (not an earlier one) has reported anything beyond starting."""
    progress = read_json(directory / "progress.json")
    if progress is None or progress.get("phase") == "starting":
        return False
    try:
        told = datetime.fromisoformat(str(progress.get("updated_at"))).timestamp()
    except ValueError:
        return False
    return told >= float(handle["started_at"])


def _left_behind(directory: Path, n: int) -> int | None:
    try:
        return int(exit_path(directory, n).read_text())
    except (FileNotFoundError, ValueError):
        return None


def _last_line(directory: Path, n: int) -> str:
    """The last line it printed, without its time: for an error, what was raised."""
    path = log_path(directory, n)
    size = path.stat().st_size if path.exists() else 0
    lines, _ = read_lines(path, max(0, size - _LAST_LINE_BYTES), partial=True)
    said = [line for line in lines if line.strip()]
    if not said:
        return ""
    first, _, rest = said[-1].strip().partition(" ")
    return rest if first.endswith("Z") and "T" in first and rest else said[-1].strip()
