"""A menu of some actions inside a page: greyed with the reason, as things stand when it opens."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QMenu

from arrcoc_gui.actions import Action, key_text
from arrcoc_gui.widgets.labels import as_written


def fill_menu(menu: QMenu, actions: Sequence[Action]) -> None:
    """Entries for these actions; their keys are only named: the table of actions binds them."""
    entries = [(action, menu.addAction(as_written(action.title))) for action in actions]
    for action, entry in entries:
        entry.triggered.connect(lambda _=False, action=action: action.run())

    def refresh() -> None:
        for action, entry in entries:
            keys = f"\t{key_text(action.keys[0])}" if action.keys else ""
            entry.setText(as_written(action.words()) + keys)
            entry.setEnabled(action.enabled())

    menu.aboutToShow.connect(refresh)
    refresh()
