"""The experiments as a table: one row each, with what its last run came to and whether it is still that experiment.

The status says, before a launch, what a launch would add: `ran` means that this very config and code have succeeded;
`config changed` and `code changed` say what is different since the last success; `new` has never succeeded. Pure: the
callers bring discovery, settings, runs and the hash of the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arrcoc_core.errors import ArrcocError
from arrcoc_core.formatting import percent
from arrcoc_core.results import ACCURACY, UNFINISHED, RunLike, flatten

if TYPE_CHECKING:
    from arrcoc_core.discovery import Discovery, Entry
    from arrcoc_core.resolving import ResolvedExperiment
    from arrcoc_core.settings import Settings

STATUS_TONES: Mapping[str, str] = {
    "new": "muted",
    "ran": "good",
    "running": "accent",
    "failed": "bad",
    "config changed": "warn",
    "code changed": "warn",
    "broken": "bad",
}
ASIDE = frozenset({"name", "tags", "notes"})


@dataclass(frozen=True)
class ExperimentRow:
    """One experiment; a broken one has an `error` and neither values nor a fingerprint."""

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
    left, right = flatten(a), flatten(b)
    return tuple(
        Difference(path, left.get(path), right.get(path))
        for path in dict.fromkeys((*left, *right))
        if path not in ASIDE and left.get(path) != right.get(path)
    )


def _row(entry: Entry, settings: Settings, newest: Sequence[RunLike], code: str) -> ExperimentRow:
    from arrcoc_core.resolving import resolve

    last = next((run for run in newest if run.experiment == entry.name), None)
    resolved, error = None, entry.error.message if entry.error is not None else ""
    if entry.experiment is not None:
        try:
            resolved = resolve(entry.experiment, settings)
        except ArrcocError as problem:
            error = str(problem)
    experiment = resolved.experiment if resolved is not None else None
    return ExperimentRow(
        name=entry.name,
        file=entry.file,
        line=entry.line,
        sweep=entry.sweep,
        error=error,
        status=_status(entry.name, resolved, newest, code),
        fingerprint=resolved.fingerprint if resolved is not None else "",
        target=experiment.compute.kind if experiment is not None else "",
        model=experiment.model.base if experiment is not None else "",
        keep=experiment.tokens.keep if experiment is not None else None,
        data=experiment.data.dataset if experiment is not None else "",
        resolved=resolved,
        last=last,
        last_result=percent(last.summary[ACCURACY]) if last is not None and ACCURACY in last.summary else "",
    )


def _status(name: str, resolved: ResolvedExperiment | None, newest: Sequence[RunLike], code: str) -> str:
    if resolved is None:
        return "broken"
    same_config = [run for run in newest if run.fingerprint == resolved.fingerprint]
    same = [run for run in same_config if run.code == code]
    if any(run.state in UNFINISHED for run in same):
        return "running"
    if any(run.state == "succeeded" for run in same):
        return "ran"
    if same and same[0].state == "failed":
        return "failed"
    if any(run.state == "succeeded" for run in same_config):
        return "code changed"
    if any(run.experiment == name and run.state == "succeeded" for run in newest):
        return "config changed"
    return "new"
