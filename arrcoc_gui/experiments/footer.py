"""The footer that stays: what a launch of the selected row costs, and the button that does it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from arrcoc_gui.experiments.outward import logs_words
from arrcoc_gui.experiments.rows import Row
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.labels import ElidedLabel


class LaunchFooter(QFrame):
    """ "about 2 min · $0 · nothing to build", and Launch."""

    launch = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._row: Row | None = None
        self._launching = False
        self._checking = False
        self.setProperty("look", "footer")
        self.headline = ElidedLabel(mode=Qt.TextElideMode.ElideRight)
        self.headline.setProperty("look", "title")
        self.detail = ElidedLabel(mode=Qt.TextElideMode.ElideRight)
        self.detail.setProperty("look", "muted")
        self.button = QPushButton("Launch")
        self.button.setProperty("look", "primary")
        self.button.setAutoDefault(True)
        self.button.setMinimumWidth(theme().px(120))
        self.button.clicked.connect(self.launch)
        texts = QVBoxLayout()
        texts.setSpacing(0)
        texts.addWidget(self.headline)
        texts.addWidget(self.detail)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme().px(16), theme().px(10), theme().px(16), theme().px(10))
        layout.setSpacing(theme().px(16))
        layout.addLayout(texts, stretch=1)
        layout.addWidget(self.button)
        self.show_row(None)

    def show_row(self, row: Row | None) -> None:
        self._row = row
        self.headline.set_full_text(self._headline(row))
        self.detail.set_full_text(_detail(row))
        self._refresh_button()

    def set_launching(self, launching: bool) -> None:
        """While a launch is under way the button says so and cannot be pressed twice."""
        had_focus = self.button.hasFocus()
        self._launching = launching
        self._refresh_button()
        if had_focus and not launching:
            self.button.setFocus()

    def set_checking(self, checking: bool) -> None:
        """While the cloud is looked at before a launch."""
        had_focus = self.button.hasFocus()
        self._checking = checking
        self._refresh_button()
        if had_focus and not checking:
            self.button.setFocus()

    def _refresh_button(self) -> None:
        row = self._row
        runs = len(row.children) if row is not None else 0
        # What costs money asks first, and its button says so.
        more = "…" if row is not None and row.in_cloud else ""
        idle = f"Launch {runs} runs{more}" if runs else f"Launch{more}"
        self.button.setText("Launching …" if self._launching else "Checking …" if self._checking else idle)
        self.button.setEnabled(bool(row is not None and row.launch) and not (self._launching or self._checking))
        name = row.name if row is not None else ""
        self.button.setAccessibleName(f"Launch {name}".strip())
        self.button.setToolTip(f"{self.button.text()}  (Enter)")

    def _headline(self, row: Row | None) -> str:
        if row is None:
            return "Nothing is selected"
        if row.blocked is not None:
            return f"{row.name} cannot run here"
        if row.problem is not None:
            return f"{row.name} cannot be read"
        return row.headline


def _detail(row: Row | None) -> str:
    if row is None:
        return ""
    problem = row.blocked or row.problem
    if problem is not None:
        return problem.message
    warnings = row.plan.warnings if row.plan is not None else ()
    status = {
        "ran": "ran already with this config and this code",
        "running": "is running now; a launch starts another run",
        "config changed": "its config has changed since it last ran",
        "code changed": "the code has changed since it last ran",
        "new": "has not run yet",
    }.get(row.status, row.status)
    point = row.first_point
    plan = point.plan if point is not None else None
    logs = (f"logs {logs_words(plan.checks)}",) if plan is not None else ()
    repo = plan.resolved.experiment.hub.repo if plan is not None else ""
    return " · ".join((f"{row.name} {status}", *logs, *((f"then to the Hub: {repo}",) if repo else ()), *warnings))
