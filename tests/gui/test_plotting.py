"""The chart: what it draws, follows, zooms and says."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QWheelEvent
from pytestqt.qtbot import QtBot
from wandb_files import write_segment

from arrcoc_core.metrics import Series
from arrcoc_gui.plotting import Chart, LiveMetrics, PyramidCurve, grid
from arrcoc_gui.plotting.curve import polylines
from arrcoc_gui.plotting.labels import EndLabel, place_labels
from arrcoc_gui.plotting.view import View, padded, zoomed
from arrcoc_gui.theme import DARK, LIGHT

T0 = 1_795_360_951.0


def series(count: int, f: Callable[[float], float] = lambda i: i / 100, every: int = 1) -> Series:
    steps = np.arange(0, count * every, every)
    return Series.from_arrays("m", steps, [f(float(i)) for i in steps], T0 + steps * 0.5)


@pytest.fixture
def chart(qtbot: QtBot) -> Iterator[Chart]:
    widget = Chart(title="eval/accuracy", percent=True)
    widget.set_theme(DARK)
    widget.resize(800, 400)
    qtbot.addWidget(widget)
    widget.show()
    qtbot.waitExposed(widget)
    yield widget


def colours(chart: Chart) -> dict[str, int]:
    """How many pixels the chart has of each colour."""
    image = chart.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), dtype=np.uint32) & 0xFFFFFF
    values, counts = np.unique(pixels, return_counts=True)
    return {QColor(int(value)).name(): int(count) for value, count in zip(values, counts, strict=True)}


def move(chart: Chart, x: float, y: float, kind: QEvent.Type = QEvent.Type.MouseMove, **held: object) -> None:
    at = QPointF(x, y)
    button = held.get("button", Qt.MouseButton.NoButton)
    buttons = held.get("buttons", button)
    keys = held.get("keys", Qt.KeyboardModifier.NoModifier)
    event = QMouseEvent(kind, at, chart.mapToGlobal(at), button, buttons, keys)  # type: ignore[call-overload]
    {
        QEvent.Type.MouseMove: chart.mouseMoveEvent,
        QEvent.Type.MouseButtonPress: chart.mousePressEvent,
        QEvent.Type.MouseButtonRelease: chart.mouseReleaseEvent,
    }[kind](event)


def drag(chart: Chart, first: tuple[float, float], last: tuple[float, float], **held: object) -> None:
    held.setdefault("button", Qt.MouseButton.LeftButton)
    move(chart, *first, QEvent.Type.MouseButtonPress, **held)
    move(chart, (first[0] + last[0]) / 2, (first[1] + last[1]) / 2, **held)
    move(chart, *last, **held)
    move(chart, *last, QEvent.Type.MouseButtonRelease, **held)


def test_an_empty_chart_says_why(chart: Chart) -> None:
    chart.set_empty_text("No evaluation yet")
    chart.set_curve("a", Series("m"), label="a", color=0)
    chart.grab()
    assert chart.accessibleName() == "eval/accuracy"
    assert chart.accessibleDescription() == "No evaluation yet"


def test_curves_references_and_labels_are_drawn_in_the_themes_colours(chart: Chart) -> None:
    chart.set_curve("a", series(50), label="quickstart", color=0)
    chart.set_curve("b", series(50, lambda i: 0.4), label="other", color=1)
    chart.set_reference("full", 0.45, label="all tokens", color="good")
    seen = colours(chart)
    assert seen[DARK.series_color(0)] > 100
    assert seen[DARK.series_color(1)] > 100
    assert seen[DARK.good] > 50
    assert chart.accessibleDescription() == "quickstart 49.0 % at step 49; other 40.0 % at step 49; all tokens 45.0 %"
    chart.set_theme(LIGHT)
    seen = colours(chart)
    assert seen[LIGHT.series_color(0)] > 100
    assert seen[LIGHT.surface] > seen.get(DARK.surface, 0)
    chart.set_curve_visible("a", False)
    assert LIGHT.series_color(0) not in colours(chart)
    chart.remove_curve("b")
    chart.remove_curve("never there")
    chart.set_reference("full", None)
    assert LIGHT.series_color(1) not in colours(chart)


def test_it_follows_the_data_until_someone_zooms(chart: Chart, qtbot: QtBot) -> None:
    data = series(100)
    chart.set_curve("a", data, label="a", color=0)
    assert chart.x_range() == (0.0, 99.0)
    data.append(200, 0.5)
    chart.data_changed()
    qtbot.waitUntil(lambda: chart.x_range() == (0.0, 200.0))
    with qtbot.waitSignal(chart.view_changed) as zoomed_in:
        chart.zoom(4.0, at=100.0)
    assert zoomed_in.args == [True]
    assert chart.x_range() == (75.0, 125.0)
    data.append(300, 0.5)
    chart.invalidate()
    chart.grab()
    assert chart.x_range() == (75.0, 125.0)
    with qtbot.waitSignal(chart.view_changed) as reset:
        qtbot.keyClick(chart, Qt.Key.Key_0)
    assert reset.args == [False]
    assert chart.x_range() == (0.0, 300.0)


def test_a_flat_drag_zooms_x_and_a_high_one_both(chart: Chart) -> None:
    chart.set_curve("a", series(1_000), label="a", color=0)
    area = chart.curve_area()
    middle = area.center().y()
    drag(chart, (area.left() + area.width() * 0.25, middle), (area.left() + area.width() * 0.5, middle + 3))
    low, high = chart.x_range()
    assert (round(low), round(high)) == (250, 500)
    assert chart.model.y_range is None
    chart.reset_view()
    chart.grab()
    area = chart.curve_area()
    drag(chart, (area.left() + 10, area.top() + 20), (area.left() + 200, area.bottom() - 20))
    assert chart.model.y_range is not None
    chart.mouseDoubleClickEvent(
        QMouseEvent(
            QEvent.Type.MouseButtonDblClick,
            area.center(),
            chart.mapToGlobal(area.center()),
            Qt.MouseButton.LeftButton,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )
    assert not chart.model.is_zoomed


def test_shift_drag_pans_and_the_wheel_zooms_around_the_mouse(chart: Chart) -> None:
    chart.set_curve("a", series(1_000), label="a", color=0)
    chart.set_x_range(400.0, 600.0)
    area = chart.curve_area()
    drag(
        chart,
        (area.center().x(), area.center().y()),
        (area.center().x() - area.width() / 4, area.center().y()),
        keys=Qt.KeyboardModifier.ShiftModifier,
    )
    low, high = chart.x_range()
    assert (round(low), round(high)) == (450, 650)
    at = QPointF(area.left(), area.center().y())
    turn = QWheelEvent(
        at,
        chart.mapToGlobal(at),
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    chart.wheelEvent(turn)
    low, high = chart.x_range()
    assert round(low) == 450
    assert round(high - low) == 160


def test_the_cursor_is_shared_and_snaps_to_points(chart: Chart, qtbot: QtBot) -> None:
    chart.set_curve("a", series(11, every=100), label="a", color=0)
    other = Chart()
    qtbot.addWidget(other)
    other.set_curve("a", series(11, every=100), label="a", color=0)
    chart.cursor_moved.connect(other.set_cursor)
    area = chart.curve_area()
    move(chart, area.left() + area.width() * 0.52, area.center().y())
    assert chart.cursor_x == 500.0
    assert other.cursor_x == 500.0
    chart.grab()
    other.resize(500, 300)
    other.grab()
    chart.leaveEvent(QEvent(QEvent.Type.Leave))
    assert chart.cursor_x is None
    assert other.cursor_x is None


def test_a_click_goes_to_a_point_and_chooses_the_curve_under_it(chart: Chart, qtbot: QtBot) -> None:
    chart.set_curve("low", series(101, lambda i: 0.1), label="low", color=0)
    chart.set_curve("high", series(101, lambda i: 0.9), label="high", color=1)
    area = chart.curve_area()
    y = View(area, *(chart.model.view(area).x, chart.model.view(area).y)).py(0.9)
    with qtbot.waitSignal(chart.curve_hovered) as hovered:
        move(chart, area.center().x(), y + 3)
    assert hovered.args == ["high"]
    chart.grab()
    with qtbot.waitSignals([chart.clicked, chart.curve_clicked]):
        move(chart, area.center().x(), y + 3, QEvent.Type.MouseButtonPress, button=Qt.MouseButton.LeftButton)
        move(chart, area.center().x(), y + 3, QEvent.Type.MouseButtonRelease, button=Qt.MouseButton.LeftButton)


def test_every_key_works(chart: Chart, qtbot: QtBot) -> None:
    chart.set_curve("a", series(100), label="a", color=0)
    moved: list[float | None] = []
    chart.cursor_moved.connect(moved.append)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Left, Qt.Key.Key_Home, Qt.Key.Key_Right, Qt.Key.Key_End):
        qtbot.keyClick(chart, key)
    qtbot.keyClick(chart, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(chart, Qt.Key.Key_Escape)
    assert moved == [99.0, 98.0, 0.0, 1.0, 99.0, 89.0, None]
    qtbot.keyClick(chart, Qt.Key.Key_Plus)
    assert chart.x_range() == (16.5, 82.5)
    qtbot.keyClick(chart, Qt.Key.Key_Minus)
    assert not chart.model.is_zoomed


def test_values_at_the_cursor_are_sorted_nan_last(chart: Chart) -> None:
    for key, value in (("a", 0.2), ("b", math.nan), ("c", 0.9)):
        chart.set_curve(key, series(10, lambda i, value=value: value), label=key, color=0)
    rows = chart.model.value_rows(chart.model.values_at(5.0), DARK)
    assert [(row.key, row.value) for row in rows] == [("c", "90.0 %"), ("a", "20.0 %"), ("b", "NaN")]


def test_gaps_are_marked_and_break_the_line(chart: Chart) -> None:
    values = series(1_000, lambda i: math.nan if 400 <= i < 600 else 0.5)
    chart.set_curve("a", values, label="a", color=0)
    chart.grab()
    curve = chart.model.curves["a"]
    assert curve.gaps("step", 0, 1_000).tolist() == list(range(400, 600))
    parts = polylines(*chart.model.view(chart.curve_area()).to_pixels(*curve.envelope("step", 0, 999, 2_000)))
    assert len(parts) == 2


def test_log_axis_and_smoothing_keep_working_on_values_that_have_no_logarithm(chart: Chart) -> None:
    chart.set_curve("a", series(5_000, lambda i: max(0.0, 1000 / (i + 1) - 0.5)), label="a", color=0)
    chart.set_log_y(True)
    chart.set_smoothing(0.9)
    assert colours(chart)[DARK.series_color(0)] > 10
    assert chart.model.view(chart.curve_area()).y[1] > 2.5
    chart.set_smoothing(0.0)
    chart.set_log_y(False)
    chart.grab()


@pytest.mark.parametrize("mode", ["step", "relative", "wall"])
def test_x_modes(chart: Chart, mode: grid.XMode) -> None:
    chart.set_curve("a", series(101), label="a", color=0)
    chart.set_curve("b", series(51), label="b", color=1, origin=T0 - 10)
    chart.set_x_mode(mode)
    chart.grab()
    want = {"step": (0.0, 100.0), "relative": (0.0, 50.0), "wall": (T0, T0 + 50)}[mode]
    assert chart.x_range() == want
    assert chart.model.curves["b"].x_of("relative", 0) == 10.0


def test_a_hidden_chart_paints_nothing_until_it_is_shown(chart: Chart, qtbot: QtBot) -> None:
    data = series(10)
    chart.set_curve("a", data, label="a", color=0)
    chart.grab()
    chart.hide()
    still = chart._still
    data.append(20, 1.0)
    chart.data_changed()
    assert chart._still is still
    chart.show()
    qtbot.waitUntil(lambda: chart.x_range() == (0.0, 20.0))


def test_tiny_and_huge_charts_do_not_fail(qtbot: QtBot) -> None:
    widget = Chart(title="x")
    qtbot.addWidget(widget)
    widget.set_curve("a", series(1), label="a name that is far too long for this", color="accent")
    widget.set_curve("b", series(3), label="b", color="#ff0000")
    widget._cursor = 0.0
    for size in ((1, 1), (40, 20), (180, 110), (3_000, 200)):
        widget.resize(*size)
        assert not widget.grab().isNull()


def test_a_curve_asks_for_whole_keys_so_that_no_axis_is_copied() -> None:
    curve = PyramidCurve("a", series(1_000, every=3), "a", 0)
    assert curve.window("step", 10.5, 20.5) == (3, 8)
    assert curve.nearest("step", 10.6) == 4
    assert curve.window("step", -1e300, 1e300) == (0, 1_000)


def test_labels_never_overlap_and_the_important_stay() -> None:
    labels = [EndLabel(str(i), "n", "v", "#000000", y=50.0 + i % 3, rank=i) for i in range(20)]
    placed, left_out = place_labels(labels, 0.0, 160.0, 16.0)
    assert left_out == 10
    assert {label.key for label, _ in placed} == {str(i) for i in range(10, 20)}
    places = [y for _, y in placed]
    assert all(b - a >= 16.0 - 1e-9 for a, b in itertools.pairwise(places))
    assert places[0] >= 8.0
    assert places[-1] <= 152.0
    free, _ = place_labels([labels[0], EndLabel("far", "n", "v", "#000000", y=120.0)], 0.0, 160.0, 16.0)
    assert [y for _, y in free] == [50.0, 120.0]
    assert place_labels([], 0.0, 10.0, 16.0) == ([], 0)


def test_ticks_are_round_and_few() -> None:
    assert grid.linear_ticks(0.0, 1.0, 5) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert grid.whole_ticks(0.0, 3.0, 10) == [0.0, 1.0, 2.0, 3.0]
    assert grid.log_ticks(-3.0, 1.0, 9) == [1e-3, 1e-2, 1e-1, 1.0, 10.0]
    assert len(grid.log_ticks(0.1, 0.2, 6)) >= 2
    assert grid.time_ticks(0.0, 300.0, 6) == [0.0, 60.0, 120.0, 180.0, 240.0, 300.0]
    assert grid.linear_ticks(1.0, 1.0, 5) == grid.time_ticks(2.0, 1.0, 3) == []
    noon = datetime(2026, 3, 1, 12, 0, 30).timestamp()
    assert grid.x_labels(grid.wall_ticks(noon, noon + 3_600, 5), "wall") == ["12:15", "12:30", "12:45", "13:00"]


def test_labels_share_their_decimals() -> None:
    assert grid.value_labels([0.0, 0.5, 1.0]) == ["0.0", "0.5", "1.0"]
    assert grid.value_labels([0.0, 0.25, 0.5], percent=True) == ["0 %", "25 %", "50 %"]
    assert grid.value_labels([0.0, 10_000.0, 20_000.0]) == ["0", "10k", "20k"]
    assert grid.value_labels([0.0, 5e-5]) == ["0", "5e-5"]
    assert grid.value_labels([]) == []
    assert grid.log_labels([1e-5, 0.1, 100.0]) == ["1e-5", "0.1", "100"]


def test_values_and_positions_in_words() -> None:
    texts = {0.98437: "0.9844", 12.3456: "12.35", 1234.5: "1,234", 3.0: "3", 2.5e-7: "2.50e-7", -math.inf: "-inf"}
    assert {value: grid.value_text(value) for value in texts} == texts
    assert grid.value_text(0.984, percent=True) == "98.4 %"
    assert grid.position_text(1234.0, "step") == "step 1,234"
    assert grid.position_text(3723.0, "relative") == "after 1:02:03"
    assert [grid.duration(s, exact=False) for s in (30, 120, 3600, 5400, 90)] == [
        "30 s",
        "2 min",
        "1 h",
        "1:30 h",
        "1:30",
    ]


def test_ranges() -> None:
    assert zoomed((0.0, 100.0), 2.0, 25.0) == (12.5, 62.5)
    assert padded(1.0, 1.0) == (0.9, 1.1)
    assert padded(math.nan, 1.0) == (0.0, 1.0)
    view = View(QRectF(10, 20, 100, 50), (0.0, 10.0), (-1.0, 1.0), log=True)
    assert (view.px(5.0), view.py(1.0)) == (60.0, 45.0)
    assert math.isnan(view.py(0.0))
    assert (view.x_at(60.0), view.y_at(45.0)) == (5.0, 0.0)


def test_live_metrics_come_from_the_child_and_it_ends_with_them(qtbot: QtBot, tmp_path: Path) -> None:
    rows = [{"trainer/step": i, "train/loss": 1 / (i + 1)} for i in range(50)]
    write_segment(tmp_path, rows[:20], finished=False)
    live = LiveMetrics()
    metrics = live.watch(tmp_path)
    assert metrics is live.watch(tmp_path) is live.metrics(tmp_path)
    loss = metrics.series("train/loss")
    with qtbot.waitSignal(live.changed, timeout=30_000) as changed:
        pass
    assert changed.args is not None
    assert json.loads(json.dumps(changed.args[1]))["rows"] == 20
    assert len(loss) == 20
    assert live._process is not None
    live._process.kill()  # the child dies: another one goes on
    write_segment(tmp_path, rows, finished=False)
    qtbot.waitUntil(lambda: len(loss) == 50, timeout=30_000)
    live.unwatch(tmp_path)
    live.close()
    live.close()


def test_a_file_that_cannot_be_read_is_told(qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "wandb" / "offline-run-1-x" / "run-x.wandb"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no log at all")
    live = LiveMetrics()
    with qtbot.waitSignal(live.failed, timeout=30_000) as failed:
        live.watch(tmp_path)
    assert failed.args is not None
    assert "not a W&B transaction log" in failed.args[1]
    live.close()
