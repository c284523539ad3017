"""The experiments as a table: one row each, with what its last run came to.

The status is the badge of `badges.py`: whether a launch would add anything to what has run. An experiment that
cannot be read or resolved, or whose name is taken twice, is `broken` and keeps its row, with the error. Pure: callers
bring discovery, settings, runs and the hash of the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arrcoc_core.errors import ArrcocError
from arrcoc_core.references import accuracy_of, accuracy_text
from arrcoc_core.results import RunLike

if TYPE_CHECKING:
    from arrcoc_core.discovery import Discovery, Entry
    from arrcoc_core.resolved import ResolvedExperiment
    from arrcoc_core.settings import Settings

STATUS_TONES: Mapping[str, str] = {
    "new": "muted",
    "ran": "good",
    "running": "accent",
    "config changed": "warn",
    "code changed": "warn",
    "broken": "bad",
}
ASIDE = frozenset({"name", "tags", "notes"})


@dataclass(frozen=True)
class ExperimentRow:
    """One experiment; a broken one has an `error`, and values and a fingerprint only where they could be read."""

    name: str
    file: str
    line: int
    sweep: str | None
    error: str
    status: str
    fingerprint: str
    target: str
    model: str
    keep: int | None
    data: str
    resolved: ResolvedExperiment | None
    last: RunLike | None
    last_result: str


@dataclass(frozen=True)
class Difference:
    """A value that two experiments do not share, by its dotted path; None where one has no such field."""

    path: str
    a: object
    b: object


def experiment_rows(
    discovery: Discovery, settings: Settings, runs: Sequence[RunLike], code: str
) -> tuple[ExperimentRow, ...]:
    """A row for every entry of `discovery`; `code` is the hash of the job's files as they are now."""
    newest = sorted(runs, key=lambda run: run.created_at, reverse=True)
    return tuple(_row(entry, settings, newest, code) for entry in discovery.entries)


def difference(a: ResolvedExperiment, b: ResolvedExperiment) -> tuple[Difference, ...]:
    """What differs between two resolved experiments, apart from name, tags and notes."""
    return differing(a.values(), b.values())


def differing(left: Mapping[str, object], right: Mapping[str, object]) -> tuple[Difference, ...]:
    """What differs between values by dotted path, apart from name, tags and notes."""
    return tuple(
        Difference(path, left.get(path), right.get(path))
        for path in dict.fromkeys((*left, *right))
        if path not in ASIDE and left.get(path) != right.get(path)
    )


def changed_paths(resolved: ResolvedExperiment) -> frozenset[str]:
    """Dotted paths whose value is not the built-in default: what makes this experiment this experiment."""
    from arrcoc_core.defaults import DEFAULTS
    from arrcoc_core.resolved import flat

    defaults = flat(DEFAULTS)
    return frozenset(
        path
        for path, value in resolved.values().items()
        if path not in ASIDE and (path not in defaults or defaults[path] != value)
    )


def _row(entry: Entry, settings: Settings, newest: Sequence[RunLike], code: str) -> ExperimentRow:
    from arrcoc_core.badges import badge
    from arrcoc_core.resolving import resolve

    last = next((run for run in newest if run.experiment == entry.name), None)
    resolved, error = None, entry.error.message if entry.error is not None else ""
    if entry.experiment is not None:
        try:
            resolved = resolve(entry.experiment, settings)
        except ArrcocError as problem:
            error = str(problem)
    experiment = resolved.experiment if resolved is not None else None
    # What can be read and has an error has a name that is taken twice: it cannot be launched.
    usable = None if error else resolved
    return ExperimentRow(
        name=entry.name,
        file=entry.file,
        line=entry.line,
        sweep=entry.sweep,
        error=error,
        status=badge(entry.name, usable.fingerprint, code, newest) if usable is not None else "broken",
        fingerprint=resolved.fingerprint if resolved is not None else "",
        target=experiment.compute.kind if experiment is not None else "",
        model=experiment.model.base if experiment is not None else "",
        keep=experiment.tokens.keep if experiment is not None else None,
        data=experiment.data.dataset if experiment is not None else "",
        resolved=resolved,
        last=last,
        last_result=accuracy_text(last.summary) if last is not None and accuracy_of(last.summary) is not None else "",
    )
