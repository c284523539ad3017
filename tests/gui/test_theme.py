"""Both themes can be read: contrast of every text, hues that stay apart, sizes that follow the scale."""

from __future__ import annotations

import re

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFontMetrics
from PySide6.QtWidgets import QApplication

from arrcoc_gui.icons import PATHS, icon, path
from arrcoc_gui.style import style_sheet
from arrcoc_gui.theme import DARK, LIGHT, Theme, theme, themes

BOTH = pytest.mark.parametrize("look", [LIGHT, DARK], ids=["light", "dark"])


def luminance(color: str) -> float:
    parts = (QColor(color).redF(), QColor(color).greenF(), QColor(color).blueF())
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """WCAG contrast ratio, 1 to 21."""
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@BOTH
@pytest.mark.parametrize("ground", ["bg", "surface", "raised", "rail", "accent_soft", "hover", "flash"])
def test_texts_have_contrast(look: Theme, ground: str) -> None:
    assert contrast(look.text, getattr(look, ground)) >= 7
    for ink in ("muted", "accent", "good", "warn", "bad"):
        if ground not in ("flash", "hover") or ink == "muted":
            assert contrast(getattr(look, ink), getattr(look, ground)) >= 4.5, (ink, ground)


@BOTH
def test_buttons_and_series_have_contrast(look: Theme) -> None:
    assert contrast(look.on_accent, look.accent) >= 4.5
    assert len(set(look.series)) == 10
    for color in look.series:
        assert contrast(color, look.surface) >= 3, color


@BOTH
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_style_sheet_is_filled_in(look: Theme, scale: float) -> None:
    from dataclasses import replace

    sheet = style_sheet(replace(look, scale=scale))
    assert "$" not in sheet
    assert sheet.count("{") == sheet.count("}")
    assert re.search(r"font-size: (\d+)px", sheet)


def test_digits_have_one_width(qapp: QApplication) -> None:
    for role in ("body", "small", "title", "mono"):
        metrics = QFontMetrics(theme().font(role))
        assert len({metrics.horizontalAdvance(digit) for digit in "0123456789"}) == 1, role


def test_user_choice_wins_over_the_system(qapp: QApplication) -> None:
    seen: list[str] = []
    themes().changed.connect(lambda: seen.append(theme().name))
    themes().choose("dark")
    qapp.styleHints().setColorScheme(Qt.ColorScheme.Light)
    assert theme().dark
    themes().choose("light")
    qapp.styleHints().setColorScheme(Qt.ColorScheme.Dark)
    assert not theme().dark
    assert seen[0] == "dark"
    assert "dark" not in seen[1:]


def test_follows_the_system(qapp: QApplication) -> None:
    themes().choose("system")
    expected = qapp.styleHints().colorScheme() == Qt.ColorScheme.Dark
    assert theme().dark == expected


def test_scale_steps_and_stays_in_range(qapp: QApplication) -> None:
    small = theme().font("body").pixelSize()
    for _ in range(10):
        themes().step_scale(1)
    assert themes().scale == 2.0
    assert theme().font("body").pixelSize() == 2 * small
    assert qapp.font().pixelSize() == 2 * small
    themes().step_scale(0)
    assert themes().scale == 1.0
    themes().step_scale(-1)
    assert themes().scale == 1.0


@pytest.mark.parametrize("name", sorted(PATHS))
def test_icons_are_drawn(qapp: QApplication, name: str) -> None:
    assert path(name).boundingRect().width() > 4
    image = icon(name, QColor("#000000"), 24).pixmap(24, 24).toImage()
    inked = sum(image.pixelColor(x, y).alpha() > 100 for x in range(24) for y in range(24))
    assert inked > 15
