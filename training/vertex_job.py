"""One attempt in the cloud: `python -m training.train gs://bucket/runs/ID`, as a container of Vertex AI runs it.

This process does not train. It makes a scratch directory that looks like a run's directory here, starts the trainer on
it (a process for each GPU), and keeps the run's folder in Cloud Storage up to date: `attempts/<n>/` (see
training/attempt.py), `stream/` and `files/` (training/stream.py). Checkpoints the trainer writes there itself. However
it ends, its last words are sent and its exit code is left; after an end for good, a container that is started again
ends at once with the same code.

SIGTERM: the machine goes away within half a minute, if that is told at all. The trainer gets GRACE_S seconds for the
step it is in and a last checkpoint, the streams get the rest of TERM_S; the exit code is 75, never 0.

Of several machines (training/vertex_machine.py) the first does all this; the others only train.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

from arrcoc_core.cloud.clients import Cloud
from arrcoc_core.cloud.objects import Objects
from arrcoc_core.errors import ArrcocError, CloudError, ConfigError, render
from arrcoc_core.stored import EXPERIMENT_FILE, load_experiment
from training.attempt import DUPLICATE_EXIT_CODE, Attempt, DuplicateError
from training.cost import RATE, Cost
from training.devices import STAND_IN, gpus_asked_for, stand_in_ranks
from training.echo import Echo
from training.gcs import PLACE, GcsStore
from training.progress import utc_now
from training.ranks import Ranks
from training.results import FOUND_IN
from training.secret_keys import read_secrets
from training.signals import GRACE, STOPPED_EXIT_CODE
from training.stream import PROGRESS, Stream
from training.tracking import STREAMED
from training.vertex_machine import Nodes, check_output_directory, open_cloud

TERM_S = 15.0
GRACE_S = 9.0
HEARTBEAT_S = 15.0
_FLUSH_S = 900.0  # how long the end of a training waits for a bucket that cannot be reached
_PATIENCE_S = 120.0
_LAST_BYTES = 8192


def run_in_cloud(run_uri: str) -> int:
    """Train the attempt that the environment describes; the exit code."""
    job = Job(run_uri.rstrip("/"))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, job.stop)
    return job.run()


class Job:
    def __init__(self, run_uri: str) -> None:
        self._uri = run_uri
        self._checkpoints = f"{run_uri}/checkpoints"
        self._n = int(os.environ.get("ARRCOC_ATTEMPT") or 1)
        self._id = os.environ.get("CLOUD_ML_JOB_ID") or f"{socket.gethostname()}-{os.getpid()}"
        self._directory = Path(tempfile.mkdtemp(prefix="run-"))
        self._log = self._directory / "logs" / f"attempt-{self._n}.log"
        self._log.parent.mkdir()
        self._log.touch()
        self._streamed = self._directory / ".streamed"
        self._stopped_at: float | None = None
        self._ranks: Ranks | None = None
        self._attempt: Attempt | None = None  # on the first machine, once it is ours
        self._stream: Stream | None = None
        self._cost: Cost | None = None
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._ended = threading.Event()
        self._left_at = 0.0
        self._lost: DuplicateError | None = None

    def stop(self, number: int, _frame: object) -> None:
        """Asked to end, by a signal: pass it on to the trainer, and end in time whatever happens."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
            signal.signal(signal.SIGALRM, lambda _number, _frame: os._exit(STOPPED_EXIT_CODE))
            signal.setitimer(signal.ITIMER_REAL, TERM_S)
        if self._ranks is not None:
            self._ranks.send(number)

    def run(self) -> int:
        """The whole life of the container; the exit code."""
        with Echo(self._log):
            try:
                code = self._attend()
            except ArrcocError as error:
                self._write(render(error))
                code = error.exit_code
            except Exception:  # noqa: BLE001 - it belongs into the log that is streamed
                self._write(traceback.format_exc())
                code = 1
            if self._attempt is not None and code != DUPLICATE_EXIT_CODE:
                code = self._leave(self._attempt, code)
        shutil.rmtree(self._directory, ignore_errors=True)
        return code

    def _attend(self) -> int:
        """Everything up to the end of the trainer; its exit code."""
        nodes = Nodes.from_environment()
        check_output_directory(self._uri)
        cloud = open_cloud()
        run = Objects(cloud.storage(), self._uri, patience_s=_PATIENCE_S)
        if nodes.rank == 0:
            attempt = Attempt(run, self._n, self._id)
            began, before = attempt.claim()
            ended = attempt.ended() if before else None
            if ended is not None:
                self._say(f"this attempt has ended with code {ended} before: nothing is done again")
                return ended
            attempt.check_later()
            self._attempt = attempt
            rate = os.environ.get(RATE)
            checkpoints = GcsStore(Objects(cloud.storage(), self._checkpoints, patience_s=_PATIENCE_S))
            self._cost = Cost(float(rate), began, attempt.usd_before(checkpoints)) if rate else None
            self._heart.start()
            stream = Stream(Objects(cloud.storage(), self._uri), self._directory, self._streamed, self._say)
            stream.start()
            self._stream = stream
            if before:
                self._say("this container was started again: going on from the newest checkpoint")
        try:
            (self._directory / EXPERIMENT_FILE).write_bytes(run.get(EXPERIMENT_FILE))
        except KeyError:
            raise ConfigError(
                f"there is no {EXPERIMENT_FILE} in {self._uri}", remedy="Launch the run again: arrcoc launch NAME"
            ) from None
        return self._train(nodes, cloud)

    def _train(self, nodes: Nodes, cloud: Cloud) -> int:
        """Start the ranks and wait for them."""
        compute = load_experiment(self._directory).experiment.compute
        count = int(os.environ.get("ARRCOC_GPU_COUNT") or max(1, gpus_asked_for(compute)))
        if os.environ.get(STAND_IN):
            count = stand_in_ranks(count)
        run_id = os.environ.get("ARRCOC_RUN_ID") or self._uri.rsplit("/", 1)[1]
        environment = {
            **os.environ,
            **read_secrets(cloud, self._say),
            **(self._cost.environment() if self._cost else {}),
            "ARRCOC_RUN_ID": run_id,
            "ARRCOC_ATTEMPT": str(self._n),
            "PYTHONUNBUFFERED": "1",
            "WANDB_DIR": str(self._directory),
            PLACE: self._checkpoints,
            FOUND_IN: f".arrcoc/runs/{run_id}/result",
            STREAMED: str(self._streamed),
            GRACE: str(GRACE_S),
        }
        where = f", machine {nodes.rank + 1} of {nodes.count}" if nodes.count > 1 else ""
        self._say(f"job {self._id}, attempt {self._n}{where}: {count} process{'' if count == 1 else 'es'}")
        if self._stopped_at is not None:
            return STOPPED_EXIT_CODE
        command = [sys.executable, "-m", "training.train", str(self._directory)]
        with self._log.open("ab") as output:
            self._ranks = Ranks(command, count, nodes=nodes, environment=environment, output=output)
        if self._stopped_at is not None:  # the signal came while they were started
            self._ranks.send(signal.SIGTERM)
        code = self._ranks.wait(self._end_in_time)
        if self._lost is not None:
            raise self._lost
        if self._stopped_at is not None:
            return STOPPED_EXIT_CODE if code <= 0 else code
        if code < 0:
            self._say(f"the trainer was killed by {signal.Signals(-code).name}")
            return 1
        return code

    def _end_in_time(self) -> None:
        overdue = self._stopped_at is not None and time.monotonic() - self._stopped_at > GRACE_S + 1
        if self._ranks is not None and (overdue or self._lost is not None):
            self._ranks.send(signal.SIGKILL)

    def _beat(self) -> None:
        """The thread that says that this attempt is alive, and looks whether it still is the newest."""
        while self._attempt is not None and self._lost is None:
            try:
                self._attempt.beat(self._progress(), self._cost)
                if self._stopped_at is None:  # it ends anyway, and better with its checkpoint
                    self._attempt.check_later()
            except DuplicateError as error:
                self._lost = error
            except CloudError as error:
                self._say(f"the heartbeat could not be sent: {error}")
            if self._ended.wait(HEARTBEAT_S):
                return

    def _progress(self) -> dict[str, object]:
        try:
            return json.loads((self._directory / PROGRESS).read_text(encoding="utf-8"))
        except FileNotFoundError:  # nothing is told yet
            return {}

    def _leave(self, attempt: Attempt, code: int) -> int:
        """The last bytes, a copy of the result, how it ended. The exit code: 1 when not all of it could be sent."""
        self._ended.set()
        self._left_at = time.monotonic()
        if self._stream is not None and not self._stream.close(self._seconds_left):
            self._say("not everything that this attempt left could be sent")
            code = code or 1
        if self._stopped_at is not None:
            code = code or STOPPED_EXIT_CODE
        try:  # each by itself: what cannot be copied is no reason to say nothing
            if code == 0:
                self._copy_result()
        except CloudError as error:
            self._write(render(error))
            code = 1
        try:
            attempt.beat(self._progress(), self._cost)
            attempt.leave_exit(code, self._reason(code))
        except CloudError as error:
            self._write(render(error))
            code = code or 1
        return code

    def _copy_result(self) -> None:
        """To where Vertex AI expects a model, when it was told to expect one."""
        place, result = os.environ.get("AIP_MODEL_DIR"), self._directory / "result"
        if place:
            models = Objects(open_cloud().storage(), place, patience_s=_PATIENCE_S)
            for path in sorted(result.rglob("*")):
                if path.is_file():
                    models.replace(path.relative_to(result).as_posix(), path.read_bytes())

    def _reason(self, code: int) -> str:
        """The last line of the log that says what happened, without its time."""
        if code == 0:
            return ""
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - _LAST_BYTES))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
        said = [line for line in lines if line and not line.startswith("→")]
        return re.sub(r"^\d{4}-\S+Z ", "", said[-1]) if said else ""

    def _seconds_left(self) -> float:
        """For the last bytes."""
        now = time.monotonic()
        return self._left_at + _FLUSH_S - now if self._stopped_at is None else self._stopped_at + TERM_S - 2 - now

    def _say(self, line: str) -> None:
        self._write(f"{utc_now()} {line}")

    def _write(self, text: str) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{text}\n")
