"""Checks that depend on each other, run in parallel, told in order, each with a time limit.

A check that takes longer is `unknown`. Its thread is left to itself: it is a daemon, and a hanging network must not
keep a person, or the end of the program, waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import NamedTuple

from arrcoc_core.cloud.calling import TRANSIENT
from arrcoc_core.errors import ArrcocError, CloudError
from arrcoc_core.facts import Check

LIMIT_S = 20.0
"""How long one check may take."""

UNKNOWABLE = TRANSIENT | {"permission"}
"""Scopes of errors that say nothing about what was asked: no answer, or none for this account."""


class Step(NamedTuple):
    name: str
    needs: tuple[str, ...]
    """Names of steps before it that must not have failed."""
    look: Callable[[], Check]
    limit_s: float = LIMIT_S


def run_steps(steps: Sequence[Step], on_check: Callable[[Check], None] | None = None) -> tuple[Check, ...]:
    """The row of each step. `on_check` gets them in the order of `steps`, each as soon as those before it are known."""
    futures: dict[str, Future[Check]] = {step.name: Future() for step in steps}
    for step in steps:
        threading.Thread(target=_run, args=(step, futures), name=f"preflight {step.name}", daemon=True).start()
    rows: list[Check] = []
    for step in steps:
        row = futures[step.name].result()
        rows.append(row)
        if on_check is not None:
            on_check(row)
    return tuple(rows)


def _run(step: Step, futures: dict[str, Future[Check]]) -> None:
    """Wait for what it needs, then look; whoever comes first, the answer or the clock, settles the row."""
    mine = futures[step.name]
    for need in step.needs:
        row = futures[need].result()
        if row.failed or row.skipped:
            root = row.detail.removeprefix("skipped because of ") if row.skipped else row.name
            _settle(mine, Check(step.name, False, f"skipped because of {root}", skipped=True))
            return
    silent = Check(step.name, False, f"no answer within {step.limit_s:.0f} s", "Try again in a while.", unknown=True)
    clock = threading.Timer(step.limit_s, _settle, (mine, silent))
    clock.daemon = True
    clock.start()
    try:
        row = step.look()
    except Exception as error:  # noqa: BLE001 - whatever it is, it becomes this row, and the others go on
        row = error_row(step.name, error)
    clock.cancel()
    _settle(mine, row)


def error_row(name: str, error: Exception) -> Check:
    """The row of a check that raised."""
    if isinstance(error, CloudError):
        return Check(name, False, error.message, error.remedy, unknown=error.scope in UNKNOWABLE)
    if isinstance(error, ArrcocError):
        return Check(name, False, error.message, error.remedy)
    return Check(name, False, f"{type(error).__name__}: {error}", unknown=True)


def _settle(future: Future[Check], row: Check) -> None:
    with suppress(InvalidStateError):  # the clock, or the answer, was first
        future.set_result(row)
