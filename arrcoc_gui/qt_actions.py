"""The table of actions as Qt sees it: one QAction each, which menus and shortcuts share."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from arrcoc_gui.actions import Action, ActionTable
from arrcoc_gui.widgets.labels import as_written


class QtActions(QObject):
    """Adapter over an `ActionTable`. Keys of a page's scope are live only while that page is the current one."""

    refused = Signal(str)  # why an action whose key was pressed is not possible

    def __init__(self, table: ActionTable, window: QWidget) -> None:
        super().__init__(window)
        self.table = table
        self.scope = ""
        self._window = window
        self._made: dict[str, QAction] = {}
        self.sync()

    def sync(self) -> None:
        """Make the QActions of what was added to the table since."""
        for action in self.table:
            if action.id not in self._made:
                self._made[action.id] = self._make(action)
        self.set_scope(self.scope)

    def __getitem__(self, action_id: str) -> QAction:
        return self._made[action_id]

    def set_scope(self, scope: str) -> None:
        """The page that shows now."""
        self.scope = scope
        for action in self.table:
            self._made[action.id].setEnabled(action.scope in ("window", scope))

    def fill(self, bar: QMenuBar) -> None:
        """Menus of all actions that name one; greyed and ticked as things stand when a menu opens."""
        bar.clear()
        for title, actions in self.table.by_menu().items():
            menu = bar.addMenu(title)
            self._fill_menu(menu, actions)

    def menu(self, ids: list[str], parent: QWidget) -> QMenu:
        """A pop-up menu of some actions."""
        menu = QMenu(parent)
        self._fill_menu(menu, [self.table[action_id] for action_id in ids])
        return menu

    def _fill_menu(self, menu: QMenu, actions: list[Action]) -> None:
        for action in actions:
            menu.addAction(self._made[action.id])
        menu.aboutToShow.connect(lambda: self._refresh(actions))
        menu.aboutToHide.connect(lambda: self.set_scope(self.scope))

    def _refresh(self, actions: list[Action]) -> None:
        for action in actions:
            made = self._made[action.id]
            made.setText(as_written(action.words()))
            made.setEnabled(action.scope in ("window", self.scope) and action.enabled())
            if action.checked is not None:
                made.setChecked(action.checked())

    def _make(self, action: Action) -> QAction:
        made = QAction(as_written(action.title), self._window)
        made.setShortcuts([QKeySequence(key) for key in action.keys])
        made.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        made.setCheckable(action.checked is not None)
        made.triggered.connect(lambda: self._trigger(action))
        self._window.addAction(made)
        return made

    def _trigger(self, action: Action) -> None:
        if action.enabled():
            action.run()
        else:
            self.refused.emit(f"{action.title}: {action.why() or 'not possible just now'}")
        if action.checked is not None:
            self._made[action.id].setChecked(action.checked())
