"""What `arrcoc infra` prints, as the rows of four tables that load independently: plain values, no Qt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from arrcoc_core.formatting import UNKNOWN, duration, money
from arrcoc_gui.cloud.trouble import Trouble
from arrcoc_gui.setup.choices import quota_cell
from arrcoc_gui.widgets.plain_table import Cell, TableRow

TABLES = ("resources", "quotas", "costs", "jobs")
QUOTA_HEADERS = ("GPU", "Region", "Kind", "Granted", "In use", "Needed", "Request")
COST_HEADERS = ("What", "Size", "A month", "How")
JOB_HEADERS = ("Run", "Region", "Machine", "State")
_GB = 1e9


@dataclass(frozen=True)
class Quota:
    """One quota metric in one region. `pending`: an increase that was asked for, in words; "" for none."""

    gpu: str
    region: str
    kind: str
    metric: str
    limit: int | None
    used: int | None
    needed: int
    pending: str

    @property
    def key(self) -> str:
        return f"{self.metric} {self.region}"

    @property
    def enough(self) -> bool | None:
        """Whether what the experiments need fits into what is left; None where it is not known."""
        if self.limit is None:
            return None
        return self.limit < 0 or self.limit - (self.used or 0) >= self.needed

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Quota:
        return cls(
            gpu=str(line.get("gpu", "")),
            region=str(line.get("region", "")),
            kind=str(line.get("kind", "")),
            metric=str(line.get("metric", "")),
            limit=line.get("limit"),
            used=line.get("used"),
            needed=int(line.get("needed") or 0),
            pending=pending_words(line.get("pending")),
        )

    def row(self) -> TableRow:
        granted = quota_cell(self.limit)
        if self.needed and self.enough is False:
            granted = Cell(granted.text, "warn", tip=f"{self.needed} needed, {self.used or 0} in use")
        return TableRow(
            self.key,
            (
                Cell("vCPU" if self.gpu == "CPU" else self.gpu, bold=True, tip=self.metric),
                Cell(self.region),
                Cell(self.kind, "muted"),
                granted,
                Cell(UNKNOWN if self.used is None else f"{self.used:,}", "muted" if not self.used else "text"),
                Cell(f"{self.needed:,}" if self.needed else "", "text"),
                Cell(self.pending, "accent"),
            ),
        )


@dataclass
class TableState:
    """How one of the tables stands: loading since when (monotonic s), or how it ended."""

    state: str = "empty"
    since: float = 0.0
    seconds: float | None = None
    trouble: Trouble | None = None

    def words(self, now: float) -> str:
        if self.state == "loading":
            return f"loading · {duration(now - self.since)}"
        return "could not be read" if self.state == "failed" else ""


@dataclass
class InfraTables:
    """Takes the lines of the command; `apply` says which table has changed ("" for none)."""

    quotas: dict[str, Quota] = field(default_factory=dict)
    costs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    jobs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    total: Mapping[str, Any] | None = None
    states: dict[str, TableState] = field(default_factory=lambda: {name: TableState() for name in TABLES})

    def begin(self, now: float) -> None:
        """A new look: what was shown stays until the new lines come."""
        self.states = {name: TableState("loading", now) for name in TABLES}

    def apply(self, line: Mapping[str, Any], now: float) -> str:
        kind = line.get("type")
        if kind == "table":
            return self._table(line, now)
        if kind == "quota":
            quota = Quota.of(line)
            self.quotas[quota.key] = quota
            return "quotas"
        if kind == "cost":
            self.costs[str(line.get("resource"))] = line
            return "costs"
        if kind == "cost-total":
            self.total = line
            return "costs"
        if kind == "job":
            self.jobs[str(line.get("job"))] = line
            return "jobs"
        return ""

    def stop(self, trouble: Trouble | None) -> None:
        """The command has ended: no table loads any more."""
        for state in self.states.values():
            if state.state == "loading":
                state.state = "failed" if trouble is not None else "loaded"

    def quota_rows(self) -> list[TableRow]:
        """What the experiments need first, then what is granted or asked for; the rest is only noise above it."""
        order = sorted(
            self.quotas.values(),
            key=lambda q: (not q.needed, not q.pending, not (q.limit or 0), q.gpu == "CPU", q.gpu, q.region, q.kind),
        )
        return [quota.row() for quota in order]

    def cost_rows(self) -> list[TableRow]:
        return [cost_row(line) for line in self.costs.values()]

    def job_rows(self) -> list[TableRow]:
        return [job_row(line) for line in self.jobs.values()]

    def sentence(self) -> str:
        """ "About $1.23 a month to keep (prices of 2026-11-01)"; "" while it is not known."""
        if self.total is None:
            return ""
        usd = self.total.get("usd_per_month")
        about = "About" if self.total.get("complete", True) else "At least"
        dated = f" (prices of {self.total['as_of']})" if self.total.get("as_of") else ""
        return f"{about} {money(usd)} a month to keep{dated}" if usd is not None else "What it costs is not known"

    def _table(self, line: Mapping[str, Any], now: float) -> str:
        name = str(line.get("table"))
        state = self.states.setdefault(name, TableState())
        became = str(line.get("state", ""))
        if became == "loading" and state.state != "loading":
            state.since = now
        if became == "loaded":
            self._fresh(name)
        state.state = became
        state.seconds = line.get("seconds")
        state.trouble = Trouble.of(line.get("error"))
        return name

    def _fresh(self, name: str) -> None:
        """Room for what a table that is complete does not hold any more is left to the next look."""
        if name == "jobs" and self.states[name].state != "loading":
            self.jobs.clear()


def pending_words(pending: Mapping[str, Any] | None) -> str:
    """ "8 asked for, pending", "8 asked for, 4 granted", "8 asked for, denied"."""
    if not pending:
        return ""
    asked = f"{pending.get('wanted')} asked for"
    state = str(pending.get("state", "pending"))
    if state == "partly granted":
        return f"{asked}, {pending.get('granted')} granted"
    return f"{asked}, {state}"


def cost_row(line: Mapping[str, Any]) -> TableRow:
    usd = line.get("usd_per_month")
    return TableRow(
        str(line.get("resource")),
        (
            Cell(str(line.get("title") or line.get("resource"))),
            Cell(size(line.get("size_bytes")), "muted"),
            Cell(money(usd), "text" if usd else "muted"),
            Cell(str(line.get("note") or ""), "muted"),
        ),
    )


def job_row(line: Mapping[str, Any]) -> TableRow:
    return TableRow(
        str(line.get("job")),
        (
            Cell(str(line.get("run") or ""), bold=True),
            Cell(str(line.get("region") or "")),
            Cell(f"{line.get('count', 1)} x {line.get('gpu', '')}"),
            Cell(str(line.get("state") or "").lower(), "accent"),
        ),
    )


def size(count: int | float | None) -> str:
    """Bytes for people: "12.4 GB", "340 MB", "under 1 MB"; a dash where it is not known."""
    if count is None:
        return UNKNOWN
    if count >= _GB:
        return f"{count / _GB:,.1f} GB"
    if count >= 1e6:
        return f"{count / 1e6:,.0f} MB"
    return "empty" if not count else "under 1 MB"


def sizes(lines: Iterable[Mapping[str, Any]]) -> int:
    """Bytes of all of them together."""
    return sum(int(line.get("size_bytes") or 0) for line in lines)
