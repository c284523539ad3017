"""The loops: look at everything, then make what is missing, in parallel where nothing depends on another.

Setup has two halves. First everything is looked at, and nothing is changed: when a precondition fails, or a name is
somebody else's, it stops there. Then the APIs are turned on (what could not be seen without them is looked at once
more), and the rest is made in the order of `needs`. A resource that fails leaves out those that need it; the others go
on. Run again, setup finds what is there and goes on with the rest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arrcoc_core.errors import ArrcocError, CloudError
from arrcoc_core.infra.events import Event, OnEvent, Problem, State
from arrcoc_core.infra.hub_rows import hub_rows
from arrcoc_core.infra.inventory import resources
from arrcoc_core.infra.preconditions import NO_PROJECT, PRECONDITIONS, Precondition
from arrcoc_core.infra.repairs import problem_of
from arrcoc_core.infra.resource import Resource, Say, Status
from arrcoc_core.infra.wandb_rows import wandb_rows

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World

AT_ONCE = 8
_API_COMES_S = 90.0
"""How long an API that has just been turned on may go on answering that it is off."""

_SHOWN: dict[str, State] = {
    "ok": "ok",
    "missing": "missing",
    "different": "different",
    "foreign": "foreign",
    "unknown": "unknown",
    "pending": "requested",
    "note": "skipped",
}
_FAILED: frozenset[State] = frozenset({"failed", "foreign"})


@dataclass(frozen=True)
class Outcome:
    """The last event of every row, in order."""

    events: tuple[Event, ...]
    blocked: bool = False
    """It stopped before anything was made."""

    @property
    def ok(self) -> bool:
        return not self.failed

    @property
    def failed(self) -> tuple[Event, ...]:
        return tuple(event for event in self.events if event.state in _FAILED)

    @property
    def exit_code(self) -> int:
        if self.blocked:
            return 2
        return 1 if self.failed else 0

    def count(self, *states: State) -> int:
        return sum(event.state in states for event in self.events)


class Rows:
    """Tells events, one at a time whatever thread they come from, with how long each row has been worked on."""

    def __init__(self, world: World, on_event: OnEvent) -> None:
        self.world = world
        self._on_event = on_event
        self._lock = threading.RLock()
        self._since: dict[str, float] = {}
        self.last: dict[str, Event] = {}

    def tell(
        self, row: Resource | Precondition, state: State, detail: str = "", problem: Problem | None = None
    ) -> Event:
        with self._lock:
            now = time.monotonic()
            if state in ("checking", "creating", "removing"):
                before = self.last.get(row.key)
                if before is None or before.state != state:
                    self._since[row.key] = now
            page = "" if isinstance(row, Precondition) else row.page(self.world)
            event = Event(
                resource=row.key,
                title=row.title,
                state=state,
                detail=detail,
                seconds=now - self._since.get(row.key, now),
                console=page if page.startswith("http") or not page else self.world.cloud.console(page),
                error=problem,
            )
            self.last[row.key] = event
            self._on_event(event)
            return event

    def tell_status(self, row: Resource, status: Status) -> Event:
        where = row.where(self.world)
        detail = _both(where, status.detail)
        return self.tell(row, _SHOWN[status.state], detail, status.problem)

    def tell_error(self, row: Resource, error: ArrcocError) -> Event:
        return self.tell(row, "failed", error.message, problem_of(error, self.world))

    def outcome(self, *, blocked: bool = False) -> Outcome:
        return Outcome(tuple(self.last.values()), blocked)


def run_setup(
    world: World,
    *,
    dry_run: bool = False,
    on_event: OnEvent,
    proceed: Callable[[Outcome], bool] | None = None,
) -> Outcome:
    """Make what is missing. `proceed` is asked between looking and making, when there is something to make."""
    rows, wanted, every = _begun(world, on_event)
    unsure = _preconditions(rows, wanted)
    if unsure is None:
        return rows.outcome(blocked=True)
    hidden = _look(rows, every, off="its API is off")
    if _is_blocked(rows, every) or dry_run:
        return rows.outcome(blocked=_is_blocked(rows, every))
    todo = [one for one in every if rows.last[one.key].state in ("missing", "different")]
    if not todo or (proceed is not None and not proceed(rows.outcome())):
        return rows.outcome()
    patience = 0.0
    apis, others = todo[:1], todo
    if apis[0].key == "apis":
        others = todo[1:]
        if not _make(rows, apis[0], 0.0):
            blocked = rows.last["apis"].error is not None and _is_repairable(rows.last["apis"])
            return rows.outcome(blocked=blocked)
        patience = _API_COMES_S
        if _preconditions(rows, unsure) is None:
            return rows.outcome(blocked=True)
    if hidden:
        _look(rows, hidden, off="its API is off", patience=patience)
        if _is_blocked(rows, every):
            return rows.outcome(blocked=True)
        others = [one for one in others if rows.last[one.key].state in ("missing", "different")]
    there = {one.key for one in every} - {one.key for one in others}
    broken = {key for key in there if rows.last[key].state in ("failed", "foreign", "unknown")}
    in_order(
        others,
        lambda one: _make(rows, one, patience),
        lambda one, lacking: rows.tell(one, "skipped", f"needs {', '.join(rows.last[key].title for key in lacking)}"),
        done=there - broken,
    )
    return rows.outcome()


def check_infra(world: World, *, on_event: OnEvent) -> Outcome:
    """The state of each resource. Changes nothing."""
    rows, wanted, every = _begun(world, on_event)
    if _preconditions(rows, wanted) is None:
        return rows.outcome(blocked=True)
    _look(rows, every, off="its API is off")
    return rows.outcome()


def check_accounts(world: World, *, on_event: OnEvent) -> Outcome:
    """Who we are, as far as there are accounts: Google's only where a project is named. Changes nothing."""
    rows = Rows(world, on_event)
    credentials = PRECONDITIONS[:1] if world.on_google else ()
    wanted = [one for one in (*wandb_rows(world), *hub_rows(world)) if one.key.endswith("-account")]
    for row in (*credentials, *wanted):
        rows.tell(row, "waiting")
    _look(rows, wanted)
    _preconditions(rows, credentials)
    return rows.outcome()


def ensure_only(world: World, wanted: Sequence[Resource], *, on_event: OnEvent) -> Outcome:
    """Look at these few and make them, without anything that they need."""
    rows = Rows(world, on_event)
    for row in (*PRECONDITIONS, *wanted):
        rows.tell(row, "waiting")
    if _preconditions(rows, PRECONDITIONS) is None:
        return rows.outcome(blocked=True)
    _look(rows, wanted)
    todo = [one for one in wanted if rows.last[one.key].state in ("missing", "different")]
    in_order(todo, lambda one: _make(rows, one, 0.0), done={key for one in todo for key in one.needs})
    return rows.outcome()


def _begun(world: World, on_event: OnEvent) -> tuple[Rows, tuple[Precondition, ...], tuple[Resource, ...]]:
    """Every row, waiting; without a project one row stands for all of Google's."""
    rows, every = Rows(world, on_event), resources(world)
    wanted = PRECONDITIONS if world.on_google else ()
    for row in (*wanted, *every):
        rows.tell(row, "waiting")
    if not world.on_google:
        rows.tell(NO_PROJECT, "skipped", "GCP_PROJECT_ID is empty: nothing runs there (arrcoc setup --project P)")
    return rows, wanted, every


def _preconditions(rows: Rows, wanted: Iterable[Precondition]) -> list[Precondition] | None:
    """Those that could not be found out; None when one fails, and the rest of the rows are then skipped."""
    unsure: list[Precondition] = []
    for one in wanted:
        rows.tell(one, "checking")
        found = one.look(rows.world)
        if found.ok is None:
            unsure.append(one)
            rows.tell(one, "unknown", found.detail)
        elif found.ok:
            rows.tell(one, "ok", found.detail)
        else:
            rows.tell(one, "failed", found.detail, found.problem)
            for key, event in list(rows.last.items()):
                if event.state == "waiting":
                    _skip(rows, key, event, f"after {one.title.lower()}")
            return None
    return unsure


def _skip(rows: Rows, key: str, event: Event, why: str) -> None:
    for row in (*PRECONDITIONS, *resources(rows.world)):
        if row.key == key:
            rows.tell(row, "skipped", why)


def _look(rows: Rows, wanted: Iterable[Resource], *, off: str = "", patience: float = 0.0) -> list[Resource]:
    """Check all at once; those that an API that is off hides are returned, and shown as missing where `off` says so."""
    hidden: list[Resource] = []
    lock = threading.Lock()

    def look(one: Resource) -> bool:
        rows.tell(one, "checking")
        try:
            rows.tell_status(one, _patiently(lambda: one.check(rows.world), patience))
        except CloudError as error:
            if error.scope == "api-disabled" and off and one.key != "apis" and not patience:
                with lock:
                    hidden.append(one)
                rows.tell(one, "missing", off)
            else:
                rows.tell_error(one, error)
        except ArrcocError as error:
            rows.tell_error(one, error)
        return True

    in_order(tuple(wanted), look, free=True)
    return hidden


def _make(rows: Rows, one: Resource, patience: float) -> bool:
    rows.tell(one, "creating")
    say: Say = lambda detail: rows.tell(one, "creating", detail) and None  # noqa: E731 - typed, and of one use
    try:
        status = _patiently(lambda: one.ensure(rows.world, say), patience)
    except ArrcocError as error:
        rows.tell_error(one, error)
        return False
    if status.state == "ok":
        where = one.where(rows.world)
        rows.tell(one, "created", _both(where, status.detail))
        return True
    if status.state in ("missing", "different"):
        rows.tell(one, "failed", f"made, and not seen yet ({status.detail or status.state}): run setup again")
        return False
    return rows.tell_status(one, status).state not in _FAILED


def _patiently(act: Callable[[], Status], patience: float) -> Status:
    """`act`, again while it meets an API that has been turned on a moment ago and does not know it yet."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return act()
        except CloudError as error:
            if error.scope != "api-disabled" or time.monotonic() > deadline:
                raise
            time.sleep(2.0)


def in_order(
    wanted: Sequence[Resource],
    act: Callable[[Resource], bool],
    skip: Callable[[Resource, list[str]], object] | None = None,
    *,
    done: set[str] | None = None,
    free: bool = False,
) -> None:
    """Run `act` on each as soon as what it needs has succeeded, several at a time; `free`: nothing needs anything."""
    succeeded = set(done or ())
    waiting = list(wanted)
    running: dict[Future[bool], Resource] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while waiting or running:
            coming = {one.key for one in (*waiting, *running.values())}
            for one in list(waiting):
                lacking = [] if free else [key for key in one.needs if key not in succeeded]
                if not lacking:
                    running[pool.submit(act, one)] = one
                    waiting.remove(one)
                elif not any(key in coming for key in lacking):
                    if skip is not None:
                        skip(one, lacking)
                    waiting.remove(one)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                one = running.pop(future)
                if future.result():
                    succeeded.add(one.key)


def _is_blocked(rows: Rows, every: Sequence[Resource]) -> bool:
    """A name of ours is somebody else's, or the APIs, which all else needs, cannot be looked at: nothing is made."""
    apis = rows.last.get("apis")
    return (apis is not None and apis.state == "failed") or any(rows.last[one.key].state == "foreign" for one in every)


def _is_repairable(event: Event) -> bool:
    return event.error is not None and any(fix.command for fix in event.error.fixes)


def _both(where: str, detail: str) -> str:
    return f"{where}: {detail}" if detail and detail != where else where
