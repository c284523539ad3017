"""The life of jobs: queued, pending, running, ended; one thread drives all of them and alone touches their processes.

    QUEUED ──▶ PENDING ──▶ RUNNING ──▶ SUCCEEDED | FAILED
       └ flex-start without a machine: stays QUEUED for max_wait_duration, then FAILED
    RUNNING ──▶ PENDING ──▶ RUNNING     where retries are not disabled
    any ──▶ CANCELLING ──▶ CANCELLED

What is decided is written down first and done afterwards, so that a sandbox killed at any instant goes on from there.
"""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.faults import InternalError, Stockout
from arrcoc_core.sandbox.project import PROJECT
from arrcoc_core.sandbox.protos import whole_module
from arrcoc_core.sandbox.service import plain
from arrcoc_core.sandbox.vertex import replicas, words
from arrcoc_core.sandbox.vertex.environment import machines_of
from arrcoc_core.sandbox.vertex.output import ml_entry, read_output
from arrcoc_core.sandbox.vertex.records import Phase, Record
from arrcoc_core.sandbox.vertex.replicas import Replica

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

PENDING_S = 4.0
"""Virtual seconds that a machine takes to come up."""
GRACE_S = 25.0
"""Virtual seconds between SIGTERM and SIGKILL, at most `_LONGEST_GRACE_S` real ones."""
INTERNAL_S = 2.0
"""Virtual seconds into running after which an internal error of the scenario strikes."""
MOST_RETRIES = 3
MOST_PREEMPTIONS = 6
_LONGEST_GRACE_S = 15.0
_LOOK_S = 0.05
_IDLE_S = 3600.0

QUEUED, PENDING, RUNNING, SUCCEEDED, FAILED, CANCELLING, CANCELLED = 1, 2, 3, 4, 5, 6, 7
"""JobState."""
ENDED = (SUCCEEDED, FAILED, CANCELLED)


class Life:
    def __init__(self, box: Box) -> None:
        self._box = box
        self.jobs = box.state.messages("custom jobs", _custom_job)
        self._live = box.state.table("live jobs")
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    # -- what others ask for

    def start(self) -> None:
        self._thread = self._box.spawn(self._drive, "vertex jobs")

    def stop(self, *, kill: bool = False) -> None:
        """End the thread; the jobs' machines go with the sandbox, unless it is as after SIGKILL."""
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        if not kill:
            for record in self.live():
                for replica in _replicas(record):
                    replicas.end(replica)

    def live(self) -> list[Record]:
        return [Record.from_json(held) for _, held in self._live.items()]

    def get(self, name: str) -> Record | None:
        held = self._live.get(name)
        return Record.from_json(held) if held else None

    def put(self, record: Record) -> None:
        self._live.put(record.name, record.to_json())
        self._wake.set()

    def set_state(self, name: str, state: int, error: tuple[int, str] | None = None) -> None:
        """Inside a transaction."""
        job = self.jobs.get(name)
        if job is None:
            return
        job.state = state
        held = plain(job)
        held.update_time.FromDatetime(self._box.clock.date())
        if state == RUNNING and not held.HasField("start_time"):
            held.start_time.CopyFrom(held.update_time)
        if state in ENDED:
            held.end_time.CopyFrom(held.update_time)
        if error is not None:
            held.error.code, held.error.message = error
        self.jobs.put(name, job)

    def decide(self, name: str, verdict: str) -> Record | None:
        """Let a job end for that reason: its machines get SIGTERM now and SIGKILL a grace later. None: too late."""
        with self._box.state.transaction():
            record = self.get(name)
            if record is None or record.phase == "ending":
                return None
            record.verdict = verdict
            record.due = self._box.clock.now() + min(self._box.clock.scaled(GRACE_S), _LONGEST_GRACE_S)
            record.phase = "ending"
            self.put(record)
            if verdict == "cancelled":
                self.set_state(name, CANCELLING)
        for replica in _replicas(record):
            replicas.ask_to_end(replica)
        return record

    # -- the thread

    def _drive(self) -> None:
        while not self._box.closing.is_set():
            self._wake.clear()
            wait = _IDLE_S
            for record in self.live():
                if self._box.closing.is_set():
                    return
                try:
                    wait = min(wait, self._advance(record))
                except Exception:  # noqa: BLE001 - one job's trouble is not the others'; it stands in the log
                    import traceback

                    self._box.log(f"job {record.id}: {traceback.format_exc()}")
                    self._finish(record.name, FAILED, words.internal())
            self._wake.wait(max(wait, 0.0))

    def _advance(self, record: Record) -> float:
        """Move a job on; seconds until it wants to be looked at again."""
        now = self._box.clock.now()
        if record.phase in ("running", "ending"):
            return self._watch(record, now)
        if record.phase != "booting" and now < record.due:
            return record.due - now
        if record.phase == "queued":
            self._admit(record.name, now)
        elif record.phase == "waiting" or record.verdict == "stockout":
            self._finish(record.name, FAILED, words.stockout(record.region))
        else:
            self._boot(record)
        return 0.0

    def _admit(self, name: str, now: float) -> None:
        with self._box.state.transaction():
            record = self.get(name)
            if record is None or record.phase != "queued":
                return
            if self._box.faults.take(Stockout, region=record.region, provisioning=record.provisioning):
                record.verdict = "stockout"
            if record.verdict and record.provisioning == "flex":
                record.phase, record.due = "waiting", record.created + self._box.clock.scaled(record.max_wait_s)
                self.put(record)
                return
            self._to_pending(record, now)

    def _to_pending(self, record: Record, now: float) -> None:
        record.phase, record.due = "pending", now + self._box.clock.scaled(PENDING_S)
        self.put(record)
        self.set_state(record.name, PENDING)
        self._say(record, "Waiting for job to be provisioned.", now)

    def _boot(self, record: Record) -> None:
        """Start the machines. What an earlier start has left, before this sandbox was killed, is cleared away."""
        folder = self._box.data("jobs") / record.id / str(record.restarts)
        if record.phase == "booting" and folder.exists():
            for place in folder.iterdir():
                replicas.end_strays(place)
        shutil.rmtree(folder, ignore_errors=True)
        if not self._set_phase(record.name, "pending", "booting") and record.phase != "booting":
            return
        job = self.jobs.get(record.name)
        try:
            machines = machines_of(self._box, job, record, folder)
        except FileNotFoundError as missing:
            self._finish(record.name, FAILED, words.no_image(str(missing)))
            return
        started: list[Replica] = []
        for machine in machines:
            try:
                started.append(replicas.start(machine))
            except OSError as problem:
                (machine.folder / "stderr").write_text(f"{machine.command[:1]}: {problem}\n")
                (machine.folder / "exit").write_text("127")
                started.append(Replica(machine.task, str(machine.folder), 0, ""))
        now = self._box.clock.now()
        with self._box.state.transaction():
            held = self.get(record.name)
            if held is None:
                return
            held.replicas = [list(replica) for replica in started]
            held.read = {}
            if held.phase == "booting":  # else it was cancelled meanwhile
                held.phase = "running"
                held.deadline = now + self._box.clock.scaled(held.timeout_s)
                if self._box.faults.take(InternalError, lambda fault: not (fault.method or fault.service)):
                    held.verdict, held.due = "internal", now + self._box.clock.scaled(INTERNAL_S)
                self.set_state(held.name, RUNNING)
                self._say(held, "Job is running.", now)
            self.put(held)

    def _set_phase(self, name: str, before: Phase, after: Phase) -> bool:
        with self._box.state.transaction():
            record = self.get(name)
            if record is None or record.phase != before:
                return False
            record.phase = after
            self.put(record)
            return True

    def _watch(self, record: Record, now: float) -> float:
        machines = _replicas(record)
        alive = [replica for replica in machines if replicas.running(replica)]
        self._read(record, machines, now, whole=False)
        if record.phase == "ending":
            if alive and now < record.due:
                return _LOOK_S
            self._end(record, now)
            return 0.0
        if record.verdict == "internal" and now >= record.due:
            self._finish(record.name, FAILED, words.internal())
        elif now >= record.deadline:
            self._finish(record.name, FAILED, words.timed_out(record.timeout_s))
        elif len(alive) < len(machines):
            return self._ended(record, [replica for replica in machines if replica not in alive], now)
        return _LOOK_S

    def _ended(self, record: Record, ended: list[Replica], now: float) -> float:
        """Some machines' processes are over."""
        codes = {replica.task: replicas.exit_code(replica) for replica in ended}
        if None in codes.values():
            self._finish(record.name, FAILED, words.internal())  # killed from outside, or lost with this sandbox
            return 0.0
        failed = next((task for task, code in codes.items() if code), None)
        if failed is None:
            if codes.get("workerpool0-0") == 0:  # the primary's success is the job's
                self._finish(record.name, SUCCEEDED)
                return 0.0
            return _LOOK_S
        if record.retries and record.restarts < MOST_RETRIES:
            self._restart(record.name, now)
            return 0.0
        console = f"{self._box.url}/console"
        self._finish(record.name, FAILED, words.exited(failed, int(codes[failed] or 1), PROJECT, record.id, console))
        return 0.0

    def _end(self, record: Record, now: float) -> None:
        """The grace of a job that was asked to end is over, or its processes are."""
        if record.verdict == "cancelled":
            self._finish(record.name, CANCELLED, words.cancelled())
        elif record.verdict == "preempted" and record.retries and record.restarts < MOST_PREEMPTIONS:
            self._restart(record.name, now)
        else:
            self._finish(record.name, FAILED, words.preempted(record.region))

    def _restart(self, name: str, now: float) -> None:
        record = self.get(name)
        if record is None:
            return
        self._stop_machines(record, now)
        with self._box.state.transaction():
            held = self.get(name)
            if held is not None:
                held.restarts, held.verdict, held.replicas, held.read = held.restarts + 1, "", [], {}
                self._to_pending(held, now)

    def _finish(self, name: str, state: int, error: tuple[int, str] | None = None) -> None:
        record = self.get(name)
        if record is None:
            return
        now = self._box.clock.now()
        self._stop_machines(record, now)
        with self._box.state.transaction():
            held = self.get(name)
            if held is not None and held.verdict == "cancelled":  # it came while we were at it
                state, error = CANCELLED, words.cancelled()
            self.set_state(name, state, error)
            self._live.delete(name)
        said = {SUCCEEDED: "Job completed successfully.", CANCELLED: "Job cancelled."}.get(state, "Job failed.")
        self._say(record, said, now)

    def _stop_machines(self, record: Record, now: float) -> None:
        machines = _replicas(record)
        for replica in machines:
            if replica.pid:
                replicas.end(replica)
        self._read(record, machines, now, whole=True)
        for replica in machines:
            replicas.clear(replica)

    def _read(self, record: Record, machines: list[Replica], now: float, *, whole: bool) -> None:
        book = self._box.service("logging").book
        found = False
        for replica in machines:
            while read_output(book, record.id, PROJECT, replica, record.read, now, whole=whole):
                found = True
        if found:
            with self._box.state.transaction():
                held = self.get(record.name)
                if held is not None and held.replicas == record.replicas:
                    held.read = record.read
                    self._live.put(held.name, held.to_json())

    def _say(self, record: Record, text: str, now: float) -> None:
        number = self._box.state.next("job lines")
        severity = "ERROR" if "failed" in text else "INFO"
        entry = ml_entry(f"{record.id[-8:]}s{number:06d}", record.id, PROJECT, "service", text, severity, now)
        self._box.service("logging").book.write([entry])


def _replicas(record: Record) -> list[Replica]:
    return [Replica(*held) for held in record.replicas]


def _custom_job() -> Any:
    return whole_module("google.cloud.aiplatform_v1.types").CustomJob
