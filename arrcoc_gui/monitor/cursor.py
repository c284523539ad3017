"""The one time cursor of the monitor.

Charts, pictures, log and attempt strip all show the run at one moment. The cursor holds it as a step and a wall
time of the selected run, which a `TimeMap` turns into each other; without a position it follows the newest
row. Any pane may ask for another moment; all are told by `moved`.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from arrcoc_gui.monitor.time_map import TimeMap


class TimeCursor(QObject):
    """`step` and `time` (unix s) are both None while following."""

    moved = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._map = TimeMap.empty()
        self._step: float | None = None
        self._time: float | None = None

    @property
    def step(self) -> float | None:
        return self._step

    @property
    def time(self) -> float | None:
        return self._time

    @property
    def following(self) -> bool:
        """Whether the newest moment is shown, whatever arrives."""
        return self._time is None and self._step is None

    @property
    def map(self) -> TimeMap:
        return self._map

    def set_map(self, time_map: TimeMap) -> None:
        """Take the (grown) map of the selected run; a position keeps its step."""
        self._map = time_map
        if self._step is not None:
            self._time = time_map.time_of(self._step)

    def set_step(self, step: float | None) -> None:
        """Go to a step; None follows."""
        self._move(step, None if step is None else self._map.time_of(step))

    def set_time(self, time: float | None) -> None:
        """Go to a wall time (unix s); None follows."""
        self._move(None if time is None else self._map.step_of(time), time)

    def follow(self) -> None:
        """Show the newest moment from now on."""
        self._move(None, None)

    def _move(self, step: float | None, time: float | None) -> None:
        if (step, time) != (self._step, self._time):
            self._step, self._time = step, time
            self.moved.emit()
