"""The monitor's actions, as entries of the app's one table: keys, menus, help sheet and palette read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from arrcoc_gui.actions import Action
from arrcoc_gui.monitor.focus import ATTEMPTS, CHARTS, RESULT, VALUES

if TYPE_CHECKING:
    from arrcoc_gui.monitor.page import MonitorPage

SCOPE = "monitor"


def monitor_actions(page: MonitorPage) -> list[Action]:
    """Actions on the run in focus; their keys work while the monitor shows."""
    panes = page.panes

    def there() -> bool:
        return page.run is not None

    def live() -> bool:
        return page.run is not None and not page.run.finished and not page.run.read_only

    def ours() -> bool:
        return page.run is not None and not page.run.read_only

    def act(
        name: str,
        title: str,
        keys: tuple[str, ...],
        run: Callable[[], object],
        menu: str = "Run",
        enabled: Callable[[], bool] = there,
    ) -> Action:
        return Action(id=f"monitor.{name}", title=title, keys=keys, run=run, scope=SCOPE, menu=menu, enabled=enabled)

    return [
        act("charts", "Show the charts", ("C",), lambda: page.set_mode(CHARTS), "View"),
        act("result", "Show the result", ("R",), lambda: page.set_mode(RESULT), "View", ours),
        act("attempts", "Show the attempts and the money", ("A",), lambda: page.set_mode(ATTEMPTS), "View", ours),
        act("values", "Show the configuration and the last values", ("V",), lambda: page.set_mode(VALUES), "View"),
        act("log", "Show or hide the log", ("L",), panes.log.toggle.toggle, "View"),
        act("search", "Search the log", ("Ctrl+F",), panes.log.focus_search, "View"),
        act("projects", "Choose which runs are listed", ("G",), panes.picker.showMenu, "View", lambda: True),
        act("find-run", "Search the runs", ("/",), panes.runs.search.setFocus, "View", lambda: True),
        act("x", "Horizontal axis: step, relative time, wall time", ("X",), panes.charts.next_x, "View"),
        act("logy", "Logarithmic values", ("Y",), panes.charts.toggle_log, "View"),
        act("reset", "Show everything again (reset the zoom)", ("0",), panes.charts.reset_view, "View"),
        act("before", "Picture of the evaluation before", ("[",), lambda: panes.pictures.move_by(-1), ""),
        act("after", "Picture of the next evaluation", ("]",), lambda: panes.pictures.move_by(1), ""),
        act("sample", "Next sample", ("S",), panes.pictures.next_sample, ""),
        act("follow", "Follow the newest moment", (".",), page.cursor_moment.follow, "View"),
        act("cancel", "Cancel the run", ("Ctrl+.",), page.acts.ask_cancel, "Run", live),
        act("again", "Launch this experiment again", (), page.acts.ask_launch_again, "Run", ours),
        *page.outward.actions(SCOPE),
    ]
