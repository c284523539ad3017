"""The choice above the run list: this project's runs, and any W&B project that this machine's key may read.

The menu lists them with check marks that can be set one after the other; what is not in it (a public project of someone
else) is typed, or its page's address pasted.
"""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLineEdit, QSizePolicy, QWidget

from arrcoc_core.formatting import plural
from arrcoc_gui.monitor.chart_toolbar import StickyMenu
from arrcoc_gui.monitor.online_runs import OWN, parse_place
from arrcoc_gui.monitor.projects import Projects, place_title
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import text_label
from arrcoc_gui.widgets.combo import MenuButton
from arrcoc_gui.widgets.labels import as_written
from arrcoc_gui.widgets.question import Form

MOST_LISTED = 25
HERE = "This project's runs"


class ProjectPicker(MenuButton):
    """Shows and changes the choice of `projects`."""

    def __init__(self, projects: Projects, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._projects = projects
        self._shown = ""
        self.other: OtherProject | None = None
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Which runs are listed")
        self.setToolTip("Which runs are listed: this project's, those of W&B projects (G)")
        self.menu_ = StickyMenu(self)
        self.menu_.setAccessibleName("Projects")
        self.menu_.aboutToShow.connect(self._opened)
        self.setMenu(self.menu_)
        projects.changed.connect(self._show)
        projects.known_changed.connect(self._refill)
        self._show()

    def ask_other(self) -> None:
        """Ask for a project that is not in the list."""
        self.other = OtherProject(self.window())
        self.other.chosen.connect(self._chosen)
        self.other.destroyed.connect(self._other_gone)
        self.other.open()

    def _chosen(self, place: str) -> None:
        if place not in self._projects.chosen:
            self._projects.toggle(place)

    def _other_gone(self) -> None:
        self.other = None

    def _opened(self) -> None:
        self._projects.ask_known()
        self._refill()

    def _show(self) -> None:
        """The choice in few words."""
        projects = self._projects
        names = [place.title for place in projects.places]
        short = [name.rsplit("/", 1)[-1] for name in names]
        if not names:
            words, shown = HERE, "This project"
        elif projects.here:
            words, shown = f"This project and {', '.join(names)}", f"This project + {_few(short)}"
        else:
            words, shown = ", ".join(names), f"W&B: {_few(short)}"
        self._shown = shown
        self._elide()
        self.setAccessibleDescription(words)
        if self.menu_.isVisible():
            self._refill()

    def _elide(self) -> None:
        room = max(self.width() - theme().px(40), theme().px(40))
        self.setText(as_written(self.fontMetrics().elidedText(self._shown, Qt.TextElideMode.ElideMiddle, room)))

    def sizeHint(self) -> QSize:
        """Of the whole words; it takes less where there is less."""
        width = self.fontMetrics().horizontalAdvance(self._shown) + theme().px(44)
        return QSize(width, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(theme().px(96), super().sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _refill(self) -> None:
        projects, menu = self._projects, self.menu_
        menu.clear()
        here = menu.addAction(HERE)
        here.setCheckable(True)
        here.setChecked(projects.here)
        here.triggered.connect(lambda _=False: projects.toggle_here())
        menu.addSeparator()
        listed = list(dict.fromkeys([OWN, *projects.chosen, *projects.known]))
        for place in listed[:MOST_LISTED]:
            entry = menu.addAction(as_written(place_title(place)))
            entry.setCheckable(True)
            entry.setChecked(place in projects.chosen)
            entry.triggered.connect(lambda _=False, place=place: projects.toggle(place))
        words = {
            "loading": "Asking W&B which projects there are …",
            "failed": projects.known_trouble.message if projects.known_trouble else "W&B could not be asked",
        }.get(projects.known_state, "")
        if len(listed) > MOST_LISTED:
            words = f"and {len(listed) - MOST_LISTED} more: type the name of one below"
        if words:
            menu.addAction(as_written(words)).setEnabled(False)
        menu.addSeparator()
        menu.addAction(as_written("Another W&B project…")).triggered.connect(lambda _=False: self.ask_other())


def _few(names: list[str]) -> str:
    return names[0] if len(names) == 1 else plural(len(names), "project")


class OtherProject(Form):
    """`chosen` carries "entity/project"."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Another W&B project", parent)
        self.field = QLineEdit()
        self.field.setPlaceholderText("entity/project, or the address of its page")
        self.field.setAccessibleName("W&B project")
        self.wrong = text_label("", "bad")
        self.lay_out(
            "Which project at W&B?",
            "Its runs are listed and read; nothing of it is changed.",
            [self.field, self.wrong],
            ("List its runs", "List its runs"),
            self._choose,
            harmless=True,
        )
        self.wrong.hide()
        self.field.setFocus()

    def _choose(self) -> None:
        try:
            place = parse_place(self.field.text())
        except ValueError as error:
            self.wrong.setText(str(error))
            self.wrong.show()
            return
        self.chosen.emit(place)
        self.accept()
