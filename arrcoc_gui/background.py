"""Work off the GUI thread, with its result delivered on it.

    run_in_background(fn, on_done, on_error, parent)

`fn()` runs in a thread of one pool that the app owns. `on_done(result)` or `on_error(exception)` then runs on
the GUI thread, unless the task was cancelled or `parent` (a QObject) has been deleted meanwhile. Without
`on_error` a failure goes to `background().failed`, which the window shows as a banner: a failure is never
lost.

What is heavy in Python (torch, aiplatform) belongs into a child process: a thread would still hold the GIL.
At the end of the app `background().shutdown()` joins the threads; a job that is then still running is named
in its answer, and the caller decides.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6.QtCore import QObject, Qt, QThreadPool, Signal, Slot

MAX_THREADS = 4


class Task:
    """A handle on one piece of work. `cancel` drops its callbacks; `fn` may watch `cancelled` to stop
    early.
    """

    def __init__(
        self,
        name: str,
        on_done: Callable[[Any], None] | None,
        on_error: Callable[[Exception], None] | None,
        parent: QObject | None,
    ) -> None:
        self.name = name
        self._on_done = on_done
        self._on_error = on_error
        self._parent = parent
        self._cancelled = threading.Event()
        self.finished = False

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Forget the callbacks; the work itself runs to its end unless `fn` watches `cancelled`."""
        self._cancelled.set()

    def _wanted(self) -> bool:
        return not self.cancelled and (self._parent is None or shiboken6.isValid(self._parent))


class Background(QObject):
    """The pool. Lives on the GUI thread."""

    failed = Signal(object)  # the exception of a task that has no on_error
    busy_changed = Signal(int)  # how many tasks are under way
    _ended = Signal(int, object, object)

    def __init__(self) -> None:
        super().__init__()
        self._pool = QThreadPool()
        self._pool.setMaxThreadCount(MAX_THREADS)
        self._ids = itertools.count(1)
        self._tasks: dict[int, Task] = {}
        self._closed = False
        self._ended.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def run(
        self,
        fn: Callable[[], Any],
        on_done: Callable[[Any], None] | None = None,
        on_error: Callable[[Exception], None] | None = None,
        parent: QObject | None = None,
        *,
        name: str = "",
    ) -> Task:
        """Start `fn`. Must be called on the GUI thread. After `shutdown` the task is refused (already
        cancelled).
        """
        task = Task(name or getattr(fn, "__qualname__", "task"), on_done, on_error, parent)
        if self._closed:
            task.cancel()
            return task
        number = next(self._ids)
        self._tasks[number] = task
        self.busy_changed.emit(len(self._tasks))

        def work() -> None:
            result, error = None, None
            try:
                result = fn()
            except Exception as caught:  # noqa: BLE001 - every failure is delivered, on_error or the banner
                error = caught
            if not self._closed:  # after a shutdown there is nobody to tell
                self._ended.emit(number, result, error)

        self._pool.start(work)
        return task

    @property
    def busy(self) -> list[str]:
        """Names of the tasks under way."""
        return [task.name for task in self._tasks.values()]

    def shutdown(self, timeout_ms: int = 3000) -> list[str]:
        """Refuse new work, drop all callbacks, join the threads. Returns the names of tasks that did not end
        in time.
        """
        self._closed = True
        for task in self._tasks.values():
            task.cancel()
        if self._pool.waitForDone(timeout_ms):
            self._tasks.clear()
        return self.busy

    @Slot(int, object, object)
    def _deliver(self, number: int, result: object, error: Exception | None) -> None:
        task = self._tasks.pop(number, None)
        if task is None:
            return
        task.finished = True
        self.busy_changed.emit(len(self._tasks))
        if not task._wanted():
            return
        if error is None:
            if task._on_done is not None:
                task._on_done(result)
        elif task._on_error is not None:
            task._on_error(error)
        else:
            self.failed.emit(error)


_current: Background | None = None


def background() -> Background:
    """The app's pool; made at first use and again after a shutdown."""
    global _current
    if _current is None or _current._closed:
        _current = Background()
    return _current


def run_in_background(
    fn: Callable[[], Any],
    on_done: Callable[[Any], None] | None = None,
    on_error: Callable[[Exception], None] | None = None,
    parent: QObject | None = None,
    *,
    name: str = "",
) -> Task:
    """`background().run(...)`."""
    return background().run(fn, on_done, on_error, parent, name=name)


def shut_down_background(timeout_ms: int = 3000) -> list[str]:
    """Join the current pool, if there is one; the names of tasks that did not end in time."""
    return [] if _current is None or _current._closed else _current.shutdown(timeout_ms)
