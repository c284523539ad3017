"""What every GUI test stands on: no screen, one styled application, and nothing left running when a test ends."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import psutil
import pytest
import shiboken6
from monitoring import past as past
from monitoring import show as show
from PySide6.QtCore import QCoreApplication, QEvent, QProcess, QThread, QThreadPool, QTimer
from PySide6.QtWidgets import QApplication

from arrcoc_gui.background import background, shut_down_background
from arrcoc_gui.prefs import Prefs
from arrcoc_gui.theme import themes

SETTLE_S = 10.0


@pytest.fixture(scope="session", autouse=True)
def styled(qapp: QApplication) -> None:
    """The app's own style, once for the session."""
    themes().install(qapp, "light", 1.0)


@pytest.fixture(autouse=True)
def look() -> Iterator[None]:
    """Each test starts light and at 100 %."""
    yield
    themes().choose("light")
    themes().set_scale(1.0)


@pytest.fixture(autouse=True)
def leaks(qapp: QApplication, look: None) -> Iterator[None]:
    """Fails a test that leaves a thread, a timer, a background job or a child process.

    It ends before `look` does: a window that is gone is not styled anew.
    """
    before = _running()
    children = _children()
    yield
    stuck = shut_down_background(10_000)
    assert stuck == [], f"background jobs still at work: {stuck}"
    deadline = time.monotonic() + SETTLE_S
    while True:
        qapp.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        left = [what for key, what in _running().items() if key not in before]
        left += [f"child process {name}" for pid, name in _children().items() if pid not in children]
        if QThreadPool.globalInstance().activeThreadCount():
            left.append("a job in the global thread pool")
        if not left:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"left running: {'; '.join(left)}")
        gc.collect()
        time.sleep(0.05)


@pytest.fixture
def open_window(qapp: QApplication, tmp_path: Path) -> Iterator[Callable[..., object]]:
    """Opens the real window on a project, as `python -m arrcoc_gui` does, and closes it after the test."""
    from arrcoc_gui.app import make_window
    from arrcoc_gui.window import MainWindow

    windows: list[MainWindow] = []

    def open_on(root: Path, experiment: str | None = None, *, start: bool = True, **prefs: object) -> MainWindow:
        remembered = Prefs(root / ".arrcoc" / "app.json")
        remembered.set("farewell_said", True)
        remembered.set("ask_accounts", False)
        for key, value in prefs.items():
            remembered.set(key, value)
        window = make_window(root, remembered, experiment)
        windows.append(window)
        window.resize(1280, 800)
        window.show()
        window.activateWindow()
        deadline = time.monotonic() + SETTLE_S
        while not window.isActiveWindow() and time.monotonic() < deadline:
            qapp.processEvents()  # keys go to the active window
        if start:
            window.state.start()
        return window

    yield open_on
    for window in windows:
        if shiboken6.isValid(window):
            window.close()
            window.deleteLater()
    background().shutdown(10_000)


def _running() -> dict[int, str]:
    """Live threads, timers and processes of Qt, by address.

    Asked of Qt's binding: to go through all objects of Python takes a second where torch is loaded, for every test.
    """
    found: dict[int, str] = {}
    for thing in shiboken6.getAllValidWrappers():
        if isinstance(thing, QTimer) and thing.isActive():
            owner = thing.parent()
            found[id(thing)] = f"a timer of {type(owner).__name__} every {thing.interval()} ms"
        elif isinstance(thing, QThread) and thing.isRunning() and thing is not QThread.currentThread():
            found[id(thing)] = "a thread"
        elif isinstance(thing, QProcess) and thing.state() != QProcess.ProcessState.NotRunning:
            found[id(thing)] = f"process {thing.program()} {' '.join(thing.arguments())}"
    return found


def _children() -> dict[int, str]:
    found: dict[int, str] = {}
    for child in psutil.Process().children(recursive=True):
        try:
            if child.status() != psutil.STATUS_ZOMBIE:
                found[child.pid] = " ".join(child.cmdline()[:5])
        except psutil.NoSuchProcess:
            continue
    return found
