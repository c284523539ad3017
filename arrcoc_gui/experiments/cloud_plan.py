"""A plan for the cloud as a person decides on it: the ladder, the dollars, the question. Plain values, no Qt.

Everything comes from `Plan.to_json()`, so that what the app asks about is what the command line would launch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arrcoc_core.formatting import UNKNOWN, duration, money, plural
from arrcoc_core.queue.planned import QueuePlan
from arrcoc_gui.cloud.trouble import fixes_of
from arrcoc_gui.experiments.outward import hub_words, logs_words
from arrcoc_gui.widgets.plain_table import Cell, TableRow

LADDER_HEADERS = ("", "Region", "Machine", "How", "Waits at most", "Whole run")
LADDER_RIGHT = frozenset({4, 5})
WORDS = {"spot": "spot", "flex": "flex start", "on-demand": "on demand"}


@dataclass(frozen=True)
class CloudPlanView:
    """What is shown of one plan. `runs`: how many like it one launch starts (the points of a sweep)."""

    name: str
    held: Mapping[str, Any]
    runs: int = 1
    span: tuple[float, float] | None = None
    """Dollars of all runs together, where they are not `runs` times this one's."""

    @property
    def cloud(self) -> Mapping[str, Any]:
        return self.held["cloud"]

    @property
    def logs(self) -> str:
        """Where its rows go while it trains, and why there: "online as ada at …", "offline: no key …"."""
        return logs_words(self.held.get("checks") or ())

    @property
    def hub(self) -> str:
        """Where its selector goes in the end."""
        hub = self.held.get("hub") or {}
        return hub_words(str(hub.get("repo") or ""), private=bool(hub.get("private", True)))

    @property
    def queue(self) -> QueuePlan | None:
        """The W&B Launch queue that it goes through; None: straight to Vertex AI."""
        held = self.held.get("queue")
        return None if not held else QueuePlan.from_json(held)

    @property
    def sandbox(self) -> bool:
        return bool(self.cloud.get("endpoints"))

    @property
    def cost_range(self) -> tuple[float, float] | None:
        """Dollars of everything that would be launched; None where it is not known."""
        if self.span is not None:
            return self.span
        held = self.held.get("cost_range")
        if not held or held[0] is None or held[1] is None:
            return None
        return held[0] * self.runs, held[1] * self.runs

    @property
    def expected(self) -> float | None:
        """Dollars on the first rung, by the middle of the estimate."""
        one = self.held.get("cost_usd")
        return None if one is None else one * self.runs

    @property
    def machine(self) -> str:
        """ "1 x L4", "2 machines of 8 x H100"."""
        gpus = f"{self.cloud.get('count', 1)} x {self.cloud.get('gpu', '')}"
        machines = int(self.cloud.get("machines") or 1)
        return gpus if machines == 1 else f"{machines} machines of {gpus}"

    @property
    def cap(self) -> float:
        """Dollars a run may cost; 0: no cap."""
        return float(self.cloud.get("max_cost_usd") or 0.0)

    def headline(self) -> str:
        """ "about $0.62, between $0.40 and $0.95"."""
        if self.expected is None:
            return "The price is not known"
        between = ""
        if self.cost_range is not None:
            between = f", between {money(self.cost_range[0])} and {money(self.cost_range[1])}"
        return f"About {money(self.expected)}{between}"

    def notes(self) -> list[tuple[str, str]]:
        """Sentence and look, below the headline."""
        low, high = self.held.get("estimate_s") or (0.0, 0.0)
        lines: list[tuple[str, str]] = []
        if high:
            lines.append(
                (f"{duration(low)} to {duration(high)} on {self.machine} ({self.held['estimate_source']})", "")
            )
        if self.queue is not None:
            lines.append((f"Through the queue {self.queue.title}: {self.queue.standing or 'not looked at yet'}", ""))
        lines += [(f"Logs {self.logs}", ""), (f"Hub: {self.hub}", "")]
        each = " each" if self.runs > 1 else ""
        if self.cap:
            lines.append((f"Cap: a run is cancelled at {money(self.cap)}{each} (max_cost_usd)", ""))
        else:
            hours = float(self.cloud.get("max_hours") or 0.0)
            limit = f"; one attempt ends after {duration(hours * 3600)} (max_hours)" if hours else ""
            lines.append((f"No cap is set (max_cost_usd){limit}", "muted"))
        problem, dated = self.cloud.get("price_problem"), self.cloud.get("price_date")
        if problem:
            lines.append((f"Prices: {problem}", "warn"))
        elif dated:
            lines.append((f"Prices of {dated}; {self.cloud.get('price_source', '')}", "muted"))
        return lines

    def ladder(self) -> list[TableRow]:
        """One row for each place that is tried, in this order."""
        rows: list[TableRow] = []
        for number, rung in enumerate(self.cloud.get("rungs") or (), 1):
            low, high = rung.get("usd_low"), rung.get("usd_high")
            whole = UNKNOWN if low is None or high is None else f"{money(low)} to {money(high)}"
            hour = rung.get("usd_per_h")
            how = WORDS.get(str(rung.get("provisioning")), str(rung.get("provisioning")))
            rows.append(
                TableRow(
                    f"{number}",
                    (
                        Cell(f"{number}.", "muted"),
                        Cell(str(rung.get("region", "")), bold=True),
                        Cell(str(rung.get("machine_type", "")), "muted"),
                        Cell(f"{how}, price unknown" if hour is None else f"{how}, ${hour:.2f}/h"),
                        Cell(duration(rung.get("max_wait_s")), "muted"),
                        Cell(whole),
                    ),
                )
            )
        return rows

    def question(self) -> tuple[str, str, str]:
        """Title, text and the words of the button that spends the money."""
        what = self.name if self.runs == 1 else f"{plural(self.runs, 'run')} of {self.name}"
        about = "" if self.expected is None else f" for about {money(self.expected)}"
        first = (self.cloud.get("rungs") or [{}])[0]
        hour = first.get("usd_per_h")
        price = "a price nobody knows" if hour is None else f"${hour:.2f} an hour"
        place = (
            f"{self.machine} in {first.get('region', '')}, {WORDS.get(str(first.get('provisioning')), '')}, at {price}"
        )
        if self.queue is not None:
            agent = "" if self.queue.agents or self.queue.agents is None else " No agent polls it: one is started here."
            place = f"Through the queue {self.queue.title}.{agent} Then {place}"
        place = f"{place}. It logs {self.logs}"
        if (self.held.get("hub") or {}).get("repo"):
            place = f"{place}. In the end its selector goes to the Hub: {self.hub}"
        span = self.cost_range
        costs = f"It costs {money(span[0])} to {money(span[1])}." if span is not None else "What it costs is not known."
        each = " each" if self.runs > 1 else ""
        cap = f"A run is cancelled at {money(self.cap)}{each}." if self.cap else "No cap is set (max_cost_usd)."
        if self.sandbox:
            text = f"{place}. {costs} {cap}\n\nIn the sandbox: it runs on this machine, and nothing is paid."
            return f"Launch {what} in the sandbox?", text, "Launch in the sandbox"
        text = f"{place}. {costs} {cap}\n\nYou pay Google for it, until it ends or is cancelled."
        return f"Launch {what}{about}?", text, f"Launch{about}"


def check_line(check: Mapping[str, Any] | str) -> dict[str, Any]:
    """A row of the preflight as a line about a resource; a bare name is one that is still to come."""
    if isinstance(check, str):
        return {"resource": check, "title": check[:1].upper() + check[1:], "state": "waiting"}
    name, detail = str(check["name"]), str(check.get("detail") or "")
    title = name[:1].upper() + name[1:]
    line = {"resource": name, "title": title, "detail": detail, "state": "failed"}
    if check.get("skipped"):
        line["state"] = "skipped"
    elif check.get("unknown"):
        line["state"] = "unknown"
    elif check.get("ok"):
        line["state"] = "passed"
    else:
        fixes = [{"text": fix.text, "command": fix.command} for fix in fixes_of(str(check.get("remedy") or ""))]
        line["error"] = {"message": detail, "fixes": fixes}
    return line
