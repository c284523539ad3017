"""What `arrcoc monitor` draws: lines of text from a run and its metrics. No input, no output, no waiting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from arrcoc_core.cli.hub_view import hub_lines
from arrcoc_core.cli.terminal import height, paint, paint_state, progress_bar, shorten, sparkline, width
from arrcoc_core.formatting import duration, metric, number, percent, time_left
from arrcoc_core.references import NAMES, accuracy_of, accuracy_text, judged_by, references_of
from arrcoc_core.results import elapsed_s, state_word

if TYPE_CHECKING:
    from arrcoc_core.api import Run, SweepRun
    from arrcoc_core.metrics import RunMetrics

CURVES = ("train/loss", "eval/loss", "perf/samples_per_s")
"""Below that of the accuracy."""
MARKS = (("random", "r"), ("uniform", "u"), ("full", "a"))


def run_frame(run: Run, metrics: RunMetrics, tail: Callable[[int], Sequence[str]], now: datetime) -> list[str]:
    """The frame of one run, at most as high and as wide as the terminal; `tail(n)` gives the last lines of the log."""
    columns = width()
    lines = [_headline(run, now), _progress(run, columns)]
    if run.target != "local":
        from arrcoc_core.cli.cloud_view import cloud_line, remedy_lines

        lines += [*cloud_line(run).splitlines(), *remedy_lines(run)]
    lines += hub_lines(run.uploaded)
    lines.append("")
    lines += _curves(metrics, columns)
    lines += _gauge(run, columns)
    room = height() - len(lines) - 4
    log = tail(min(8, room)) if room > 1 else ()
    if log:
        lines += ["", paint("log", "muted"), *log]
    if not run.finished:
        lines += ["", paint("Ctrl-C leaves; the run goes on.", "muted")]
    return [shorten(line, columns - 1) for line in lines]


def sweep_frame(sweep: SweepRun) -> list[str]:
    """The frame of a sweep: the whole, then a line a run."""
    columns = width()
    left = f"  {time_left(sweep.eta_s)}" if not sweep.finished else ""
    lines = [
        f"{paint(sweep.name, 'bold')}  {paint_state(sweep.state)}",
        f"{progress_bar(sweep.progress, min(30, columns // 3))} {round(100 * sweep.progress):3d} %{left}",
        "",
    ]
    names = max(len(run.experiment) for run in sweep.runs)
    for run in sweep.runs:
        fraction = 1.0 if run.state == "succeeded" else run.progress.fraction if run.progress is not None else None
        result = accuracy_text(run.summary) if run.finished else ""
        lines.append(
            f"{run.experiment:<{names}}  {progress_bar(fraction, 12)}  {paint_state(state_word(run))}  {result}"
        )
    room = height() - 2
    if len(lines) > room:
        lines = [*lines[: room - 1], f"… and {len(lines) - room + 1} more"]
    if not sweep.finished:
        lines.append(paint("Ctrl-C leaves; the sweep goes on.", "muted"))
    return [shorten(line, columns - 1) for line in lines]


def progress_line(run: Run) -> str:
    """One plain line for logs and pipes: name, state, how far, accuracy, time left."""
    parts = [f"{run.experiment}: {state_word(run)}"]
    if len(run.attempts) > 1:
        parts.append(f"attempt {len(run.attempts)}")
    accuracy = accuracy_of(run.summary)
    if accuracy is not None:
        parts.append(f"{NAMES[judged_by(run.summary)]} {percent(accuracy)}")
    if run.state == "running":
        parts.append(time_left(run.eta_s))
    if run.target != "local":
        from arrcoc_core.cli.cloud_view import cloud_line

        parts.append(cloud_line(run).replace("\n", "  "))
    return "  ".join(part for part in parts if part)


def _headline(run: Run, now: datetime) -> str:
    attempt = f"  attempt {len(run.attempts)}" if len(run.attempts) > 1 else ""
    took = elapsed_s(run, now)
    since = f"  {duration(took)}" if took is not None else ""
    return f"{paint(run.experiment, 'bold')}  {paint_state(run.state)}{attempt}{since}  {paint(run.id, 'muted')}"


def _progress(run: Run, columns: int) -> str:
    progress = run.progress
    if progress is None:
        return f"{progress_bar(None, min(30, columns // 3))}  {run.cause or 'waiting to start'}"
    share = f" {round(100 * progress.fraction):3d} %" if progress.fraction is not None else ""
    steps = f"  step {progress.step:,} of {progress.total_steps:,}" if progress.total_steps else ""
    phase = f"  {progress.phase}" if progress.phase != "training" else ""
    left = f"  {time_left(run.eta_s)}" if not run.finished else ""
    speed = f"  {number(progress.samples_per_s)} samples/s" if progress.samples_per_s else ""
    return f"{progress_bar(progress.fraction, min(30, columns // 3))}{share}{steps}{phase}{left}{speed}"


def _curves(metrics: RunMetrics, columns: int) -> list[str]:
    room = max(10, min(60, columns - 34))
    lines: list[str] = []
    judged = judged_by(metrics.names)
    for name in (judged, *CURVES):
        series = metrics.series(name)
        if not len(series):
            continue
        # The newest 4,096 points are plenty for a line of text and keep each redraw cheap on long runs.
        values = [float(value) for value in series.value[-4096:]]
        share = name == judged
        drawn = sparkline(values, room, low=0.0 if share else None, high=1.0 if share else None)
        lines.append(f"{name:<19} {metric(name, values[-1]):>10}  {paint(drawn, 'accent')}")
    return lines


def _gauge(run: Run, columns: int) -> list[str]:
    """Accuracy on a line from 0 to 100 %, with the references where they lie."""
    judged = judged_by(run.summary)
    if judged not in run.summary:
        return []
    size = max(20, min(60, columns - 34))
    track = ["·"] * (size + 1)
    legend: list[str] = []
    labels = {name: label for name, label, _ in references_of(judged)}
    for line, mark in MARKS:
        name = f"{judged}_{line}"
        if name in run.summary:
            track[_place(run.summary[name], size)] = mark
            legend.append(f"{mark} {labels[name]} {percent(run.summary[name])}")
    track[_place(run.summary[judged], size)] = "●"
    words = "  ".join(legend)
    indent = max(0, min(32, columns - 1 - len(words)))  # below the line, where that leaves room for all of it
    return [f"{'0 to 100 %':<19} {'':>10}  {''.join(track)}", " " * indent + paint(words, "muted")]


def _place(share: float, size: int) -> int:
    return round(min(1.0, max(0.0, share)) * size)
