"""What Vertex AI says of a job, in our words: its twelve states, and what an error was about.

The states are `google.cloud.aiplatform_v1.JobState`; a test holds the table against the real enum. The errors are a
`google.rpc.Status` whose code says little (8 is a stockout, a quota and a preemption) and whose text says the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from arrcoc_core.observing import EXIT_STOPPED, Observation

if TYPE_CHECKING:
    from arrcoc_core.targets.vertex_services import JobView

Phase = Literal["waiting", "running", "stopping", "succeeded", "failed", "cancelled", "expired", "unknown"]

JOB_STATES: dict[str, Phase] = {
    "JOB_STATE_UNSPECIFIED": "unknown",
    "JOB_STATE_QUEUED": "waiting",
    "JOB_STATE_PENDING": "waiting",
    "JOB_STATE_RUNNING": "running",
    "JOB_STATE_SUCCEEDED": "succeeded",
    "JOB_STATE_FAILED": "failed",
    "JOB_STATE_CANCELLING": "stopping",
    "JOB_STATE_CANCELLED": "cancelled",
    "JOB_STATE_PAUSED": "waiting",
    "JOB_STATE_EXPIRED": "expired",
    "JOB_STATE_UPDATING": "running",  # its resources are changed while it runs
    "JOB_STATE_PARTIALLY_SUCCEEDED": "succeeded",  # whether the result is complete is looked at anyway
}
ENDED: frozenset[Phase] = frozenset({"succeeded", "failed", "cancelled", "expired"})

_CODES = {
    3: "invalid",
    4: "timeout",
    5: "not-found",
    7: "permission",
    9: "invalid",
    13: "internal",
    14: "unavailable",
    16: "auth",
}
"""google.rpc.Code -> scope, where the text says nothing better."""

_WORDS = (
    ("quota", r"quota"),
    ("stockout", r"insufficient|stock ?out|not enough (resources|capacity)|no capacity|try a different region"),
    ("preempted", r"preempt|spot vm.*(reclaimed|terminated|taken)"),
    ("timeout", r"time ?out|deadline|exceeded .*(time|duration)"),
    ("internal", r"internal error"),
)
_EXIT = re.compile(r"(?:non-?zero (?:exit )?status(?: of)?|exit(?:ed)? (?:with )?(?:code|status))[: ]+(\d+)", re.I)


class Cause(NamedTuple):
    """Why a job failed."""

    scope: str
    """"": it ended by itself, with `exit_code`."""
    exit_code: int | None
    """Negative for a signal; None: not said."""


def cause_of(code: int, text: str, *, had_machine: bool) -> Cause:
    """What the error of a FAILED job was about. `had_machine`: a trainer has begun, so a stockout took it away."""
    exited = _EXIT.search(text)
    words = next((scope for scope, pattern in _WORDS if re.search(pattern, text, re.I)), "")
    if words == "preempted" or (words == "stockout" and had_machine):
        return Cause("preempted", None)
    if exited is not None:
        return Cause("", exit_status(int(exited[1])))
    if words:
        return Cause(words, None)
    if code == 8:
        return Cause("preempted" if had_machine else "stockout", None)
    return Cause(_CODES.get(code, "internal"), None)


def exit_status(status: int) -> int:
    """A container's exit status as a process's exit code: 137 is -9."""
    return 128 - status if 128 < status < 192 else status


def end_of(
    job: JobView, told: Mapping[str, Any] | None, *, had_machine: bool, committed_step: int, done: bool
) -> Observation:
    """How a job ended. `told`: what its trainer left as attempts/<n>/exit.json, which is believed before the service.

    Scope "stopped": somebody cancelled it; who and why is not the job's to say.
    """
    scope, exit_code, reason = "", None, job.error_text
    phase = JOB_STATES[job.state]
    code = None if told is None or str(told.get("job", job.id)) != job.id else int(told["code"])
    if code is not None and code != EXIT_STOPPED:
        exit_code, reason = code, str((told or {}).get("reason", ""))
    elif phase == "succeeded":
        exit_code = 0
    elif phase == "cancelled":
        scope = "stopped"
    elif phase == "expired":
        scope, reason = "stockout", job.error_text or f"the job expired before it had a machine in {job.region}"
    elif code == EXIT_STOPPED:
        scope = "preempted"
    else:
        scope, exit_code = cause_of(job.error_code, job.error_text, had_machine=had_machine)
    return Observation(
        "ended",
        committed_step=committed_step,
        exit_code=exit_code,
        done=done,
        reason=reason,
        scope=scope,
        running_at=job.started_at,
        ended_at=job.ended_at,
    )
