"""The objects by which an attempt is known in the run's folder, written by the job that trains it.

    attempts/<n>/claim.json       {"job", "at", "token"}: which job trains this attempt; created once
    attempts/<n>/heartbeat.json   {"at", "step", "total_steps", "phase", "usd", "usd_before", "job"}: replaced
    attempts/<n>/exit.json        {"code", "reason", "at", "job"}: how it ended

A job that finds another's claim, the fence or the claim of a later attempt, or that the run was stopped (stop.json),
has nothing to do. The same job may come again, when its
container failed or moved to another machine: it finds its own claim.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from arrcoc_core.cloud.objects import Objects
from arrcoc_core.errors import ArrcocError
from training.checkpoints import CheckpointStore, newest_state
from training.cost import Cost, cost_told
from training.progress import utc_now
from training.signals import CANCELLED_EXIT_CODE

DUPLICATE_EXIT_CODE = 76
_FINAL = (0, 1, 2, CANCELLED_EXIT_CODE)  # exit codes after which an attempt is over


class DuplicateError(ArrcocError):
    """This attempt is another job's, or a later one has begun."""

    exit_code = DUPLICATE_EXIT_CODE


class Attempt:
    """Attempt `n` of the run whose folder is `run`, as `job` trains it. Raises CloudError throughout."""

    def __init__(self, run: Objects, n: int, job: str) -> None:
        self.n, self.job = n, job
        self._run = run

    def claim(self) -> tuple[float, bool]:
        """Make it ours: when it began (seconds since 1970), and whether this job had begun it before.

        DuplicateError when it is another job's.
        """
        name = self._name("claim.json")
        held: dict[str, Any] = {"job": self.job, "at": utc_now(), "token": uuid.uuid4().hex}
        is_new = self._run.put_if_absent(name, json.dumps(held).encode())
        if not is_new:
            held = self._json(name) or {}
            if held.get("job") != self.job:
                raise DuplicateError(f"attempt {self.n} is trained by job {held.get('job')}: nothing to do here")
        return datetime.fromisoformat(str(held["at"])).timestamp(), not is_new

    def check_later(self) -> None:
        """DuplicateError when a later attempt has begun, if only to be submitted, or the run was stopped."""
        names = [stored.name for stored in self._run.listing("attempts/")]
        begun = [name.split("/")[1] for name in names if name.endswith(("/fence.json", "/claim.json"))]
        newest = max((int(n) for n in begun if n.isdigit()), default=self.n)
        if newest > self.n:
            raise DuplicateError(f"attempt {newest} has begun: attempt {self.n} has nothing to do any more")
        if self._run.listing("stop.json"):
            raise DuplicateError(f"the run was stopped: attempt {self.n} has nothing to do any more")

    def ended(self) -> int | None:
        """The code with which it has ended for good; None: it goes on."""
        left = self._json(self._name("exit.json"))
        return int(left["code"]) if left is not None and left.get("code") in _FINAL else None

    def usd_before(self, checkpoints: CheckpointStore) -> float:
        """Dollars that the run had cost before this attempt: the most that the ones before it have told."""
        own = self._json(self._name("heartbeat.json"))
        if own is not None:  # this job's container was started again, and the checkpoints may be its own
            return float(own.get("usd_before") or 0)
        beats = [self._json(f"attempts/{n}/heartbeat.json") or {} for n in range(1, self.n)]
        counted = [float(beat.get("usd_before") or 0) + float(beat.get("usd") or 0) for beat in beats]
        return max([cost_told(newest_state(checkpoints)), *counted])

    def beat(self, progress: Mapping[str, Any], cost: Cost | None) -> None:
        """Say that it is alive and where it stands; `progress` as the trainer told it last."""
        self._leave(
            "heartbeat.json",
            step=progress.get("step", 0),
            total_steps=progress.get("total_steps", 0),
            phase=progress.get("phase", "starting"),
            usd=cost.attempt_usd if cost else None,
            usd_before=cost.before if cost else None,
        )

    def leave_exit(self, code: int, reason: str) -> None:
        self._leave("exit.json", code=code, reason=reason)

    def _leave(self, name: str, **values: Any) -> None:
        self._run.replace(self._name(name), json.dumps({**values, "at": utc_now(), "job": self.job}).encode())

    def _json(self, name: str) -> dict[str, Any] | None:
        try:
            return json.loads(self._run.get(name))
        except KeyError:
            return None

    def _name(self, name: str) -> str:
        return f"attempts/{self.n}/{name}"
