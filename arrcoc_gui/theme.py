"""Colours, fonts and sizes of the app, light and dark, at any scale.

`theme()` is the current `Theme`: a frozen value. `themes()` is the one object that changes it: it follows the
system (`styleHints().colorSchemeChanged`) unless the user has chosen, and emits `changed` after each change.
A widget that paints itself reads `theme()` inside `paintEvent` and calls `update` on `changed`; all others
get their looks from the application's style sheet (`arrcoc_gui/style.py`).

Sizes are logical pixels times the user's scale (1.0 to 2.0); Qt adds the screen's own ratio. Text colours
have a contrast of at least 4.5 against every surface they stand on, series colours at least 3
(tests/gui/test_theme.py). The series palette keeps its hues apart for colour-blind readers, and index i is
the same hue in both themes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

Choice = Literal["system", "light", "dark"]
FontRole = Literal["body", "small", "label", "title", "hero", "mono", "mono_small"]

SCALES = (1.0, 1.1, 1.25, 1.5, 1.75, 2.0)
# Pixel size at 100 % and weight of each role.
_FONTS: dict[FontRole, tuple[int, QFont.Weight]] = {
    "body": (13, QFont.Weight.Normal),
    "small": (12, QFont.Weight.Normal),
    "label": (12, QFont.Weight.DemiBold),
    "title": (15, QFont.Weight.DemiBold),
    "hero": (22, QFont.Weight.DemiBold),
    "mono": (13, QFont.Weight.Normal),
    "mono_small": (12, QFont.Weight.Normal),
}
_FAMILIES = ["Inter", "SF Pro Text", "Segoe UI", "Cantarell", "Noto Sans", "DejaVu Sans"]


@dataclass(frozen=True)
class Theme:
    """Every token is an `#rrggbb` string; `color` makes a QColor of it, `px` and `font` apply the scale."""

    name: Literal["light", "dark"]
    scale: float
    bg: str  # behind everything
    surface: str  # cards, tables, charts
    raised: str  # menus, palette, buttons
    rail: str  # navigation
    text: str
    muted: str  # secondary text
    faint: str  # ticks and disabled text: never the only carrier of a meaning
    line: str  # hairlines and grids
    accent: str
    accent_soft: str  # selection, hover of the accent
    on_accent: str
    good: str
    warn: str
    bad: str
    flash: str  # a cell that has just changed
    hover: str
    series: tuple[str, ...]  # ten, colour-blind safe

    @property
    def dark(self) -> bool:
        return self.name == "dark"

    def color(self, token: str, alpha: float = 1.0) -> QColor:
        """The QColor of a token name (or of an `#rrggbb`), with `alpha` between 0 and 1."""
        color = QColor(token if token.startswith("#") else str(getattr(self, token)))
        color.setAlphaF(alpha)
        return color

    def px(self, size: float) -> int:
        """`size` logical pixels at 100 %, scaled; never below 1."""
        return max(1, round(size * self.scale))

    def font(self, role: FontRole = "body", *, bold: bool = False) -> QFont:
        """A font whose digits all have one width."""
        size, weight = _FONTS[role]
        font = QFont()
        font.setFamilies(mono_families() if role.startswith("mono") else list(_FAMILIES))
        font.setPixelSize(self.px(size))
        font.setWeight(QFont.Weight.DemiBold if bold else weight)
        font.setFeature(QFont.Tag("tnum"), 1)
        return font

    def series_color(self, index: int) -> str:
        """Colour of the index-th series; goes round after ten."""
        return self.series[index % len(self.series)]


LIGHT = Theme(
    name="light",
    scale=1.0,
    bg="#f6f6f4",
    surface="#ffffff",
    raised="#ffffff",
    rail="#ebebe7",
    text="#1c1f22",
    muted="#565b61",
    faint="#8b9096",
    line="#dcdcd6",
    accent="#1d5cb8",
    accent_soft="#e0eafa",
    on_accent="#ffffff",
    good="#13703f",
    warn="#8a5300",
    bad="#b0261c",
    flash="#ffeeb0",
    hover="#efefeb",
    series=(
        "#0072b2",
        "#d55e00",
        "#008f68",
        "#b8578b",
        "#a87000",
        "#2a8cc0",
        "#5b3fa8",
        "#882255",
        "#73731a",
        "#6b7075",
    ),
)
DARK = Theme(
    name="dark",
    scale=1.0,
    bg="#16181b",
    surface="#1d2024",
    raised="#262a2f",
    rail="#111316",
    text="#e6e8ea",
    muted="#a6acb3",
    faint="#747b83",
    line="#31363c",
    accent="#7db2ff",
    accent_soft="#22344f",
    on_accent="#0a1830",
    good="#62cf92",
    warn="#e3b05a",
    bad="#ff8f86",
    flash="#453d1a",
    hover="#282c31",
    series=(
        "#4fa8e8",
        "#ff8246",
        "#2cc79b",
        "#e99ac4",
        "#edb437",
        "#8fd0f5",
        "#a893f0",
        "#d97fae",
        "#c6c653",
        "#a9aeb4",
    ),
)


@cache
def mono_families() -> list[str]:
    """The system's fixed-width family first, then what most machines have."""
    system = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()
    return [system, "Menlo", "Consolas", "DejaVu Sans Mono"]


def palette_of(theme: Theme) -> QPalette:
    """The QPalette that native parts (scroll bars, text cursors, menus) are drawn with."""
    palette = QPalette()
    role = QPalette.ColorRole
    for which, token in (
        (role.Window, "bg"),
        (role.WindowText, "text"),
        (role.Base, "surface"),
        (role.AlternateBase, "bg"),
        (role.Text, "text"),
        (role.Button, "raised"),
        (role.ButtonText, "text"),
        (role.BrightText, "bad"),
        (role.ToolTipBase, "raised"),
        (role.ToolTipText, "text"),
        (role.PlaceholderText, "muted"),
        (role.Highlight, "accent_soft"),
        (role.HighlightedText, "text"),
        (role.Link, "accent"),
        (role.LinkVisited, "accent"),
        (role.Mid, "line"),
        (role.Accent, "accent"),
    ):
        palette.setColor(which, theme.color(token))
    for which in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, theme.color("faint"))
    return palette


class Themes(QObject):
    """Holds the current theme; the only place that changes it."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._choice: Choice = "system"
        self._scale = 1.0
        self._current = LIGHT
        self._styled: Theme | None = None  # what the application wears now
        self._app: QApplication | None = None

    @property
    def current(self) -> Theme:
        return self._current

    @property
    def choice(self) -> Choice:
        """What the user has chosen: follow the system, or one of the two."""
        return self._choice

    @property
    def scale(self) -> float:
        return self._scale

    def install(self, app: QApplication, choice: Choice = "system", scale: float = 1.0) -> None:
        """Style `app` and follow the system's colour scheme from now on."""
        self._app, self._styled = app, None
        app.setStyle("Fusion")
        app.styleHints().colorSchemeChanged.connect(self._system_changed)
        self._choice, self._scale = choice, min(max(scale, SCALES[0]), SCALES[-1])
        self._apply()

    def choose(self, choice: Choice) -> None:
        if choice != self._choice:
            self._choice = choice
            self._apply()

    def set_scale(self, scale: float) -> None:
        """`scale` is clamped to 1.0 ... 2.0."""
        scale = min(max(scale, SCALES[0]), SCALES[-1])
        if scale != self._scale:
            self._scale = scale
            self._apply()

    def step_scale(self, direction: int) -> None:
        """One step larger (+1) or smaller (-1) on `SCALES`; 0 returns to 100 %."""
        if direction == 0:
            self.set_scale(1.0)
            return
        nearest = min(range(len(SCALES)), key=lambda i: abs(SCALES[i] - self._scale))
        self.set_scale(SCALES[min(max(nearest + direction, 0), len(SCALES) - 1)])

    def _system_changed(self) -> None:
        if self._choice == "system":
            self._apply()

    def _dark(self) -> bool:
        if self._choice != "system" or self._app is None:
            return self._choice == "dark"
        return self._app.styleHints().colorScheme() == Qt.ColorScheme.Dark

    def _apply(self) -> None:
        from arrcoc_gui.style import style_sheet

        before, self._current = self._styled, replace(DARK if self._dark() else LIGHT, scale=self._scale)
        if self._app is not None and self._current != before:
            # Every widget there is takes its style anew, which a person waits for: only where something differs.
            self._styled = self._current
            self._app.setPalette(palette_of(self._current))
            self._app.setFont(self._current.font("body"))
            self._app.setStyleSheet(style_sheet(self._current))
        self.changed.emit()


@cache
def themes() -> Themes:
    """The app's one theme holder."""
    return Themes()


def theme() -> Theme:
    """The current theme."""
    return themes().current
