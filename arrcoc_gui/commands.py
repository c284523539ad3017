"""The actions of the window itself: going places, theme and size, help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arrcoc_gui.actions import Action
from arrcoc_gui.theme import Choice, themes

if TYPE_CHECKING:
    from arrcoc_gui.window import MainWindow

PAGES = (
    ("H", "home", "Home"),
    ("1", "monitor", "Monitor: curves, pictures and log"),
    ("2", "experiments", "Launch: the experiments"),
    ("3", "setup", "Setup: what the cloud needs"),
    ("4", "teardown", "Teardown: remove what is ours"),
    ("5", "infra", "Infra: resources, quota, cost"),
)
"""Key, name and title of each page."""


def window_actions(window: MainWindow) -> list[Action]:
    """Those that work on every page. They look at `window` only when they run."""
    return [
        *(_page(key, name, title, window) for key, name, title in PAGES),
        Action(
            id="app.sandbox",
            title="Sandbox: rehearse without the cloud, W&B and the Hub",
            menu="App",
            run=window.state.sandbox.toggle,
            checked=lambda: window.state.sandbox.on,
        ),
        Action(id="app.palette", title="Command palette", keys=("Ctrl+K",), menu="App", run=window.open_palette),
        Action(id="app.reload", title="Reload the experiments", keys=("F5",), menu="App", run=window.state.discover),
        Action(id="app.quit", title="Close the window", keys=("Ctrl+Q",), menu="App", run=window.close),
        _theme("system", "Theme: as the system", window),
        _theme("light", "Theme: light", window),
        _theme("dark", "Theme: dark", window),
        Action(
            id="view.larger",
            title="Larger",
            keys=("Ctrl++", "Ctrl+="),
            menu="View",
            run=lambda: themes().step_scale(1),
        ),
        Action(id="view.smaller", title="Smaller", keys=("Ctrl+-",), menu="View", run=lambda: themes().step_scale(-1)),
        Action(
            id="view.normal", title="Normal size", keys=("Ctrl+0",), menu="View", run=lambda: themes().step_scale(0)
        ),
        Action(id="help.keys", title="Keys and actions", keys=("?", "F1"), menu="Help", run=window.open_help),
        Action(id="help.log", title="Open the log of this app", menu="Help", run=lambda: open_log(window)),
    ]


def open_log(window: MainWindow) -> None:
    """Open `.arrcoc/app.log` in the editor, or say that there is none yet."""
    from arrcoc_gui.errors import app_log

    if app_log.path is not None and app_log.path.exists():
        window.state.open_in_editor(app_log.path)
    else:
        window.show_notice("The log is empty: nothing has gone wrong")


def _page(key: str, name: str, title: str, window: MainWindow) -> Action:
    return Action(id=f"go.{name}", title=title, keys=(key,), menu="Go", run=lambda: window.go(name))


def _theme(choice: Choice, title: str, window: MainWindow) -> Action:
    return Action(
        id=f"view.{choice}",
        title=title,
        menu="View",
        run=lambda: themes().choose(choice),
        checked=lambda: themes().choice == choice,
    )
