"""A run as the monitor shows it: a frozen copy of the core's run handle at one moment.

The core's `Run` is a handle: it is refreshed in place by whoever polls, and some of its properties read files
when asked. The monitor takes these copies in a background thread and draws only from them, so nothing that
paints ever touches the disk or sees a run change halfway.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_gui.monitor.uploads import UploadView

if TYPE_CHECKING:
    from arrcoc_core.api import Attempt, Run


@dataclass(frozen=True)
class Reach:
    """How far a run has come, as its trainer last wrote it. Rates are samples/s, times seconds."""

    phase: str
    step: int
    total_steps: int
    samples_per_s: float | None = None
    eta_s: float | None = None

    @property
    def fraction(self) -> float | None:
        """0 to 1; None while the total is unknown."""
        return min(max(self.step / self.total_steps, 0.0), 1.0) if self.total_steps else None


@dataclass(frozen=True)
class AttemptView:
    """One attempt of a run. In the cloud it has a place, a price ($/h) and a console page; here these are empty."""

    n: int
    state: str
    cause: str | None
    started_at: datetime | None
    ended_at: datetime | None
    cost_usd: float = 0.0
    region: str = ""
    machine_type: str = ""
    provisioning: str = ""
    usd_per_h: float | None = None
    link: str = ""

    @classmethod
    def of(cls, item: Attempt) -> AttemptView:
        return cls(
            n=item.n,
            state=item.state,
            cause=item.cause,
            started_at=item.started_at,
            ended_at=item.ended_at,
            cost_usd=item.cost_usd,
            region=item.region,
            machine_type=item.machine_type,
            provisioning=item.provisioning,
            usd_per_h=item.usd_per_h,
            link=item.link,
        )


@dataclass(frozen=True)
class PlaceView:
    """One rung of a run's ladder."""

    region: str
    machine_type: str
    provisioning: str
    max_wait_s: float


@dataclass(frozen=True)
class PreparationView:
    """How far the image is. `state`: needed, working or ready. `position` in a queue, 0 in none; `todo`: what helps."""

    state: str
    detail: str
    step: int
    of_steps: int
    position: int = 0
    todo: str = ""
    queued_at: datetime | None = None

    @property
    def fraction(self) -> float | None:
        return self.step / self.of_steps if self.of_steps else None

    @property
    def in_queue(self) -> bool:
        """Whether its image is there and it waits in a W&B Launch queue."""
        return self.position > 0 and self.state != "ready"


@dataclass(frozen=True)
class OnlineView:
    """What only a run that is read from a W&B server has. `place`: "entity/project", `rows` by the server's count."""

    path: str
    place: str
    user: str = ""
    tags: tuple[str, ...] = ()
    rows: int = 0


@dataclass(frozen=True)
class RunView:
    """What the panes of the monitor need to know about one run.

    `online` is of runs that are read from a W&B server and are not of this project's store: they can only be looked
    at. `remote` tells the reading child where at W&B rows are to be had ({}: nowhere).
    """

    id: str
    experiment: str
    state: str
    cause: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    directory: Path
    sweep: str | None = None
    sweep_name: str = ""
    summary: Mapping[str, float] = field(default_factory=dict)
    attempts: tuple[AttemptView, ...] = ()
    reach: Reach | None = None
    finished: bool = False
    target: str = "local"
    machine: str = ""
    cost_usd: float = 0.0
    forecast_usd: float | None = None
    cap_usd: float = 0.0
    sandbox: bool = False
    problem: str = ""
    remedy: str = ""
    preparation: PreparationView | None = None
    places: tuple[PlaceView, ...] = ()
    rung: int = 0
    wandb_url: str = ""
    logs_online: bool = False
    upload: UploadView | None = None
    online: OnlineView | None = None
    remote: Mapping[str, Any] = field(default_factory=dict)

    @property
    def in_cloud(self) -> bool:
        """Whether it runs on rented machines of ours."""
        return self.target != "local" and self.online is None

    @property
    def read_only(self) -> bool:
        return self.online is not None

    @property
    def user(self) -> str:
        """Who logged it, where that is not this project."""
        return self.online.user if self.online is not None else ""

    @property
    def waits_for_machine(self) -> bool:
        """Submitted (or about to be), and no machine yet."""
        ready = self.preparation is None or self.preparation.state == "ready"
        return self.in_cloud and not self.finished and ready and self.state in ("queued", "starting", "recovering")

    @classmethod
    def of(cls, run: Run) -> RunView:
        """Copy a core run. Reads its progress file, so not on the GUI thread."""
        progress = None if run.finished and run.state == "succeeded" else run.progress
        return cls(
            id=run.id,
            experiment=run.experiment,
            state=run.state,
            cause=run.cause or "",
            created_at=run.created_at,
            started_at=run.started_at,
            ended_at=run.ended_at,
            directory=Path(run.directory),
            sweep=run.sweep,
            sweep_name=run.sweep_name or "",
            summary=dict(run.summary),
            attempts=tuple(AttemptView.of(item) for item in run.attempts),
            reach=None
            if progress is None
            else Reach(
                progress.phase,
                progress.step,
                progress.total_steps or run.total_steps,
                progress.samples_per_s,
                progress.eta_s,
            ),
            finished=run.finished,
            target=run.target,
            machine=run.machine,
            cost_usd=run.cost_usd,
            forecast_usd=run.forecast_usd,
            cap_usd=run.max_cost_usd,
            sandbox=run.sandbox,
            problem=run.problem,
            remedy=run.remedy,
            preparation=_preparation(run),
            places=tuple(PlaceView(p.region, p.machine_type, p.provisioning, p.max_wait_s) for p in run.ladder),
            rung=run.rung,
            wandb_url=run.wandb_url,
            logs_online=_logs_online(Path(run.directory)),
            upload=None if run.uploaded is None else UploadView.of(run.uploaded),
            remote=_remote(run),
        )


def _remote(run: Run) -> Mapping[str, Any]:
    """Where its W&B server has its rows sooner than this machine; {} where it trains here, or all of it is here."""
    if run.target == "local":
        return {}
    from arrcoc_core.online.own import watch_command

    return watch_command(run).get("online") or {}


@lru_cache(maxsize=1024)
def _logs_online(directory: Path) -> bool:
    """From the plan it was launched from, which does not change any more."""
    try:
        held: Any = json.loads((directory / "plan.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # removed by hand, or never written: then it has no page either
        return False
    return (held.get("environment") or {}).get("WANDB_MODE") == "online"


def _upload_seen(run: Run, old: RunView) -> bool:
    """Whether an ended run's uploads, to the Hub and to W&B, stand as they did."""
    told = run.uploaded
    return (None if told is None else UploadView.of(told)) == old.upload and run.wandb_url == old.wandb_url


def _preparation(run: Run) -> PreparationView | None:
    told = run.preparation
    return (
        None
        if told is None
        else PreparationView(
            told.state, told.detail, told.step, told.of_steps, told.position, told.todo, told.queued_at
        )
    )


def view_runs(runs: Iterable[Run], known: Mapping[str, RunView]) -> list[RunView]:
    """Copies of `runs` in their order; an ended run that is known as ended is not copied again."""
    views: list[RunView] = []
    for run in runs:
        old = known.get(run.id)
        same = old is not None and old.finished and old.state == run.state and old.summary == run.summary
        views.append(old if same and old is not None and _upload_seen(run, old) else RunView.of(run))
    return views
