"""The plan of an experiment, or of each point of a sweep, as lines that can be read and copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QWidget

from arrcoc_core.formatting import UNKNOWN, duration, money
from arrcoc_gui.experiments.outward import hub_words, logs_words
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.labels import ElidedLabel

if TYPE_CHECKING:
    from arrcoc_core.planning import Plan


def plan_lines(plan: Plan) -> list[tuple[str, str, str]]:
    """Label, text, look: what the plan says, in reading order."""
    low, high = plan.estimate_s
    lines = [
        ("Runs on", f"{plan.target}: {plan.machine}", ""),
        ("Steps", UNKNOWN if plan.total_steps is None else f"{plan.total_steps:,}", ""),
        ("Time", f"{duration(low)} to {duration(high)}  ({plan.estimate_source})" if high else UNKNOWN, ""),
        ("Cost", money(plan.cost_usd), ""),
        ("Image", plan.image, ""),
        ("Logs", logs_words(plan.checks), ""),
        ("Hub", hub_words(plan.resolved.experiment.hub.repo, private=plan.resolved.experiment.hub.private), ""),
        ("Config", plan.fingerprint, "mono"),
        ("Code", plan.code, "mono"),
        ("Command", " ".join(plan.command), "mono"),
    ]
    lines += [("Creates" if i == 0 else "", text, "") for i, text in enumerate(plan.creates)]
    lines += [
        ("Environment" if i == 0 else "", f"{name}={value}", "mono")
        for i, (name, value) in enumerate(plan.environment.items())
    ]
    for i, check in enumerate(plan.checks):
        word = "ok" if check.ok else "missing" if check.failed else "not known"
        text = f"{word} · {check.name}: {check.detail}"
        lines.append(("Checks" if i == 0 else "", text, "bad" if check.failed else ""))
        if not check.ok and check.remedy:
            lines.append(("", f"→ {check.remedy}", "muted"))
    lines += [("Notes" if i == 0 else "", warning, "warn") for i, warning in enumerate(plan.warnings)]
    return lines


class PlanView(QScrollArea):
    """Shows lines of `plan_lines`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setAccessibleName("Plan")
        self.setProperty("look", "bare")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._lines: list[tuple[str, str, str]] = []
        self.show_lines([])

    def show_lines(self, lines: Sequence[tuple[str, str, str]]) -> None:
        """Replace what is shown, unless it is the same."""
        if list(lines) == self._lines and self.widget() is not None:
            return
        self._lines = list(lines)
        at = self.verticalScrollBar().value()
        body = QWidget()
        grid = QGridLayout(body)
        grid.setContentsMargins(*[theme().px(8)] * 4)
        grid.setHorizontalSpacing(theme().px(16))
        grid.setVerticalSpacing(theme().px(5))
        grid.setColumnStretch(1, 1)
        for row, (title, text, look) in enumerate(lines):
            label = QLabel(title)
            label.setProperty("look", "muted")
            # A long word without a space could not be broken: it is shortened, and whole in its tool tip.
            value = ElidedLabel(text) if look == "mono" else QLabel(text)
            value.setProperty("look", look)
            value.setWordWrap(look != "mono")
            value.setTextFormat(Qt.TextFormat.PlainText)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(value, row, 1)
        grid.setRowStretch(len(lines), 1)
        self.setWidget(body)
        self.verticalScrollBar().setValue(at)
