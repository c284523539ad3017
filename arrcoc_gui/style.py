"""The application's style sheet, made from a `Theme`.

Widgets opt in to a look with the dynamic property `look` (set it before the widget is shown):

| look | for | meaning |
|---|---|---|
| `card` | QFrame | surface with a hairline border and rounded corners |
| `title`, `hero`, `label`, `muted`, `small`, `mono` | QLabel | text roles of the theme |
| `good`, `warn`, `bad` | QLabel | muted-size text in that colour |
| `primary` | QPushButton | the one main action of a page |
| `link` | QPushButton | reads as a link |
| `quiet` | QPushButton, QToolButton | no frame until hovered or focused |
| `danger` | QPushButton | ends or removes something |

Every control shows a 2 px accent ring while it has the keyboard focus.
"""

from __future__ import annotations

from arrcoc_gui.theme import Theme, mono_families

_SHEET = """
QWidget { color: $text; }
QMainWindow, QDialog, QWidget[look="page"] { background: $bg; }
QToolTip { background: $raised; color: $text; border: 1px solid $line; padding: $4; }
QFrame[look="card"] { background: $surface; border: 1px solid $line; border-radius: $8; }
QFrame[look="rule"] { background: $line; border: none; }
QFrame[look="footer"] { background: $surface; border: none; border-top: 1px solid $line; }
QFrame[look="banner"] { background: $surface; border: 1px solid $bad; border-left: $4 solid $bad; border-radius: $6; }
QFrame[look="notice"] { background: $surface; border: 1px solid $line; border-left: $4 solid $accent;
    border-radius: $6; }

QLabel { background: transparent; }
QLabel[look="title"] { font-size: $15; font-weight: 600; }
QLabel[look="hero"] { font-size: $22; font-weight: 600; }
QLabel[look="strong"] { font-weight: 600; }
QLabel[look="label"] { font-size: $12; font-weight: 600; color: $muted; }
QLabel[look="muted"] { color: $muted; }
QLabel[look="small"] { font-size: $12; color: $muted; }
QLabel[look="mono"] { font-family: $mono; }
QLabel[look="good"] { color: $good; }
QLabel[look="warn"] { color: $warn; }
QLabel[look="bad"] { color: $bad; }

QPushButton, QToolButton, QComboBox { background: $raised; border: 1px solid $line; border-radius: $6;
    padding: $5 $12; min-height: $18; }
QToolButton { padding: $5 $6; }
QToolButton[look="menu"] { padding-left: $10; padding-right: $26; text-align: left; }
QToolButton::menu-indicator { image: none; width: 0; }
QPushButton:hover, QToolButton:hover, QComboBox:hover { background: $hover; }
QPushButton:pressed, QToolButton:pressed, QToolButton:checked { background: $accent_soft; }
QPushButton:disabled, QToolButton:disabled, QComboBox:disabled { color: $faint; }
QPushButton:focus, QToolButton:focus, QComboBox:focus, QLineEdit:focus, QPlainTextEdit:focus, QTextEdit:focus,
QAbstractItemView:focus, QAbstractSpinBox:focus, QScrollArea:focus { border: 2px solid $accent; }
QPushButton:focus, QComboBox:focus { padding: $fp_v $fp_h; }
QPushButton[look="primary"] { background: $accent; color: $on_accent; border: 2px solid $accent; font-weight:
600;
    padding: $fp_v $18; }
QPushButton[look="primary"]:hover { background: $accent_hover; }
QPushButton[look="primary"]:focus { border: 2px solid $text; padding: $fp_v $18; }
QPushButton[look="primary"]:disabled { background: $line; color: $muted; border: 2px solid $line; }
QPushButton[look="danger"] { color: $bad; }
QPushButton[look="danger"]:disabled { color: $faint; }
QPushButton[look="quiet"], QToolButton[look="quiet"] { background: transparent; border: 2px solid transparent; }
QPushButton[look="quiet"]:hover, QToolButton[look="quiet"]:hover { background: $hover; }
QPushButton[look="quiet"]:focus, QToolButton[look="quiet"]:focus { border: 2px solid $accent; }
QPushButton[look="link"] { background: transparent; border: 2px solid transparent; color: $accent; padding: $2 0;
    text-align: left; min-height: $18; }
QPushButton[look="link"]:hover { text-decoration: underline; }
QPushButton[look="link"]:focus { border: 2px solid $accent; }

QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox { background: $surface; border: 1px solid $line;
    border-radius: $6; padding: $5 $8; selection-background-color: $accent; selection-color: $on_accent; }
QLineEdit:focus { padding: $fp_v $fp_t; }
QPlainTextEdit[look="mono"], QTextEdit[look="mono"] { font-family: $mono; font-size: $12; }
QComboBox::drop-down { border: none; width: $24; }
QComboBox QAbstractItemView { background: $raised; border: 1px solid $line; selection-background-color:
$accent_soft;
    selection-color: $text; outline: none; }
QSpinBox::up-button, QSpinBox::down-button { background: transparent; border: none; width: $24; }
QSpinBox::up-arrow, QSpinBox::down-arrow { image: none; width: 0; height: 0; }
QRadioButton:focus { border: 2px solid $accent; border-radius: $4; }

QAbstractItemView { background: $surface; border: 1px solid $line; border-radius: $8; outline: none;
    alternate-background-color: $bg; selection-background-color: $accent_soft; selection-color: $text; }
QAbstractItemView[look="bare"] { border: 2px solid transparent; background: transparent; }
QAbstractItemView[look="bare"]:focus { border: 2px solid $accent; }
QHeaderView { background: $surface; border: none; }
QHeaderView::section { background: $surface; color: $muted; border: none; border-bottom: 1px solid $line;
    padding: $6 $8; font-size: $12; font-weight: 600; }
QTableView { gridline-color: transparent; }

QScrollArea, QScrollArea > QWidget > QWidget[look="page"] { background: transparent; }
QScrollArea { border: 2px solid transparent; }
QScrollArea[look="bare"] > QWidget > QWidget { background: transparent; }
QDialog#palette { background: $surface; border: 1px solid $line; }
QScrollBar:vertical { background: transparent; width: $10; margin: 0; }
QScrollBar:horizontal { background: transparent; height: $10; margin: 0; }
QScrollBar::handle { background: $scroll; border-radius: $3; margin: $2; }
QScrollBar::handle:vertical { min-height: $28; }
QScrollBar::handle:horizontal { min-width: $28; }
QScrollBar::handle:hover { background: $faint; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QSplitter::handle { background: transparent; }
QSplitter::handle:hover { background: $line; }
QMenu { background: $raised; border: 1px solid $line; padding: $4; }
QMenu::item { padding: $5 $24 $5 $12; border-radius: $4; }
QMenu::item:selected { background: $accent_soft; }
QMenu::item:disabled { color: $faint; }
QMenu::separator { height: 1px; background: $line; margin: $4 $8; }
QMenuBar { background: $rail; }
QMenuBar::item { padding: $4 $10; background: transparent; }
QMenuBar::item:selected { background: $accent_soft; }
QStatusBar { background: $rail; color: $muted; }
QStatusBar::item { border: none; }
QStatusBar QLabel { color: $muted; font-size: $12; }
QTabBar::tab { background: transparent; border: none; border-bottom: 2px solid transparent; padding: $6 $12;
    color: $muted; }
QTabBar::tab:selected { color: $text; border-bottom: 2px solid $accent; }
QTabBar::tab:focus { color: $accent; }
QTabWidget::pane { border: none; }
QSlider::groove:horizontal { height: $4; background: $line; border-radius: 2px; }
QSlider::handle:horizontal { background: $accent; width: $14; height: $14; margin: -$5 0; border-radius: $7; }
QSlider:focus { border: 2px solid $accent; border-radius: $4; }
QProgressBar { background: $line; border: none; border-radius: $3; max-height: $6; text-align: center; }
QProgressBar::chunk { background: $accent; border-radius: $3; }
"""


def style_sheet(theme: Theme) -> str:
    """The sheet with every `$token` and every `$N` (N pixels at 100 %) filled in."""
    import re

    accent = theme.color("accent")
    values = {
        "accent_hover": (accent.lighter(112) if not theme.dark else accent.darker(108)).name(),
        "scroll": theme.color("faint").darker(130).name() if theme.dark else theme.color("line").darker(115).name(),
        "mono": ", ".join(f'"{family}"' for family in mono_families()),
        # A focused control's border grows by 1 px: its padding gives that pixel back, so nothing moves.
        "fp_v": f"{max(theme.px(5) - 1, 0)}px",
        "fp_h": f"{max(theme.px(12) - 1, 0)}px",
        "fp_t": f"{max(theme.px(8) - 1, 0)}px",
    }

    def fill(match: re.Match[str]) -> str:
        key = match.group(1)
        if key.isdigit():
            return f"{theme.px(int(key))}px"
        return values[key] if key in values else str(getattr(theme, key))

    return re.sub(r"\$(\w+)", fill, _SHEET)
