"""A run's state in words: what the header, the waiting panel and the cancel question say. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from arrcoc_core.formatting import duration, number, plural
from arrcoc_gui.monitor.attempt_rows import money_words, preparing_words, waiting_words
from arrcoc_gui.monitor.run_view import RunView
from arrcoc_gui.monitor.timeline import Mark

PHASES: tuple[tuple[str, str], ...] = (
    ("queued", "waiting for its turn on this machine"),
    ("starting", "a process of its own: it goes on when this window closes"),
    ("loading model", "the frozen base and a fresh selector"),
    ("preparing data", "questions and pictures"),
    ("evaluating", "accuracy before the first step, and the reference lines"),
    ("training", "the curves begin here"),
)
CLOUD_PHASES: tuple[tuple[str, str], ...] = (
    ("queued", "waiting for its turn"),
    ("preparing", "the image: built only where the code has changed"),
    ("in the queue", "waiting for an agent to take it"),
    ("starting", "waiting for a machine: it goes on when this window closes"),
    *PHASES[2:],
)
IN_QUEUE = "in the queue"
QUEUED_TARGET = "wandb-launch"
FRESH_AFTER_S = 5.0


@dataclass(frozen=True)
class PhaseLine:
    """One line of the waiting panel. `state`: done, now or later."""

    name: str
    detail: str
    state: str


def phase_of(run: RunView) -> str:
    """The phase a live run is in; its state while the trainer has not yet said one."""
    if run.state == "preparing" and run.preparation is not None and run.preparation.in_queue:
        return IN_QUEUE
    if run.state in ("queued", "preparing", "recovering", "cancelling") or run.reach is None:
        return run.state
    return run.reach.phase or run.state


def phase_lines(run: RunView) -> tuple[PhaseLine, ...]:
    """The phases up to the first curve, with how far this run has come in them."""
    phases = CLOUD_PHASES if run.in_cloud else PHASES
    if run.target != QUEUED_TARGET:
        phases = tuple(phase for phase in phases if phase[0] != IN_QUEUE)
    names = [name for name, _ in phases]
    phase = phase_of(run)
    started = names.index("starting")
    now = names.index(phase) if phase in names else (started if phase in ("running", "recovering") else -1)
    image = preparing_words(run)
    more = {"preparing": image, IN_QUEUE: image, "starting": waiting_words(run)} if run.in_cloud else {}
    return tuple(
        PhaseLine(
            name,
            (more.get(name) or detail) if place == now else detail,
            "done" if place < now else "now" if place == now else "later",
        )
        for place, (name, detail) in enumerate(phases)
    )


def status_line(run: RunView) -> str:
    """Phase, step, rate and time left of a live run; how it ended otherwise. One line."""
    if run.online is not None:
        return online_line(run)
    if run.finished:
        return _ended(run)
    parts = [phase_of(run)]
    if run.state == "preparing" and phase_of(run) == IN_QUEUE:
        parts = [preparing_words(run)]
    elif run.state == "preparing":
        parts.append(preparing_words(run))
    elif run.waits_for_machine and run.state != "queued":
        parts.append(waiting_words(run))
    if run.problem:
        parts.append(f"cannot be observed just now: {run.problem}")
    reach = run.reach
    if reach is not None and run.state != "queued":
        if reach.total_steps and (reach.step or reach.phase == "training"):
            parts.append(f"step {reach.step:,} of {reach.total_steps:,}")
        if reach.eta_s is not None and reach.phase == "training":
            parts.append(f"{duration(reach.eta_s)} left")
        if reach.samples_per_s:
            parts.append(f"{_rate(reach.samples_per_s)} samples/s")
    if run.state == "queued":
        parts.append("starts when the runs before it end")
    if run.state in ("recovering", "cancelling") and run.cause:
        parts.append(run.cause)
    if run.in_cloud:
        parts.append(money_words(run))
    return " · ".join(part for part in parts if part)


def online_line(run: RunView) -> str:
    """Of a run that is read from W&B: who logged it, where, how much, how long it took."""
    told = run.online
    if told is None:
        return ""
    parts = ["read-only", f"by {told.user}" if told.user else "", told.place]
    parts.append(plural(told.rows, "row") if told.rows else "no rows yet")
    if run.started_at is not None and run.ended_at is not None:
        parts.append(f"took {duration((run.ended_at - run.started_at).total_seconds())}")
    parts.append(", ".join(told.tags))
    return " · ".join(part for part in parts if part)


def freshness(last_time: float | None, now: float, *, live: bool) -> str:
    """How far the newest row lies behind the present: "0.3 s behind"; empty for an ended run."""
    if not live:
        return ""
    if last_time is None:
        return "no rows yet"
    behind = max(now - last_time, 0.0)
    return f"{behind:.1f} s behind" if behind < 60 else f"{duration(behind)} since the last row"


@dataclass(frozen=True)
class CancelQuestion:
    """What to ask before a cancel. `rest`: how many runs of the sweep have not ended, this one included."""

    title: str
    text: str
    rest: int = 0


def cancel_question(run: RunView, marks: Sequence[Mark], runs: Sequence[RunView]) -> CancelQuestion:
    """What a cancel ends and what remains: the checkpoint, the curves so far, the sweep's other points."""
    rest = [other for other in runs if run.sweep is not None and other.sweep == run.sweep and not other.finished]
    if run.state == "queued" or (run.state == "preparing" and not run.attempts):
        remains = "It has not started: nothing is lost."
    elif run.in_cloud:
        remains = (
            f"The job is cancelled and its machine given back ({money_words(run)}). Checkpoints, curves and pictures "
            "so far stay in the bucket and in the run's folder."
        )
    elif marks:
        remains = (
            "The trainer finishes its step, writes a last checkpoint and ends. What it has come to stays in the run's "
            f"folder: {plural(len(marks), 'checkpoint')} (the newest at step {marks[-1].step:,}), curves and pictures."
        )
    else:
        remains = (
            "The trainer finishes its step, writes a checkpoint and ends. The curves and pictures so far stay in the "
            "run's folder."
        )
    more = "A cancelled run is not resumed; launch the experiment again to train it from the start."
    if len(rest) > 1:
        more += (
            f" Of its sweep, {plural(len(rest) - 1, 'other run')} will still run, unless you cancel the whole sweep."
        )
    return CancelQuestion(f"Cancel {run.experiment}?", f"{remains}\n\n{more}", len(rest))


def _ended(run: RunView) -> str:
    took = ""
    if run.started_at is not None and run.ended_at is not None:
        took = duration((run.ended_at - run.started_at).total_seconds())
    parts = [{"succeeded": "done", "failed": "failed", "cancelled": "cancelled"}.get(run.state, run.state)]
    if took:
        parts.append(f"took {took}")
    if len(run.attempts) > 1:
        parts.append(plural(len(run.attempts), "attempt"))
    if run.in_cloud:
        parts.append(money_words(run))
    if run.cause and run.state != "succeeded":
        parts.append(run.cause)
    return " · ".join(parts)


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else number(value)
