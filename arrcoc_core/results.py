"""What a run came to, in words and rows that every door shows alike.

`summarize` turns one run into a sentence, a table of reference accuracies, an open word about the teacher, the place
of the trained selector, three lines that load it, and one proposal for what to try next. (`sweep_results.py` lines
up the points of a sweep, `standing.py` says how things stand.)

It reads attributes of the run it is given (any object of the shape `RunLike` will do) and looks at the disk only to
see whether a finished run's selector is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from arrcoc_core.errors import ExperimentError
from arrcoc_core.formatting import duration, literal, number, percent, plural, points
from arrcoc_core.references import NAMES, accuracy_of, judged_by, references_of, said_by

if TYPE_CHECKING:
    from arrcoc_core.resolved import ResolvedExperiment

UNFINISHED = frozenset({"queued", "preparing", "starting", "running", "recovering", "cancelling"})


class ProgressLike(Protocol):
    @property
    def phase(self) -> str: ...
    @property
    def step(self) -> int: ...
    @property
    def total_steps(self) -> int: ...


class RunLike(Protocol):
    """The attributes of `arrcoc_core.Run` that are read here."""

    @property
    def id(self) -> str: ...
    @property
    def experiment(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def cause(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def ended_at(self) -> datetime | None: ...
    @property
    def summary(self) -> Mapping[str, float]: ...
    @property
    def sweep(self) -> str | None: ...
    @property
    def directory(self) -> Path: ...
    @property
    def progress(self) -> ProgressLike | None: ...
    @property
    def eta_s(self) -> float | None: ...
    @property
    def resolved(self) -> ResolvedExperiment: ...


@dataclass(frozen=True)
class NextStep:
    """One proposal: a sentence, the command that does it, and its parts for a button."""

    text: str
    command: str
    experiment: str = ""
    sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResultRow:
    """One accuracy beside the selector's own; `value` is a share of 1."""

    label: str
    metric: str
    value: float
    text: str
    note: str


@dataclass(frozen=True)
class ResultSummary:
    """`measure`: what kind of accuracy its rows and sentences give, in words."""

    run_id: str
    experiment: str
    state: str
    sentence: str
    change: str
    measure: str
    rows: tuple[ResultRow, ...]
    teacher_note: str
    selector_path: Path | None
    load_snippet: str
    next_step: NextStep


def summarize(run: RunLike, previous: RunLike | None = None) -> ResultSummary:
    """What `run` came to; `previous` is the run of the same name to compare with (see `previous_of`)."""
    judged = judged_by(run.summary)
    return ResultSummary(
        run_id=run.id,
        experiment=run.experiment,
        state=run.state,
        sentence=sentence(run),
        change=_change(run, previous),
        measure=NAMES[judged],
        rows=tuple(
            ResultRow(label, name, run.summary[name], percent(run.summary[name]), note)
            for name, label, note in references_of(judged)
            if name in run.summary
        ),
        teacher_note=_teacher_note(run),
        selector_path=_selector_path(run),
        load_snippet=_load_snippet(run),
        next_step=_next_step(run),
    )


def previous_of(run: RunLike, runs: Iterable[RunLike]) -> RunLike | None:
    """The last run of the same name that succeeded before `run` was created."""
    earlier = (
        other
        for other in runs
        if other.experiment == run.experiment
        and other.id != run.id
        and other.state == "succeeded"
        and other.created_at < run.created_at
    )
    return max(earlier, key=lambda other: other.created_at, default=None)


def state_word(run: RunLike) -> str:
    """The state with what it is about: "running, step 120 of 300", "failed: out of memory"."""
    if run.state in UNFINISHED:
        progress = run.progress
        if run.state == "running" and progress is not None and progress.phase != "training":
            return f"{run.state}, {progress.phase}"
        return f"{run.state}, {_how_far(run)}" if progress is not None and progress.step else run.state
    return f"{run.state}: {run.cause}" if run.state != "succeeded" and run.cause else run.state


def elapsed_s(run: RunLike, now: datetime | None = None) -> float | None:
    """Seconds from the start of the first attempt to the end, or to `now` while it runs; None before the start."""
    if run.started_at is None:
        return None
    return ((run.ended_at or now or datetime.now(UTC)) - run.started_at).total_seconds()


def sentence(run: RunLike) -> str:
    """What became of the run, in one sentence."""
    took = elapsed_s(run)
    if run.state == "succeeded":
        judged = judged_by(run.summary)
        accuracy, full = accuracy_of(run.summary), run.summary.get(f"{judged}_full")
        if accuracy is None:
            return f"{run.experiment} ended after {duration(took, short=True)} without an accuracy."
        against = f" (all of them: {percent(full)})" if full is not None else ""
        return f"{run.experiment} answers {percent(accuracy)} right with {_budget(run)}{against}{said_by(judged)}."
    if run.state in UNFINISHED:
        return f"{run.experiment} is {state_word(run)}."
    verb = "was cancelled" if run.state == "cancelled" else "failed"
    when = f" after {duration(took, short=True)}" if took is not None else " before it started"
    far = f" at {_how_far(run)}" if run.progress is not None and run.progress.step else ""
    cause = f": {run.cause.rstrip('.')}" if run.cause else ""
    return f"{run.experiment} {verb}{when}{far}{cause}."


def _change(run: RunLike, previous: RunLike | None) -> str:
    judged = judged_by(run.summary)
    if previous is None or judged not in run.summary or judged not in previous.summary:
        return ""
    difference = run.summary[judged] - previous.summary[judged]
    moved = "the same as" if abs(difference) < 0.0005 else f"{points(difference)} on"
    reasons = [
        word
        for word, differs in (
            ("config changed", run.fingerprint != previous.fingerprint),
            ("code changed", run.code != previous.code),
        )
        if differs
    ]
    return f"{moved} the run before" + (f" ({', '.join(reasons)})" if reasons else "")


def _teacher_note(run: RunLike) -> str:
    total = run.summary.get("tokens/total")
    every = f"all {number(total)}" if total else "all"
    accuracy = run.summary.get(f"{judged_by(run.summary)}_teacher")
    reached = f" Choosing by the teacher itself answers {percent(accuracy)} right." if accuracy is not None else ""
    return (
        f"The selector was taught by the frozen model's own attention, which costs one full pass over {every} visual "
        f"tokens for every training sample.{reached} Once trained, the language model reads only {_budget(run)}; "
        "the vision tower still reads the whole picture, so the saving is the language model's, not the whole pass's."
    )


def _selector_path(run: RunLike) -> Path | None:
    path = run.directory / "result" / "selector.safetensors"
    return path if run.state == "succeeded" and path.exists() else None


def _load_snippet(run: RunLike) -> str:
    keep = run.summary.get("tokens/kept")
    kept = f", keep={int(keep)}" if keep else ""
    return (
        "from training.model.arrcoc_qwen import ArrCocQwen\n"
        f"model = ArrCocQwen.from_pretrained({literal(str(run.directory / 'result'))})\n"
        f'print(model.answer(picture, "which colour is the circle"{kept}).text)'
    )


def _next_step(run: RunLike) -> NextStep:
    name = run.experiment
    if run.state in UNFINISHED:
        return NextStep(f"Watch {name} learn.", f"arrcoc monitor {run.id}")
    if run.state == "failed":
        return NextStep("Read the end of its log, mend the cause and launch again.", f"arrcoc logs {run.id}")
    if run.state == "cancelled":
        return NextStep("Launch it again when you are ready.", f"arrcoc launch {name}", name)
    accuracy, judged = accuracy_of(run.summary), judged_by(run.summary)
    keep = int(run.summary.get("tokens/kept", 0))
    total = int(run.summary.get("tokens/total", 0))
    if accuracy is None or not keep:
        return _launch("Evaluate more often, so that the run says what it reaches.", run, "evaluation.every_n_steps=50")
    full = run.summary.get(f"{judged}_full", 1.0)
    shuffled, teacher = (run.summary.get(f"{judged}_{line}") for line in ("shuffled_question", "teacher"))
    lost = round(100 * (full - accuracy), 1)
    loses = f"It loses {lost} points to all tokens" if lost > 0 else "It loses nothing to all tokens"
    if full < 0.5:
        return NextStep(
            f"Even with every token the base answers only {percent(full)} right: look at its data and its base.",
            f"arrcoc show {name}",
        )
    if full - accuracy <= 0.02:
        if keep == 1:
            return NextStep("One token is enough here: try harder data.", f"arrcoc new harder --from {name}")
        return _launch(f"{loses}: try half as many, {keep // 2} of {total}.", run, f"tokens.keep={keep // 2}")
    if shuffled is not None and accuracy - shuffled < 0.05:
        return _launch(
            "It chooses nearly the same tokens whatever the question: train it for longer.", run, *_longer(run)
        )
    if teacher is not None and teacher - accuracy > 0.05:
        behind = round(100 * (teacher - accuracy), 1)
        return _launch(f"It is still {behind} points behind its teacher: train it for longer.", run, *_longer(run))
    if total and 2 * keep <= total:
        return _launch(f"{loses}: try twice as many, {2 * keep} of {total}.", run, f"tokens.keep={2 * keep}")
    return _launch("Even with most tokens it falls short: train it for longer.", run, *_longer(run))


def _launch(text: str, run: RunLike, *sets: str) -> NextStep:
    name = run.experiment
    return NextStep(text, f"arrcoc launch {name}" + "".join(f" --set {item}" for item in sets), name, sets)


def _longer(run: RunLike) -> tuple[str, ...]:
    """The assignment that doubles its epochs; none where its folder, and with it its values, is gone."""
    try:
        return (f"train.epochs={2 * run.resolved.experiment.train.epochs}",)
    except ExperimentError:
        return ()


def _how_far(run: RunLike) -> str:
    progress = run.progress
    if progress is None:
        return "step 0"
    return f"step {progress.step:,} of {progress.total_steps:,}" if progress.total_steps else f"step {progress.step:,}"


def _budget(run: RunLike) -> str:
    keep, total = run.summary.get("tokens/kept"), run.summary.get("tokens/total")
    if keep is None:
        return "the tokens it keeps"
    return f"{number(keep)} of {number(total)} visual tokens" if total else plural(int(keep), "visual token")
