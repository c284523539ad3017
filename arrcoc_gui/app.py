"""Start and end of the app.

    main(["--experiment", "quickstart"]) -> exit code

The window is painted before anything of the core is asked; discovery, store and charts follow in the background. At the
end the threads are joined; a job that hangs (a user's file that never ends has its own limit) cannot hold the process.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QtMsgType, qInstallMessageHandler
from PySide6.QtWidgets import QApplication

from arrcoc_gui.background import run_in_background, shut_down_background
from arrcoc_gui.errors import ExceptHook, app_log
from arrcoc_gui.prefs import Prefs
from arrcoc_gui.state import AppState
from arrcoc_gui.theme import themes
from arrcoc_gui.window import MainWindow

WARM_MS = 1200  # after the first paint: by then the first data is there
JOIN_MS = 3000


def main(argv: Sequence[str] | None = None) -> int:
    """Run the app until its window closes. 2 when there is no project or no display."""
    options = _parse(argv)
    from arrcoc_core.errors import ArrcocError, render
    from arrcoc_core.settings import find_root, state_dir

    try:
        root = find_root(options.root)
    except ArrcocError as error:
        sys.stderr.write(render(error) + "\n")
        return error.exit_code
    if no_display():
        sys.stderr.write(
            "There is no display to open a window on.\n  → In the terminal: arrcoc launch quickstart --watch\n"
        )
        return 2
    app_log.path = state_dir(root) / "app.log"
    prefs = Prefs(state_dir(root) / "app.json")
    app = make_app(prefs)
    window = make_window(root, prefs, options.experiment)
    if options.probe_first_paint:
        window.first_painted.connect(lambda: _probe(app))
    else:
        window.first_painted.connect(window.state.start)
    window.show()
    code = app.exec()
    stuck = shut_down_background(JOIN_MS)
    if stuck:
        app_log.write(f"ended while still at work: {', '.join(stuck)}")
        sys.stdout.flush()
        os._exit(code)  # joining would hang with the thread; nothing of ours is half written
    return code


def make_app(prefs: Prefs) -> QApplication:
    """The QApplication, styled, with the hooks that let nothing be swallowed."""
    QApplication.setApplicationName("arrcoc")
    QApplication.setApplicationDisplayName("ARR-COC")
    QApplication.setDesktopFileName("arrcoc")
    app = QApplication(sys.argv[:1])
    themes().install(app, prefs.get("theme", "system"), prefs.get("scale", 1.0))
    ExceptHook(app).install()
    qInstallMessageHandler(_qt_message)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _end(app))
    return app


def make_window(root: Path, prefs: Prefs, experiment: str | None = None) -> MainWindow:
    """The window with its pages. With `experiment`: the list, that row selected, Launch focused."""
    state = AppState(root, prefs)
    window = MainWindow(state)
    state.setParent(window)
    window.add_page("home", "Home", "home", "H", lambda: _home(state))
    window.add_page("experiments", "Experiments", "experiments", "2", lambda: _experiments(state))
    window.add_page("monitor", "Monitor", "monitor", "1", lambda: _monitor(state))
    window.add_page("setup", "Setup", "setup", "3", lambda: _setup(state))
    window.add_page("infra", "Infra", "infra", "5", lambda: _infra(state))
    window.add_page("teardown", "Teardown", "teardown", "4", lambda: _teardown(state))
    state.select(experiment or prefs.get("selection", "") or "quickstart")
    page = "experiments" if experiment else prefs.get("page", "home")
    # The monitor stands on the chart library, which is too much for a first paint.
    window.go(page if page in window.pages and page != "monitor" else "home")
    window.first_painted.connect(lambda: _warm_later(window, page))
    return window


def no_display() -> bool:
    """Whether Qt would find no screen (it would abort the process)."""
    return (
        sys.platform.startswith("linux")
        and not os.environ.get("QT_QPA_PLATFORM")
        and not os.environ.get("DISPLAY")
        and not os.environ.get("WAYLAND_DISPLAY")
    )


def _end(app: QApplication) -> None:
    """Ctrl+C and a request to end: close as by hand, and wait for no last word."""
    app.setProperty("ending", True)
    app.closeAllWindows()
    app.quit()


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m arrcoc_gui", description="The desktop app.")
    parser.add_argument("--experiment", metavar="NAME", help="open the list with this experiment ready to launch")
    parser.add_argument("--root", type=Path, metavar="DIR", help="the project, if not the one of the working directory")
    parser.add_argument(
        "--probe-first-paint", action="store_true", help="print one JSON line after the first paint, and end"
    )
    return parser.parse_args(argv)


def _home(state: AppState):
    from arrcoc_gui.home.page import HomePage

    return HomePage(state)


def _experiments(state: AppState):
    from arrcoc_gui.experiments.page import ExperimentsPage

    return ExperimentsPage(state)


def _monitor(state: AppState):
    from arrcoc_gui.monitor.page import MonitorPage

    return MonitorPage(state)


def _setup(state: AppState):
    from arrcoc_gui.setup.page import SetupPage

    return SetupPage(state)


def _infra(state: AppState):
    from arrcoc_gui.infra.page import InfraPage

    return InfraPage(state)


def _teardown(state: AppState):
    from arrcoc_gui.teardown.page import TeardownPage

    return TeardownPage(state)


def _warm_later(window: MainWindow, page: str) -> None:
    """Load the chart library off the GUI thread, then build the pages not yet seen."""
    from PySide6.QtCore import QTimer

    def load() -> None:
        import arrcoc_gui.plotting  # noqa: F401

    def ready(_: object) -> None:
        window.build_all()
        if page == "monitor" and window.current == "home":
            window.go("monitor")

    later = QTimer(window, interval=WARM_MS, singleShot=True)  # goes with the window
    later.timeout.connect(lambda: run_in_background(load, ready, parent=window, name="loading the chart library"))
    window.closed.connect(later.stop)
    later.start()


def _probe(app: QApplication) -> None:
    cpu, now, modules = time.process_time(), time.time(), sorted(sys.modules)
    import psutil

    wall = now - psutil.Process().create_time()
    print(json.dumps({"cpu_s": round(cpu, 4), "wall_s": round(wall, 4), "modules": modules}), flush=True)
    app.quit()


def _qt_message(kind: QtMsgType, context: object, message: str) -> None:
    if kind in (QtMsgType.QtWarningMsg, QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg):
        app_log.write(f"Qt: {message}")
