"""What a run came to, in words and rows that every door shows alike.

`summarize` turns one run into a sentence, a table of reference accuracies, an open word about the teacher, the place
of the trained selector, three lines that load it, and one proposal for what to try next. `summarize_sweep` lines up
the points of a sweep; `home_summary` says what runs, what ended, what needs the user and what to do next.

All of them are pure: they read attributes of the runs they are given (any object of the shape `RunLike` will do) and
look at the disk only to see whether a finished run's selector is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from arrcoc_core.errors import ExperimentError
from arrcoc_core.formatting import ago, duration, literal, metric, number, percent, plural, points, time_left

if TYPE_CHECKING:
    from arrcoc_core.discovery import Discovery
    from arrcoc_core.resolved import ResolvedExperiment

ACCURACY = "eval/accuracy"
FULL = "eval/accuracy_full"
REFERENCES: tuple[tuple[str, str, str], ...] = (
    (ACCURACY, "this selector", "hard top-K of the visual tokens"),
    (FULL, "all tokens", "the frozen model reads every visual token"),
    ("eval/accuracy_uniform", "uniform", "the same budget, an even grid"),
    ("eval/accuracy_random", "random", "the same budget, drawn at random"),
    ("eval/accuracy_teacher", "teacher", "top-K of the frozen model's own attention, after a full pass"),
    ("eval/accuracy_shuffled_question", "another question", "the selector reads another sample's question"),
)
UNFINISHED = frozenset({"queued", "starting", "running", "recovering", "cancelling"})
RECENT = 5


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
    run_id: str
    experiment: str
    state: str
    sentence: str
    change: str
    rows: tuple[ResultRow, ...]
    teacher_note: str
    selector_path: Path | None
    load_snippet: str
    next_step: NextStep


@dataclass(frozen=True)
class SweepRow:
    """One point of a sweep: the values of the swept fields and what came of them."""

    run_id: str
    name: str
    values: tuple[object, ...]
    result: float | None
    text: str
    state: str
    best: bool


@dataclass(frozen=True)
class SweepSummary:
    name: str
    fields: tuple[str, ...]
    metric: str
    rows: tuple[SweepRow, ...]
    best_index: int | None
    points_for_chart: tuple[tuple[float, float], ...]
    sentence: str


@dataclass(frozen=True)
class RunningLine:
    """A run that has not ended; `fraction` is the share of its steps done, `eta_s` the seconds left."""

    run_id: str
    experiment: str
    state: str
    phase: str
    fraction: float | None
    step: int
    total_steps: int
    eta_s: float | None
    text: str


@dataclass(frozen=True)
class Attention:
    """Something only the user can mend: a broken file, a failed run."""

    text: str
    remedy: str
    file: str = ""
    line: int = 0
    run_id: str = ""


@dataclass(frozen=True)
class HomeSummary:
    running: tuple[RunningLine, ...]
    recent: tuple[ResultSummary, ...]
    next_step: NextStep
    needs_user: tuple[Attention, ...]


# One run


def summarize(run: RunLike, previous: RunLike | None = None) -> ResultSummary:
    """What `run` came to; `previous` is the run of the same name to compare with (see `previous_of`)."""
    return ResultSummary(
        run_id=run.id,
        experiment=run.experiment,
        state=run.state,
        sentence=_sentence(run),
        change=_change(run, previous),
        rows=tuple(
            ResultRow(label, name, run.summary[name], percent(run.summary[name]), note)
            for name, label, note in REFERENCES
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


def _sentence(run: RunLike) -> str:
    took = elapsed_s(run)
    if run.state == "succeeded":
        accuracy = run.summary.get(ACCURACY)
        if accuracy is None:
            return f"{run.experiment} ended after {duration(took, short=True)} without an accuracy."
        full = run.summary.get(FULL)
        against = f" (all of them: {percent(full)})" if full is not None else ""
        return f"{run.experiment} answers {percent(accuracy)} right with {_budget(run)}{against}."
    if run.state in UNFINISHED:
        return f"{run.experiment} is {state_word(run)}."
    verb = "was cancelled" if run.state == "cancelled" else "failed"
    when = f" after {duration(took, short=True)}" if took is not None else " before it started"
    far = f" at {_how_far(run)}" if run.progress is not None and run.progress.step else ""
    cause = f": {run.cause.rstrip('.')}" if run.cause else ""
    return f"{run.experiment} {verb}{when}{far}{cause}."


def _change(run: RunLike, previous: RunLike | None) -> str:
    if previous is None or ACCURACY not in run.summary or ACCURACY not in previous.summary:
        return ""
    difference = run.summary[ACCURACY] - previous.summary[ACCURACY]
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
    accuracy = run.summary.get("eval/accuracy_teacher")
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
        f'print(model.answer(picture, "what color is the circle ?"{kept}).text)'
    )


def _next_step(run: RunLike) -> NextStep:
    name = run.experiment
    if run.state in UNFINISHED:
        return NextStep(f"Watch {name} learn.", f"arrcoc monitor {run.id}")
    if run.state == "failed":
        return NextStep("Read the end of its log, mend the cause and launch again.", f"arrcoc logs {run.id}")
    if run.state == "cancelled":
        return NextStep("Launch it again when you are ready.", f"arrcoc launch {name}", name)
    accuracy = run.summary.get(ACCURACY)
    keep = int(run.summary.get("tokens/kept", 0))
    total = int(run.summary.get("tokens/total", 0))
    if accuracy is None or not keep:
        return _launch("Evaluate more often, so that the run says what it reaches.", run, "evaluation.every_n_steps=50")
    full = run.summary.get(FULL, 1.0)
    shuffled, teacher = run.summary.get("eval/accuracy_shuffled_question"), run.summary.get("eval/accuracy_teacher")
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


# A sweep


def summarize_sweep(runs: Sequence[RunLike], *, name: str = "", metric_name: str = ACCURACY) -> SweepSummary:
    """The points of one sweep in the order given: swept fields, result, the best one (on a tie the fewest tokens)."""
    flat = [_values(run) for run in runs]
    fields = _swept_fields(flat)
    results = [run.summary.get(metric_name) if run.state not in UNFINISHED else None for run in runs]
    ranked = [
        (result, -_tokens(run, values), -index)
        for index, (run, values, result) in enumerate(zip(runs, flat, results, strict=True))
        if result is not None and run.state == "succeeded"
    ]
    best_index = -max(ranked)[2] if ranked else None
    rows = tuple(
        SweepRow(
            run_id=run.id,
            name=run.experiment,
            values=tuple(values.get(field) for field in fields),
            result=result,
            text=metric(metric_name, result),
            state=run.state,
            best=index == best_index,
        )
        for index, (run, values, result) in enumerate(zip(runs, flat, results, strict=True))
    )
    name = name or next((run.sweep for run in runs if run.sweep), runs[0].experiment if runs else "")
    ended = sum(run.state not in UNFINISHED for run in runs)
    sentence = f"{name}: {ended} of {plural(len(runs), 'run')} ended"
    if best_index is not None:
        what = ", ".join(
            f"{field} = {literal(value)}" for field, value in zip(fields, rows[best_index].values, strict=True)
        )
        sentence += f"; best {rows[best_index].text}" + (f" with {what}" if what else "")
    return SweepSummary(
        name=name,
        fields=fields,
        metric=metric_name,
        rows=rows,
        best_index=best_index,
        points_for_chart=tuple(
            sorted(
                (_tokens(run, values), result)
                for run, values, result in zip(runs, flat, results, strict=True)
                if result is not None
            )
        ),
        sentence=sentence + ".",
    )


def _values(run: RunLike) -> Mapping[str, object]:
    """Its values by dotted path; none where its folder is gone."""
    try:
        return run.resolved.values()
    except ExperimentError:
        return {}


def _swept_fields(flat: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    known = [values for values in flat if values]
    paths = dict.fromkeys(path for values in known for path in values)
    aside = {"name", "tags", "notes"}
    return tuple(
        path for path in paths if path not in aside and any(values.get(path) != known[0].get(path) for values in known)
    )


def _tokens(run: RunLike, values: Mapping[str, object]) -> float:
    keep = run.summary.get("tokens/kept", values.get("tokens.keep"))
    return float(keep) if isinstance(keep, int | float) else 0.0


# Home


def home_summary(runs: Sequence[RunLike], discovery: Discovery | None, now: datetime | None = None) -> HomeSummary:
    """What a door shows first; `runs` newest first, `discovery` None while it is still being read."""
    now = now or datetime.now(UTC)
    running = tuple(_running_line(run, now) for run in reversed(runs) if run.state in UNFINISHED)
    ended = [run for run in runs if run.state not in UNFINISHED]
    ended.sort(key=lambda run: run.ended_at or run.created_at, reverse=True)
    recent = tuple(summarize(run, previous_of(run, runs)) for run in ended[:RECENT])
    needs = (*_broken_files(discovery), *_failures(runs))
    return HomeSummary(running, recent, _home_step(running, recent, runs), needs)


def _running_line(run: RunLike, now: datetime) -> RunningLine:
    progress = run.progress
    step, total = (progress.step, progress.total_steps) if progress is not None else (0, 0)
    eta = run.eta_s
    left = f", {time_left(eta)}" if time_left(eta) and run.state == "running" else ""
    since = f", queued {ago(run.created_at, now)}" if run.state == "queued" else ""
    return RunningLine(
        run_id=run.id,
        experiment=run.experiment,
        state=run.state,
        phase=progress.phase if progress is not None else "",
        fraction=min(1.0, step / total) if total else None,
        step=step,
        total_steps=total,
        eta_s=eta,
        text=f"{run.experiment}: {state_word(run)}{left}" if not since else f"{run.experiment}{since}",
    )


def _broken_files(discovery: Discovery | None) -> tuple[Attention, ...]:
    if discovery is None:
        return ()
    return tuple(
        Attention(
            text=f"{entry.error.file}:{entry.error.line} cannot be used: {entry.error.message.splitlines()[0]}",
            remedy="Open it and mend that line; the other experiments still launch.",
            file=entry.error.file,
            line=entry.error.line,
        )
        for entry in discovery.entries
        if entry.error is not None
    )


def _failures(runs: Sequence[RunLike]) -> tuple[Attention, ...]:
    """Names whose latest run failed: once launched again they need nobody."""
    seen: set[str] = set()
    found: list[Attention] = []
    for run in sorted(runs, key=lambda run: run.created_at, reverse=True):
        if run.experiment not in seen and run.state == "failed":
            found.append(Attention(_sentence(run), f"arrcoc logs {run.id}", run_id=run.id))
        seen.add(run.experiment)
    return tuple(found[:RECENT])


def _home_step(running: Sequence[RunningLine], recent: Sequence[ResultSummary], runs: Sequence[RunLike]) -> NextStep:
    if running:
        first = running[0]
        return NextStep(f"Watch {first.experiment} learn.", f"arrcoc monitor {first.run_id}", first.experiment)
    if not runs:
        return NextStep(
            "Launch quickstart: a selector learns to read a picture with one sixteenth of its visual tokens.",
            "arrcoc launch quickstart --watch",
            "quickstart",
        )
    done = next((summary for summary in recent if summary.state == "succeeded"), None)
    return (done or recent[0]).next_step
