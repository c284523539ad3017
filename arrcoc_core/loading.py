"""Runs `discovery_child` for a file and brings back its report, whatever the file does.

A child has its own session, no input or output, a time limit, and one pipe for its report. It may print, hang, crash,
fork, leave threads behind or end the interpreter: the result is a report with an error at file:line, in time, and no
process is left.
"""

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from arrcoc_core.discovery_child import relative
from arrcoc_core.encoding import Plain
from arrcoc_core.settings import LOADING

GRACE_S = 3.0
"""Seconds after the limit at which a child that does not even end by itself is killed."""


def load_in_child(root: Path, file: Path, timeout_s: float) -> Plain:
    """The report on one file; its keys are those of `discovery_child.load`, and `timed_out` where it did."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as faults:
        child = subprocess.Popen(
            [sys.executable, "-m", "arrcoc_core.discovery_child"]
            + [str(root), str(file), str(writing), str(faults.fileno()), str(timeout_s)],
            cwd=root,
            env={**os.environ, LOADING: "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(writing, faults.fileno()),
            start_new_session=True,
        )
        os.close(writing)
        try:
            text = _read(reading, child, time.monotonic() + timeout_s + GRACE_S)
        finally:
            os.close(reading)
            code = _end(child)
        if text is not None:
            return _parsed(text, root, file)
        return _silent(root, file, code, timeout_s, faults)


def _read(channel: int, child: "subprocess.Popen[bytes]", deadline: float) -> bytes | None:
    """The whole report, or None where the child ended, or the time did, before it was written."""
    got = bytearray()
    while time.monotonic() < deadline:
        ended = child.poll() is not None
        # A grandchild may hold the pipe open for ever: its end is not waited for.
        ready, _, _ = select.select([channel], [], [], 0 if ended else 0.1)
        if ready:
            part = os.read(channel, 1 << 20)
            if not part:
                return None
            got += part
            if len(got) >= 8 and len(got) - 8 >= int.from_bytes(got[:8], "big"):
                return bytes(got[8 : 8 + int.from_bytes(got[:8], "big")])
        elif ended:
            return None
    return None


def _end(child: "subprocess.Popen[bytes]") -> int:
    """Let a child that is through end by itself; kill it otherwise, and whatever it started. Gives its exit code."""
    with suppress(subprocess.TimeoutExpired):
        child.wait(timeout=0.5)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    return child.wait()


def _parsed(text: bytes, root: Path, file: Path) -> Plain:
    import json

    try:
        report: Any = json.loads(text)
        return {"error": report["error"], "entries": report["entries"]} | report
    except (ValueError, KeyError, TypeError):
        return _failed("The file wrote into the channel of its own report.", root, (str(file), 1), "")


def _silent(root: Path, file: Path, code: int, timeout_s: float, faults: IO[bytes]) -> Plain:
    """The report for a child that gave none: it hung, crashed or left."""
    faults.seek(0)
    trace = faults.read(20_000).decode(errors="replace")
    at = _fault_line(trace, root) or (str(file), 1)
    if trace.startswith("Timeout") or code == -signal.SIGKILL:
        report = _failed(
            f"The file did not finish loading within {timeout_s:g} s.",
            root,
            at,
            trace,
            'Look for an endless loop or slow work, and put it under: if __name__ == "__main__":',
        )
        report["timed_out"] = True
        return report
    if code < 0:
        name = signal.Signals(-code).name
        return _failed(f"The interpreter crashed while it loaded the file ({name}).", root, at, trace)
    return _failed(
        f"The file ended the interpreter while it loaded (exit code {code}).",
        root,
        at,
        trace,
        "Look for os._exit, or a library that calls it.",
    )


def _failed(message: str, root: Path, at: tuple[str, int], trace: str, remedy: str = "") -> Plain:
    file, line = at
    error = {"message": message, "remedy": remedy, "line": line, "traceback": trace, "lasting": False}
    return {"error": {**error, "file": relative(file, root)}, "entries": [], "sweeps": [], "sites": [], "depends": []}


def _fault_line(trace: str, root: Path) -> tuple[str, int] | None:
    """The innermost line of the user's own in what faulthandler wrote."""
    for file, line in re.findall(r'File "([^"]+)", line (\d+) in', trace):
        if root / "experiments" in Path(file).parents:
            return file, int(line)
    return None
