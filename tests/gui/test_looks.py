"""Pictures of every page in both themes at 100 and 200 %: something is drawn, and no text is cut off.

`--shots DIR` keeps them.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from history import SUMMARY, add_run
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot
from waiting import LONG_MS, experiments, scaled, visible_children

from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.labels import ElidedLabel
from arrcoc_gui.window import MainWindow

BROKEN = "from arrcoc_core import Experiment, Tokens\n\noops = Experiment(name='oops', tokens=Tokens(kep=4))\n"


@pytest.fixture(scope="module")
def root(make_project) -> Path:
    root = make_project()
    (root / "experiments" / "misspelt.py").write_text(BROKEN)
    add_run(
        root, "quickstart-20261122t110000-bbbb", end="succeeded", past=(("succeeded", 60),), summary=SUMMARY, ago_s=5000
    )
    add_run(root, "quickstart-20261122t130000-dddd", ago_s=30)
    return root


@pytest.mark.parametrize(
    ("choice", "scale"),
    [
        ("light", 1.0),
        ("dark", 2.0),
        pytest.param("light", 2.0, marks=pytest.mark.long),
        pytest.param("dark", 1.0, marks=pytest.mark.long),
    ],
)
def test_pages_are_drawn_and_nothing_is_cut_off(
    choice: str, scale: float, root: Path, open_window, qtbot: QtBot, request: pytest.FixtureRequest
) -> None:
    with scaled(scale, choice):
        window = open_window(root, start=False, theme=choice, scale=scale)
        window.resize(round(1280 * scale**0.5), round(800 * scale**0.5))
        window.state.discover()
        window.state.poll()
        page = experiments(qtbot, window)
        for name in ("home", "experiments", "broken", "monitor", "setup", "infra", "teardown"):
            window.go("experiments" if name == "broken" else name)
            if name == "broken":
                page.tree.select_key(page.model.key_of("misspelt"))
            if name == "home":
                qtbot.waitUntil(lambda: bool(window.page("home").bands), timeout=LONG_MS)
            qtbot.wait(300)
            image = window.grab().toImage()
            keep(request, image, f"{name}-{choice}-{round(scale * 100)}")
            assert colours(image) > 20
            assert ground(image) in (theme().bg, theme().surface)
            assert cut_off(window) == []


def colours(image: QImage) -> int:
    """How many colours a picture has, at every seventh pixel."""
    return len({image.pixel(x, y) for x in range(0, image.width(), 7) for y in range(0, image.height(), 7)})


def ground(image: QImage) -> str:
    """The most frequent colour."""
    seen = Counter(
        image.pixelColor(x, y).name() for x in range(0, image.width(), 9) for y in range(0, image.height(), 9)
    )
    return seen.most_common(1)[0][0]


def cut_off(window: MainWindow) -> list[str]:
    """Labels and buttons whose text does not fit; those that shorten it on purpose have it in a tool tip."""
    return [f"{type(widget).__name__} {text_of(widget)!r}" for widget in visible_children(window) if too_small(widget)]


def too_small(widget: QWidget) -> bool:
    if isinstance(widget, ElidedLabel):
        return widget.height() < widget.fontMetrics().height() - 2
    if isinstance(widget, QLabel) and widget.text() and widget.pixmap().isNull():
        if not widget.wordWrap():
            return widget.width() + 1 < widget.minimumSizeHint().width()
        return widget.height() + 2 < widget.heightForWidth(widget.width())
    if isinstance(widget, QPushButton) and widget.text():
        return widget.width() + 1 < widget.sizeHint().width() or widget.height() + 1 < widget.fontMetrics().height()
    return False


def text_of(widget: QWidget) -> str:
    return widget.text() if isinstance(widget, QLabel | QPushButton) else ""


def keep(request: pytest.FixtureRequest, image: QImage, name: str) -> None:
    folder = request.config.getoption("--shots")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        assert image.save(str(Path(folder) / f"{name}.png"))
