"""Taking spot machines away at a step of the training: `Preempt(at_step=40)`.

How far a trainer is shows in what it writes below its output directory: a committed checkpoint (its name has the
step), `files/progress.json` and `attempts/<n>/heartbeat.json` (their "step"). The first of them that shows the step
strikes before its writer has the answer, so no run ends first.
"""

from __future__ import annotations

import json
import re
import threading
from typing import Any

from arrcoc_core.cloud.names import ATTEMPT_LABEL, RUN_LABEL
from arrcoc_core.sandbox.faults import Preempt
from arrcoc_core.sandbox.happenings import Faults
from arrcoc_core.sandbox.vertex.life import Life
from arrcoc_core.sandbox.vertex.records import Record

_COMMITTED = re.compile(r"checkpoints/step-(\d+)/COMMITTED")
_TOLD = re.compile(r"(?:files/)?progress\.json|attempts/\d+/heartbeat\.json")


class Preemption:
    def __init__(self, life: Life, faults: Faults) -> None:
        self._life = life
        self._faults = faults
        self._lock = threading.Lock()  # two objects at once must not use up two preemptions for one machine

    def written(self, bucket: str, name: str, content: bytes) -> None:
        """An object was written: perhaps one that shows how far a job is."""
        if self._faults.peek(Preempt) is None:
            return
        with self._lock:
            for record in self._life.live():
                below = record.output.removeprefix(f"gs://{bucket}/")
                if record.phase != "running" or record.provisioning != "spot" or below == record.output:
                    continue
                step = step_shown(name.removeprefix(below), content) if name.startswith(below) else None
                if step is not None and self._faults.take(Preempt, lambda f, r=record, s=step: _strikes(f, r, s)):
                    self._life.decide(record.name, "preempted")


def step_shown(name: str, content: bytes) -> int | None:
    """The step that an object of a run shows; None where it shows none."""
    match = _COMMITTED.fullmatch(name)
    if match:
        return int(match[1])
    if not _TOLD.fullmatch(name):
        return None
    try:
        held: Any = json.loads(content)
        return int(held["step"])
    except (ValueError, KeyError, TypeError):
        return None


def _strikes(fault: Preempt, record: Record, step: int) -> bool:
    return (
        step >= fault.at_step
        and fault.run in (None, record.labels.get(RUN_LABEL))
        and (fault.attempt is None or str(fault.attempt) == record.labels.get(ATTEMPT_LABEL))
    )
