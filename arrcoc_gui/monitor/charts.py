"""The centre of the monitor: the accuracy, large and with its reference lines, and a chart for every other metric.

All charts share the horizontal axis, the smoothing and the cursor. Each chart draws itself, repaints only when
it is visible and something has changed, and at most some twenty times a second (`plotting.Chart`); this board
decides which charts and which curves there are. What the machine did meanwhile (`system/…`) has no steps: by step,
those charts go by the time since the start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from arrcoc_core.formatting import is_share
from arrcoc_core.references import ACCURACY, all_judged_by, references_of
from arrcoc_gui.monitor.chart_grid import ChartCard, ChartGrid
from arrcoc_gui.monitor.chart_toolbar import ChartToolbar
from arrcoc_gui.monitor.panels import (
    FAINT_LINE,
    LINES,
    SYSTEM,
    choices,
    is_system,
    panel_specs,
    shown_at_first,
)
from arrcoc_gui.monitor.run_feed import RunFeed
from arrcoc_gui.monitor.run_view import RunView
from arrcoc_gui.plotting import Chart
from arrcoc_gui.theme import theme, themes


class ChartBoard(QWidget):
    """`set_runs` says whose curves are drawn, `set_focus` whose reference lines and whose time the cursor has."""

    step_wanted = Signal(object)  # float: go there; None: follow
    time_wanted = Signal(object)
    step_hovered = Signal(object)  # float: show it while the pointer is there; None: it has left
    time_hovered = Signal(object)
    run_clicked = Signal(str)

    def __init__(self, color_of: Callable[[str], str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._color_of = color_of
        self._feed: RunFeed | None = None
        self._runs: list[RunView] = []
        self._focus = ""
        self._chosen: dict[str, bool] = {}
        self._names: dict[str, list[str]] = {}
        self._zoomed: set[Chart] = set()
        self.toolbar = ChartToolbar()
        self._judged = ACCURACY
        self.main = self._new_chart(self._judged)
        self.main.set_empty_text("The first evaluation sets the first point.")
        self.grid = ChartGrid(self._new_chart)
        self._lay_out()
        self._connect()

    # -- what the page says

    def set_runs(self, runs: Sequence[RunView], feed: RunFeed) -> None:
        """Draw the curves of these runs."""
        before = [run.id for run in self._runs]
        self._runs, self._feed = list(runs), feed
        if [run.id for run in runs] != before:
            self._rebuild()

    def set_focus(self, run_id: str) -> None:
        """The run that the references and the cursor's time are taken from; its lines are drawn on top."""
        self._focus = run_id
        self._rebuild()

    def run_grown(self, run_id: str) -> None:
        """New rows of a run: a new metric gets its panel, the others repaint."""
        run = next((run for run in self._runs if run.id == run_id), None)
        if run is None:
            return
        if self._metric_names(run) != self._names.get(run_id):
            self._rebuild()
            return
        for chart in self._charts():
            chart.data_changed()
        if run_id == self._focus:
            self._set_references()

    def has_points(self) -> bool:
        """Whether any drawn run has logged a row."""
        return any(not is_system(name) for run in self._runs for name in self._metric_names(run))

    def set_cursor(self, step: float | None, time: float | None) -> None:
        """Show the shared cursor."""
        for metric, chart in self._by_metric():
            chart.set_cursor(self._x_of(step, time, self._mode_of(metric)))

    def set_following(self, following: bool) -> None:
        self.toolbar.set_following(following)

    # -- settings, also by key

    def next_x(self) -> None:
        self.toolbar.next_x()

    def toggle_log(self) -> None:
        self.toolbar.log.toggle()

    def reset_view(self) -> None:
        """Show everything in every chart."""
        for chart in self._charts():
            chart.reset_view()

    def settings(self) -> dict[str, Any]:
        """What the user has set, for the preferences."""
        return {
            "x": self.toolbar.x_mode,
            "smoothing": self.toolbar.smooth.value(),
            "metrics": dict(self._chosen),
        }

    def apply_settings(self, saved: dict[str, Any]) -> None:
        """Take settings that `settings` gave; what is missing or unknown stays as it is."""
        place = self.toolbar.x_axis.findData(saved.get("x"))
        if place >= 0:
            self.toolbar.x_axis.setCurrentIndex(place)
        if isinstance(saved.get("smoothing"), int):
            self.toolbar.smooth.setValue(saved["smoothing"])
        if isinstance(saved.get("metrics"), dict):
            self._chosen = {str(name): bool(on) for name, on in saved["metrics"].items()}
        self._rebuild()

    @property
    def panels(self) -> dict[str, Chart]:
        """The small charts by metric."""
        return self.grid.charts

    # -- charts and curves

    def _charts(self) -> list[Chart]:
        return [self.main, *self.grid.charts.values()]

    def _by_metric(self) -> list[tuple[str, Chart]]:
        return [(self._judged, self.main), *self.grid.charts.items()]

    def _mode_of(self, metric: str) -> str:
        mode = self.toolbar.x_mode
        return "relative" if mode == "step" and is_system(metric) else mode

    def _new_chart(self, metric: str) -> Chart:
        chart = Chart(title=metric, percent=is_share(metric))
        chart.set_x_mode(self._mode_of(metric))
        chart.set_log_y(self.toolbar.log.isChecked())
        chart.set_smoothing(self.toolbar.alpha)
        chart.cursor_moved.connect(lambda x: self._hovered(metric, x))
        chart.clicked.connect(lambda x: self._clicked(metric, x))
        chart.curve_clicked.connect(self.run_clicked)
        chart.view_changed.connect(lambda zoomed: self._view_changed(chart, zoomed))
        return chart

    def _metric_names(self, run: RunView) -> list[str]:
        metrics = None if self._feed is None else self._feed.metrics(run.id)
        return [] if metrics is None else [*metrics.names, *(f"{SYSTEM}{name}" for name in metrics.system_names)]

    def _rebuild(self) -> None:
        """Bring panels, curves and references in line with what is shown; cheap when nothing is new."""
        self._names = {run.id: self._metric_names(run) for run in self._runs}
        names = sorted({name for logged in self._names.values() for name in logged})
        self._judged = all_judged_by(self._names.values())
        self.main.set_title(self._judged)
        specs = panel_specs(names, self._chosen, self._judged)
        can_choose = choices(names, self._judged)
        self.toolbar.set_metrics(
            can_choose, {name: self._chosen.get(name, shown_at_first(name)) for name in can_choose}
        )
        for chart in self.grid.set_metrics([spec.metric for spec in specs]):
            self._zoomed.discard(chart)
        for metric, chart in self._by_metric():
            self._set_curves(chart, metric)
        self._set_references()

    def _set_curves(self, chart: Chart, metric: str) -> None:
        if self._feed is None:
            return
        labels = self._labels()
        if len(self._runs) == 1 and chart is not self.main:
            # The large chart names the one run; in the small ones its name would only take room from the curve.
            labels = {self._runs[0].id: ""}
        for key in set(chart.keys()) - {run.id for run in self._runs if metric in self._names[run.id]}:
            chart.remove_curve(key)
        for run in self._runs:
            metrics = self._feed.metrics(run.id)
            if metrics is not None and metric in self._names[run.id]:
                chart.set_curve(
                    run.id,
                    metrics.system(metric.removeprefix(SYSTEM)) if is_system(metric) else metrics.series(metric),
                    label=labels[run.id],
                    color=self._color_of(run.id),
                    origin=metrics.first_time,
                )
        chart.set_highlighted(self._focus if len(self._runs) > 1 else None)
        chart.data_changed()

    def _set_references(self) -> None:
        metrics = None if self._feed is None or not self._focus else self._feed.metrics(self._focus)
        labels = {name: label for name, label, _ in references_of(self._judged)}
        for line in LINES:
            name = f"{self._judged}_{line}"
            value = None if metrics is None else metrics.last(name)
            self.main.set_reference(line, value, label=labels[name], color="faint" if line == FAINT_LINE else "muted")

    def _labels(self) -> dict[str, str]:
        """Short names: of one sweep's runs the point's own part; runs of one name also get the end of their ids."""
        sweeps = {run.sweep for run in self._runs}
        one_sweep = len(sweeps) == 1 and None not in sweeps
        names = {run.id: run.experiment.rsplit("/", 1)[-1] if one_sweep else run.experiment for run in self._runs}
        counts = Counter(names.values())
        return {run_id: name if counts[name] == 1 else f"{name} {run_id[-4:]}" for run_id, name in names.items()}

    # -- the cursor

    def _origin(self) -> float:
        metrics = None if self._feed is None or not self._focus else self._feed.metrics(self._focus)
        return 0.0 if metrics is None or metrics.first_time is None else metrics.first_time

    def _x_of(self, step: float | None, time: float | None, mode: str) -> float | None:
        if mode == "step":
            return step
        if time is None:
            return None
        return time - self._origin() if mode == "relative" else time

    def _tell(self, metric: str, x: float | None, by_step: Any, by_time: Any) -> None:
        mode = self._mode_of(metric)
        if x is None or mode == "step":
            by_step.emit(x)
        else:
            by_time.emit(x + self._origin() if mode == "relative" else x)

    def _hovered(self, metric: str, x: float | None) -> None:
        self._tell(metric, x, self.step_hovered, self.time_hovered)

    def _clicked(self, metric: str, x: float | None) -> None:
        self._tell(metric, x, self.step_wanted, self.time_wanted)

    # -- settings

    def _x_changed(self, mode: str) -> None:
        for metric, chart in self._by_metric():
            chart.set_x_mode(self._mode_of(metric))
        self.step_hovered.emit(None)

    def _log_changed(self, on: bool) -> None:
        for chart in self._charts():
            chart.set_log_y(on)

    def _smoothing_changed(self, alpha: float) -> None:
        for chart in self._charts():
            chart.set_smoothing(alpha)

    def _metric_toggled(self, name: str, on: bool) -> None:
        self._chosen[name] = on
        self._rebuild()

    def _view_changed(self, chart: Chart, zoomed: bool) -> None:
        (self._zoomed.add if zoomed else self._zoomed.discard)(chart)
        self.toolbar.reset.setVisible(bool(self._zoomed))

    # -- layout

    def _connect(self) -> None:
        self.toolbar.x_changed.connect(self._x_changed)
        self.toolbar.log_changed.connect(self._log_changed)
        self.toolbar.smoothing_changed.connect(self._smoothing_changed)
        self.toolbar.metric_toggled.connect(self._metric_toggled)
        self.toolbar.reset_wanted.connect(self.reset_view)
        self.toolbar.follow_wanted.connect(lambda: self.step_wanted.emit(None))
        themes().changed.connect(self._restyle)

    def _lay_out(self) -> None:
        self.split = QSplitter(Qt.Orientation.Vertical)
        self.split.addWidget(ChartCard(self.main))
        self.split.addWidget(self.grid)
        self.split.setChildrenCollapsible(False)
        self.split.setHandleWidth(theme().px(8))
        self.split.setSizes([theme().px(330), theme().px(230)])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme().px(6))
        layout.addWidget(self.toolbar)
        layout.addWidget(self.split, 1)
        self._restyle()

    def _restyle(self) -> None:
        self.main.setMinimumHeight(theme().px(170))
        # The colours of the curves are of the theme.
        self._rebuild()
