"""`python -m arrcoc_core.online.listed`: what is on a W&B server, for programs that show it, as JSON lines on stdout.

    … listed projects                             those that the key may read, and the end
    … listed runs [--every S] own my-team/vqa …   the newest runs of these projects, until it is stopped

own: the project of `.training`. The working directory is the project's.

    {"type": "project", "entity", "name", "created_at", "url"}
    {"type": "place", "asked": "own", "place": "me/arr-coc", "total": 412, "whole": true, "runs": [run, …]}
    {"type": "place", "asked", "behind_s": 12.0, "offline": "… cannot be reached"}        while the server is away
    {"type": "place", "asked", "trouble": {"message", "cause", "fixes"}}          it is refused; tried again later

A run is `OnlineRun.to_json()` with its experiment, and "watch": how the follow child is told to read it. `whole`: these
are all of the list; without it, those that have changed. A list is asked for every `LIVE_S` (or `--every` seconds)
while one of its runs goes on and `QUIET_S` otherwise; after an error that passes, after pauses that double. Settings
that cannot be read end the process, as they end any command; so does the end of the process that has started it.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import Any

from arrcoc_core.cli.terminal import say_line
from arrcoc_core.errors import ArrcocError, CloudError, render
from arrcoc_core.online.listing import ProjectRuns, online_projects
from arrcoc_core.online.run import OnlineRun
from arrcoc_core.settings import find_root, load_settings

OWN = "own"
LIVE_S, QUIET_S = 5.0, 20.0
REFUSED_S = 60.0
PATIENCE_S = 2.0
"""How long one look retries what passes before that is told."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 30.0
_LOOK_ROUND_S = 2.0
"""How long it takes to be noticed that nobody is there any more."""
_PASSES = ("unavailable", "offline")
NICENESS = 5  # the window comes first


@dataclass
class _List:
    asked: str
    every_s: float = LIVE_S
    runs: ProjectRuns | None = None
    due: float = 0.0
    """Monotonic time of the next look."""
    answered: float = 0.0
    failures: int = 0

    def __post_init__(self) -> None:
        self.answered = time.monotonic()
        self._told: dict[str, Any] = {}

    def look(self) -> None:
        """Ask once, say what is new, and settle when to ask again."""
        try:
            first = self.runs is None
            if self.runs is None:
                entity, _, project = self.asked.partition("/") if self.asked != OWN else ("", "", "")
                self.runs = ProjectRuns(entity=entity or None, project=project or None, patience_s=PATIENCE_S)
            else:
                self.runs.refresh()
        except ArrcocError as error:
            self._failed(error)
            return
        late, self.failures, self.answered = bool(self.failures), 0, time.monotonic()
        live = any(run.active for run in self.runs.runs)
        self.due = self.answered + (self.every_s if live else QUIET_S)
        self._tell(self.runs, whole=first, anyway=late)

    def _tell(self, listed: ProjectRuns, *, whole: bool, anyway: bool) -> None:
        stamps = {run.path: run.stamp for run in listed.runs}
        whole = whole or bool(self._told.keys() - stamps.keys())
        fresh = [run for run in listed.runs if whole or self._told.get(run.path) != stamps[run.path]]
        self._told = stamps
        if fresh or whole or anyway:
            place = {"asked": self.asked, "place": f"{listed.entity}/{listed.project}", "total": listed.total}
            say_line({"type": "place", **place, "whole": whole, "runs": [_run_line(run) for run in fresh]})

    def _failed(self, error: ArrcocError) -> None:
        now = time.monotonic()
        if isinstance(error, CloudError) and error.scope in _PASSES:
            self.failures += 1
            self.due = now + min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self.failures - 1, 10))
            behind = round(now - self.answered, 1)
            say_line({"type": "place", "asked": self.asked, "behind_s": behind, "offline": error.message})
            return
        from arrcoc_core.infra.repairs import problem_of

        self.runs, self.due = None, now + REFUSED_S
        say_line({"type": "place", "asked": self.asked, "trouble": problem_of(error).to_json()})


def main(arguments: list[str]) -> int:
    os.nice(NICENESS)
    what, places = (arguments or [""])[0], arguments[1:]
    try:
        root = find_root()
        load_settings(root)
        if what == "projects":
            for project in online_projects(root=root):
                say_line({"type": "project", **project.to_json()})
            return 0
        every_s, places = (float(places[1]), places[2:]) if places[:1] == ["--every"] else (LIVE_S, places)
        lists, parent = [_List(asked, every_s) for asked in places], os.getppid()
        while lists and os.getppid() == parent:
            following = min(lists, key=lambda one: one.due)
            wait = following.due - time.monotonic()
            if wait > 0:
                time.sleep(min(wait, _LOOK_ROUND_S))
            else:
                following.look()
    except ArrcocError as error:
        sys.stderr.write(render(error) + "\n")
        return error.exit_code
    except BrokenPipeError:  # nobody listens any more
        return 0
    return 0


def _run_line(run: OnlineRun) -> dict[str, Any]:
    return {**run.to_json(), "experiment": run.experiment, "watch": run.watch_command()}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
