"""The Teardown page: exactly what is labelled ours, with sizes and prices; removed only after a typed confirmation.

Opening the page looks (a dry run); nothing is removed by looking. Checkpoints and results are a separate choice with a
confirmation of their own. Runs that have a job now stop it: they are named, and cancelling them is ticked separately.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QWidget

from arrcoc_core.formatting import plural
from arrcoc_gui.actions import Action
from arrcoc_gui.cloud.page import CloudPage
from arrcoc_gui.cloud.resource_view import ResourceList
from arrcoc_gui.cloud_task import Ending
from arrcoc_gui.state import AppState
from arrcoc_gui.teardown.inventory import ITEM_HEADERS, Inventory
from arrcoc_gui.theme import theme
from arrcoc_gui.widgets.card import Card, text_label
from arrcoc_gui.widgets.inputs import CheckBox
from arrcoc_gui.widgets.plain_table import PlainTable

ABOUT = (
    "Removes what arrcoc created in the project: only what carries its label, and nothing else. Checkpoints and "
    "results stay unless you choose otherwise. Your runs on this machine stay."
)


class TeardownPage(CloudPage):
    """See the module's docstring."""

    def __init__(self, state: AppState, parent: QWidget | None = None) -> None:
        super().__init__(state, "Teardown", ABOUT, parent)
        self.inventory = Inventory()
        self.look = QPushButton("Dry run")
        self.look.setAccessibleName("Dry run: look, remove nothing")
        self.look.clicked.connect(self.refresh)
        self.buttons.insertWidget(0, self.look)
        self.goes = PlainTable("What would be removed", ITEM_HEADERS, right=(2, 3), stretch=1, give_way=(4, 2))
        self.stays = PlainTable("What stays", ITEM_HEADERS, right=(2, 3), stretch=1, give_way=(2, 3))
        self.sum = text_label("", "muted", wrap=False)
        self.none = text_label("", "muted")
        self.checkpoints = CheckBox("Also remove checkpoints and results of all runs")
        self.checkpoints.setAccessibleName("Also remove checkpoints and results of all runs")
        self.checkpoints.toggled.connect(lambda _: self.refresh())
        self.checkpoint_note = text_label(
            "They cannot be brought back. Results already on this machine or on the Hub are not touched.", "warn"
        )
        self.cancel_runs = CheckBox()
        self.cancel_runs.toggled.connect(lambda _: self._offer())
        self.ask_word = text_label("", "")
        self.word = self._field()
        self.ask_bucket = text_label("", "")
        self.bucket = self._field()
        self.remove = QPushButton("Remove")
        self.remove.setProperty("look", "danger")
        self.remove.clicked.connect(self.start_removal)
        self.progress = ResourceList("Progress")
        self.progress.fix_wanted.connect(self.ask_fix)
        self._fill()
        self._show()

    def actions(self) -> list[Action]:  # type: ignore[override] - the page's own actions, not QWidget's
        return [
            Action(
                id="teardown.look",
                title="Teardown: dry run",
                keys=("D",),
                scope="teardown",
                menu="Cloud",
                run=self.refresh,
                enabled=lambda: not self.busy,
            )
        ]

    def focus_first(self) -> None:
        (self.look if self.look.isEnabled() else self.cancel).setFocus()

    def refresh(self) -> None:
        """Look at what is there; removes nothing."""
        if self.busy:
            return
        self.inventory = Inventory()
        self._show()
        arguments = ["teardown", "--dry-run", *(["--with-checkpoints"] if self.checkpoints.isChecked() else [])]
        self.begin(arguments, self._told, self._looked)

    def start_removal(self) -> None:
        """Remove what is listed; only after the words were typed."""
        inventory = self.inventory
        if self.busy or not self._allowed():
            return
        arguments = ["teardown", "--confirm", inventory.word]
        if self.checkpoints.isChecked():
            arguments += ["--with-checkpoints", "--confirm-checkpoints", inventory.checkpoint_word]
        if inventory.live:
            arguments += ["--cancel-runs"]
        self.word.clear()
        self.bucket.clear()
        self.progress.expect()
        self.progress.show()
        self.begin(arguments, self.progress.apply, self._removed, risky=True)

    # -- what comes

    def _told(self, line: dict[str, Any]) -> None:
        if self.inventory.apply(line):
            self._show()

    def _looked(self, ending: Ending) -> None:
        self.inventory.known = ending.ok or bool(self.inventory.items)
        if self.inventory.live:
            self.trouble.show_trouble(None)  # the card says it, with what can be done
        self._show()

    def _removed(self, ending: Ending) -> None:
        self.progress.stop("stopped" if ending.cancelled else "not reached")
        trouble = ending.trouble
        if ending.ok:
            self.state.notice.emit(f"Teardown: {self.progress.rows.sentence()}")
        self.refresh()
        self.trouble.show_trouble(trouble)

    def set_busy(self, busy: bool) -> None:
        self.look.setEnabled(not busy)
        self.checkpoints.setEnabled(not busy)
        self._offer()

    # -- showing

    def _allowed(self) -> bool:
        if self.inventory.live and not self.cancel_runs.isChecked():
            return False
        return self.inventory.allows(self.word.text(), self.bucket.text(), checkpoints=self.checkpoints.isChecked())

    def _offer(self) -> None:
        self.remove.setEnabled(not self.busy and self._allowed())

    def _show(self) -> None:
        inventory = self.inventory
        removed, kept = inventory.removed, inventory.kept
        self.goes.show_rows([item.row() for item in removed])
        self.stays.show_rows([item.row() for item in kept])
        self.goes.setVisible(bool(removed))
        self.sum.setText(inventory.sentence())
        nothing = "Nothing of ours is in this project." if inventory.known else "Looking at the project …"
        self.none.setText(nothing if self.busy or inventory.known else "A dry run lists it.")
        self.none.setVisible(not removed)
        self.kept_card.setVisible(bool(kept))
        confirmable = bool(removed and inventory.word)
        self.confirm_card.setVisible(confirmable)
        self.ask_word.setText(f"Type  {inventory.word}  to confirm")
        with_checkpoints = self.checkpoints.isChecked() and bool(inventory.checkpoint_word)
        self.ask_bucket.setText(f"Type  {inventory.checkpoint_word}  to remove the checkpoints and results in it")
        self.ask_bucket.setVisible(with_checkpoints)
        self.bucket.setVisible(with_checkpoints)
        self.checkpoint_note.setVisible(self.checkpoints.isChecked())
        names = ", ".join(dict.fromkeys(live.run for live in inventory.live))
        self.cancel_runs.setVisible(bool(inventory.live))
        self.cancel_runs.setText(f"Cancel {plural(len(inventory.live), 'run')} first: {names}")
        self.cancel_runs.setAccessibleName(self.cancel_runs.text())
        self.remove.setText(f"Remove {plural(len(removed), 'thing')}")
        self.remove.setAccessibleName(self.remove.text())
        self._offer()

    def _field(self) -> QLineEdit:
        field = QLineEdit()
        field.setProperty("look", "mono")
        field.setMaximumWidth(theme().px(420))
        field.textChanged.connect(lambda _: self._offer())
        return field

    def _fill(self) -> None:
        px = theme().px
        card = Card("What would be removed")
        card.head.addWidget(self.sum)
        card.lines.addWidget(self.none)
        card.lines.addWidget(self.goes)
        card.lines.addWidget(self.checkpoints)
        card.lines.addWidget(self.checkpoint_note)
        self.kept_card = Card("What stays")
        self.kept_card.lines.addWidget(self.stays)
        self.confirm_card = Card("Confirm")
        self.word.setAccessibleName("The project's name, typed to confirm")
        self.bucket.setAccessibleName("The bucket's name, typed to confirm")
        lines = self.confirm_card.lines
        lines.setSpacing(px(6))
        for widget in (self.cancel_runs, self.ask_word, self.word, self.ask_bucket, self.bucket):
            lines.addWidget(widget)
        row = QHBoxLayout()
        row.addWidget(self.remove)
        row.addStretch(1)
        lines.addLayout(row)
        for widget in (card, self.confirm_card, self.progress, self.kept_card):
            self.body.addWidget(widget, alignment=Qt.Alignment())
        self.progress.hide()
