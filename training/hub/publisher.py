"""The trainer's side of an upload: a process beside it, which can neither fail it nor hold it up for long.

At the best evaluation so far (where asked for) the upload goes on while the training does; a better one that comes
meanwhile waits for it, and of those that wait only the newest is sent. In the end the trainer waits for what is on its
way and for the result, for LONGEST_S at most: a rented machine costs money, and `arrcoc upload RUN` does the rest from
anywhere. A signal to the trainer ends an upload at once. When the trainer dies, so does its upload.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from arrcoc_core.experiment import Hub
from training.hub.state import UploadState
from training.ranks import PARENT
from training.signals import StopRequest

LONGEST_S = 600.0
LONGEST = "ARRCOC_UPLOAD_LONGEST_S"
"""Variable with other seconds than LONGEST_S."""
_TO_END_S = 5.0
_LOOK_S = 0.05


class Publisher:
    def __init__(self, run: Path, hub: Hub, say: Callable[[str], None], *, first: bool) -> None:
        """`first`: this is the first rank, which uploads."""
        self._run, self._hub, self._say = run, hub, say
        self.wanted = first and bool(hub.repo)
        self._child: subprocess.Popen[bytes] | None = None
        self._sent: Path | None = None
        self._waiting: Path | None = None

    def send_best(self, step: int, leave: Callable[[Path], None]) -> None:
        """Upload the selector of the best evaluation so far, where that is asked for; `leave` writes it to a folder."""
        if not (self.wanted and self._hub.at_best):
            return
        folder = self._run / "best" / f"step-{step:08d}"
        try:
            leave(folder)
            if self._waiting is not None:
                shutil.rmtree(self._waiting, ignore_errors=True)
            self._waiting = folder
            self._begin_waiting()
        except OSError as error:  # no room for the files, or for a process
            self._say(f"the best selector so far is not uploaded: {error}")

    def finish(self, stop: StopRequest, *, is_best: bool) -> None:
        """Upload the result, which is also the best there was where it `is_best`, and wait for it."""
        longest_s = float(os.environ.get(LONGEST) or LONGEST_S)
        deadline = time.monotonic() + longest_s
        too_late = f"it took longer than {longest_s:.0f} s, and the machine is given back"
        try:
            if is_best:  # what waits is not the best any more
                self._waiting = None
            if self._wait(deadline, stop) and self._begin_waiting():
                self._wait(deadline, stop)
            if stop.name is None and time.monotonic() < deadline:
                self._start(*(["--also-best"] if is_best and self._hub.at_best else []))
            ended = self._wait(deadline, stop)
            if stop.name is not None:
                self._left(f"it was stopped by {stop.name}")
            elif not ended or self._child is None:
                self._left(too_late)
            elif self._child.returncode < 0:
                self._left(f"its process was killed by signal {-self._child.returncode}")
        except OSError as error:
            self._say(f"nothing is uploaded to the Hub: {error}; arrcoc upload {self._run.name} does it later")

    def _begin_waiting(self) -> bool:
        """Begin what waits, when nothing else is on its way."""
        if self._waiting is None or (self._child is not None and self._child.poll() is None):
            return False
        sent, self._sent, self._waiting = self._sent, self._waiting, None
        if sent is not None:
            shutil.rmtree(sent, ignore_errors=True)
        self._start("--folder", self._sent.relative_to(self._run).as_posix(), "--best")
        return True

    def _start(self, *arguments: str) -> None:
        # Without the attempt's number: whoever looks for the trainer by its variables is not to find this one.
        environment = {name: value for name, value in os.environ.items() if name != "ARRCOC_ATTEMPT"}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "training.hub.upload", str(self._run), "--repo", self._hub.repo, *arguments],
            env={**environment, PARENT: str(os.getpid())},
            stdin=subprocess.DEVNULL,
        )

    def _wait(self, deadline: float, stop: StopRequest) -> bool:
        """Until what is on its way has ended; False when it had to be ended."""
        child = self._child
        while child is not None and child.poll() is None:
            if stop.name is not None or time.monotonic() > deadline:
                child.terminate()
                try:
                    child.wait(min(_TO_END_S, stop.seconds_left / 2))
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
                return False
            time.sleep(_LOOK_S)
        return True

    def _left(self, why: str) -> None:
        again = f"arrcoc upload {self._run.name}"
        self._say(f"the upload to {self._hub.repo} did not end: {why}; {again} does it again")
        UploadState(self._run, self._hub.repo).ended("failed", why, again)
