"""`arrcoc watch`: drive the runs in the cloud in this terminal, and say what happens to them.

Where another process drives them already, this one only shows what happens, and takes over when that one ends; there
are never two that act. It ends when no run is left; Ctrl-C leaves, and a process in the background goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime
from pathlib import Path

from arrcoc_core.cli.terminal import paint, say
from arrcoc_core.lease import acquire, give_back, holder, kind_of, unfinished
from arrcoc_core.records import FINAL, Event
from arrcoc_core.store import Store

LOOK_S = 0.5
INTERRUPTED = 130
_QUIET = frozenset({"summary", "note"})


def watch(arguments: argparse.Namespace) -> int:
    from arrcoc_core.settings import find_root, state_dir

    state = state_dir(find_root(None))
    if not (state / "store.db").exists():
        say("No run is going in the cloud.")
        return 0
    with Store(state / "store.db") as store:
        teller = Teller(store, as_json=arguments.json)
        teller.present()
        try:
            while unfinished(store, "cloud"):
                _drive_or_follow(store, state, teller)
        except KeyboardInterrupt:
            give_back(store, only_when_idle=False, kind="cloud")
            from arrcoc_core.launching import ensure_supervisor

            ensure_supervisor(store)
            teller.say("\nLeft. The runs go on; come back with: arrcoc watch")
            return INTERRUPTED
        teller.news()
        teller.say("No run is going in the cloud.")
    return 0


def _drive_or_follow(store: Store, state: Path, teller: Teller) -> None:
    from arrcoc_core.supervisor import Supervisor

    if acquire(store, "cloud"):
        teller.say("This process drives the runs now.")
        Supervisor(store, state, lambda _: None, "cloud").serve(each=teller.news)
        return
    other = holder(store, "cloud")
    teller.say(f"Process {other.pid if other else '?'} drives the runs; here is what happens.")
    while unfinished(store, "cloud") and (found := holder(store, "cloud")) and found.valid(time.time()):
        teller.news()
        time.sleep(LOOK_S)


class Teller:
    """Says each event of a run in the cloud once."""

    def __init__(self, store: Store, *, as_json: bool) -> None:
        self._store, self._json = store, as_json
        self._seen = store.changes_token()

    def present(self) -> None:
        """One line for each run that has not ended."""
        for run in reversed(self._store.runs(active=True)):
            if kind_of(run.target) == "cloud":
                self.say(f"{paint(run.id, 'bold')}  {run.state}  {run.problem or run.cause}".rstrip())

    def news(self) -> None:
        if self._store.changes_token() == self._seen:
            return
        cloud = {run.id: run for run in self._store.runs() if kind_of(run.target) == "cloud"}
        for event in self._store.events(after=self._seen):
            self._seen = event.id
            if event.run not in cloud or event.kind in _QUIET:
                continue
            if self._json:
                row = {"run": event.run, "kind": event.kind, "at": event.at, "attempt": event.attempt}
                sys.stdout.write(json.dumps({**row, "cause": event.cause, "data": event.data}) + "\n")
                sys.stdout.flush()
            else:
                say(line(event), flush=True)

    def say(self, text: str) -> None:
        if not self._json:
            say(text, flush=True)


def line(event: Event) -> str:
    """ "19:02:11  walk-…  attempt 2 ended: preempted, its machine was taken away"."""
    at = datetime.fromtimestamp(event.at).strftime("%H:%M:%S")
    state = str(event.data.get("state", ""))
    what = {
        "preparation": f"preparing: {event.data.get('detail') or state}",
        "attempt_started": f"attempt {event.attempt}: {event.data.get('region', '')}, "
        f"{event.data.get('provisioning', '')}",
        "attempt_submitted": f"attempt {event.attempt} submitted",
        "attempt_running": f"attempt {event.attempt} has its machine",
        "attempt_ended": f"attempt {event.attempt} {state}",
        "cancel_requested": "stopping",
        "out_of_sight": "cannot be observed just now",
        "in_sight": "can be observed again",
        "ended": state,
    }.get(event.kind, event.kind.replace("_", " "))
    cost = event.data.get("cost_usd")
    paid = f", ${cost:.4f}" if isinstance(cost, float) and cost else ""
    said = f": {event.cause}" if event.cause else ""
    tone = "good" if state == "succeeded" else "bad" if state in FINAL else ""
    text = f"{at}  {event.run}  {what}{paid}{said}"
    return paint(text, tone) if tone and event.kind == "ended" else text
