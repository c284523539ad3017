"""The one time cursor of the monitor.

Charts, pictures, log and attempt strip all show the run at one moment. The cursor holds it as a step and a wall
time of the run in focus, which a `TimeMap` turns into each other; without a position it follows the newest
row. Any pane may ask for another moment; all are told by `moved`. A pointer over a chart shows a moment only
while it is there (`hover_*`): when it leaves, the cursor is again where it was set to.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from arrcoc_gui.monitor.time_map import TimeMap

Moment = tuple[float | None, float | None]
NOWHERE: Moment = (None, None)


class TimeCursor(QObject):
    """`step` and `time` (unix s) are both None while following."""

    moved = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._map = TimeMap.empty()
        self._set = NOWHERE
        self._hover = NOWHERE

    @property
    def step(self) -> float | None:
        return self._now()[0]

    @property
    def time(self) -> float | None:
        return self._now()[1]

    @property
    def following(self) -> bool:
        """Whether the newest moment is shown, whatever arrives (a pointer that hovers aside)."""
        return self._set == NOWHERE

    @property
    def map(self) -> TimeMap:
        return self._map

    def set_map(self, time_map: TimeMap) -> None:
        """Take the (grown) map of the run in focus; a position keeps its step."""
        self._map = time_map
        if self._set[0] is not None:
            # Asked for before the rows were there, it had no time; a resumed run logs steps again, later.
            self._move(self._at_step(self._set[0]), self._hover)

    def set_step(self, step: float | None) -> None:
        """Go to a step; None follows."""
        self._move(self._at_step(step), NOWHERE)

    def set_time(self, time: float | None) -> None:
        """Go to a wall time (unix s); None follows."""
        self._move(self._at_time(time), NOWHERE)

    def hover_step(self, step: float | None) -> None:
        """Show a step for as long as the pointer is there; None: it has left."""
        self._move(self._set, self._at_step(step))

    def hover_time(self, time: float | None) -> None:
        """Show a wall time for as long as the pointer is there; None: it has left."""
        self._move(self._set, self._at_time(time))

    def follow(self) -> None:
        """Show the newest moment from now on."""
        self._move(NOWHERE, NOWHERE)

    def _now(self) -> Moment:
        return self._set if self._hover == NOWHERE else self._hover

    def _at_step(self, step: float | None) -> Moment:
        return NOWHERE if step is None else (step, self._map.time_of(step))

    def _at_time(self, time: float | None) -> Moment:
        return NOWHERE if time is None else (self._map.step_of(time), time)

    def _move(self, set_to: Moment, hover: Moment) -> None:
        before = (self._now(), self._set)
        self._set, self._hover = set_to, hover
        if (self._now(), self._set) != before:
            self.moved.emit()
