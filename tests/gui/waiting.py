"""Waiting for the real window in tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from arrcoc_gui.experiments.page import ExperimentsPage
from arrcoc_gui.window import MainWindow

LONG_MS = 60_000  # two cores shared by all; nothing here is about speed


def experiments(qtbot: QtBot, window: MainWindow) -> ExperimentsPage:
    """The Experiments page with its rows loaded."""
    page = window.page("experiments")
    assert isinstance(page, ExperimentsPage)
    qtbot.waitUntil(lambda: bool(page.model.rows), timeout=LONG_MS)
    return page


def cell(page: ExperimentsPage, name: str, column: int) -> str:
    """The text of a cell by the row's name."""
    index = page.model.index_of(page.model.key_of(name))
    assert index.isValid(), name
    return str(index.siblingAtColumn(column).data())


def visible_children(window: QWidget) -> Iterator[QWidget]:
    """Every widget that shows now."""
    return (widget for widget in window.findChildren(QWidget) if widget.isVisible())


@contextmanager
def scaled(scale: float, choice: str) -> Iterator[None]:
    """The theme at a scale, while it lasts."""
    from arrcoc_gui.theme import themes

    themes().choose(choice)  # type: ignore[arg-type]
    themes().set_scale(scale)
    yield  # `look` takes it back once the window is gone
