"""What a run in the cloud shows on a terminal besides: its image, its place, its dollars, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arrcoc_core.catalog.rules import WORDS
from arrcoc_core.cli.terminal import paint, printable
from arrcoc_core.formatting import about_money, money

if TYPE_CHECKING:
    from arrcoc_core.api import Attempt, Run


def cloud_line(run: Run) -> str:
    """ "us-east4, spot  $0.56/h  $0.12 so far, about $0.30 in all"; what keeps it from being observed."""
    parts: list[str] = []
    if run.preparation is not None and run.preparation.state != "ready" and not run.finished:
        done = f" ({run.preparation.step} of {run.preparation.of_steps})" if run.preparation.of_steps else ""
        what = "queue" if run.preparation.queued_at is not None else "image"
        parts.append(f"{what}: {run.preparation.detail or 'waiting'}{done}")
    elif run.attempts:
        attempt = run.attempts[-1]
        parts.append(place(attempt))
        if attempt.usd_per_h is not None:
            parts.append(f"${attempt.usd_per_h:.2f}/h")
    cost = f"{money(run.cost_usd)} {'in all' if run.finished else 'so far'}"
    if not run.finished and run.forecast_usd is not None:
        cost += f", {about_money(run.forecast_usd)} in all"
    if run.max_cost_usd:
        cost += f", cancelled at {money(run.max_cost_usd)}"
    parts.append(cost)
    if run.sandbox:
        parts.append(paint("sandbox: nothing is real or costs anything", "warn"))
    lines = ["  ".join(parts)]
    if run.problem:
        lines.append(paint(f"cannot be observed just now: {printable(run.problem)}", "warn"))
    return "\n".join(lines)


def place(attempt: Attempt) -> str:
    """ "us-east4, spot"; "" for an attempt on this machine."""
    ways: dict[str, str] = {str(way): word for way, word in WORDS.items()}
    return f"{attempt.region}, {ways.get(attempt.provisioning, attempt.provisioning)}" if attempt.region else ""


def remedy_lines(run: Run) -> list[str]:
    """What to do about the cause a run failed of."""
    return [f"  → {printable(line)}" for line in run.remedy.splitlines()] if run.finished else []
