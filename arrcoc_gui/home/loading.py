"""Everything Home shows, gathered off the GUI thread: the summary, and per running run a line and the latest picture.

Only columns that are cached already are read here; a child process keeps them fresh (`feed.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtGui import QImage

from arrcoc_gui.home.money import Spending, in_sandbox, spending

if TYPE_CHECKING:
    from arrcoc_core.api import Run
    from arrcoc_core.discovery import Discovery
    from arrcoc_core.standing import HomeSummary

BANDS = 3
POINTS = 120


@dataclass(frozen=True)
class LiveView:
    """A running run's metric so far, at most POINTS values, and its latest picture (null when there is none)."""

    metric: str = ""
    values: tuple[float, ...] = ()
    last: str = ""
    picture: QImage = field(default_factory=QImage)
    caption: str = ""
    money: str = ""  # of a run in the cloud: what it has cost so far
    sandbox: bool = False


@dataclass(frozen=True)
class HomeView:
    summary: HomeSummary
    live: Mapping[str, LiveView]  # by run id
    ended: Mapping[str, str]  # run id -> "3 min ago"
    newcomer: bool
    facts: str  # what a newcomer's first launch takes
    spending: Spending | None = None  # None: nothing ran in the cloud
    rehearsed: Spending | None = None  # the same of the sandbox, where it is pretended


def load_home(root: Path, runs: Sequence[Run], discovery: Discovery | None) -> HomeView:
    """What Home shows for these runs, newest first."""
    from datetime import UTC, datetime

    from arrcoc_core.formatting import ago
    from arrcoc_core.standing import home_summary

    now = datetime.now(UTC)
    summary = home_summary(runs, discovery, now)
    by_id = {run.id: run for run in runs}
    return HomeView(
        summary=summary,
        live={line.run_id: live_view(by_id[line.run_id]) for line in summary.running[:BANDS]},
        ended={r.run_id: ago(by_id[r.run_id].ended_at, now) for r in summary.recent},
        newcomer=not runs,
        facts="" if runs or discovery is None else first_launch(root, discovery),
        spending=spending(runs, now, sandbox=False),
        rehearsed=spending(runs, now, sandbox=True),
    )


def first_launch(root: Path, discovery: Discovery) -> str:
    """Time and cost of `quickstart`; "" where it cannot be planned (the launch then says why)."""
    from arrcoc_core.api import plan
    from arrcoc_core.errors import ArrcocError

    try:
        experiment = discovery.find("quickstart").experiment
        return plan(experiment, root=root).headline if experiment is not None else ""
    except ArrcocError:
        return ""


def live_view(run: Run) -> LiveView:
    """The main metric and the newest picture of a run, from its cached columns."""
    from arrcoc_core.formatting import metric, money
    from arrcoc_core.metrics import open_metrics
    from arrcoc_core.references import judged_by

    metrics = open_metrics(run.directory, refresh=False)
    cost = f"{money(run.cost_usd)} so far" if run.target != "local" else ""
    base = LiveView(money=cost, sandbox=in_sandbox(run))
    lines = (judged_by(metrics.names), "train/loss")
    name = next((name for name in lines if len(metrics.series(name)) > 1), "")
    values: tuple[float, ...] = ()
    last = ""
    if name:
        series = metrics.series(name)
        values = thinned(series.value, POINTS)
        last = metric(name, series.last)
    media = metrics.media()
    if not media:
        return replace(base, metric=name, values=values, last=last)
    newest = next(item for item in media if item.step == media[-1].step)
    return replace(
        base,
        metric=name,
        values=values,
        last=last,
        picture=QImage(str(newest.path)),
        caption=f"Step {newest.step}: {newest.caption}",
    )


def thinned(values: Sequence[float], most: int) -> tuple[float, ...]:
    """At most `most` values at even distances; the last is always the last."""
    count = len(values)
    if count <= most:
        return tuple(float(value) for value in values)
    return tuple(float(values[round(i * (count - 1) / (most - 1))]) for i in range(most))
