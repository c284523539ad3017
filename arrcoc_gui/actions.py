"""What the user can do, as one declarative table.

An `Action` is a value: id, title, keys, scope and what to call. The table feeds the menus, the shortcuts, the
help sheet and the command palette; nothing else in the app binds a key. `scope` is "window" or the id of a
page, whose keys then work only while that page shows. `ActionTable` refuses two actions with one id, or two
that could answer one key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

MENUS = ("App", "Go", "Experiment", "Run", "Cloud", "View", "Help")


def _always() -> bool:
    return True


def _no_words() -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class Action:
    """`keys`: Qt key sequences ("Ctrl+K", "?"). `menu`: one of MENUS, or "" for none. `checked`: None = no
    check mark. `why`: the reason why it is not possible now, where there is one to tell.
    """

    id: str
    title: str
    run: Callable[[], object]
    keys: tuple[str, ...] = ()
    scope: str = "window"
    menu: str = ""
    enabled: Callable[[], bool] = _always
    checked: Callable[[], bool] | None = None
    why: Callable[[], str] = _no_words

    def words(self) -> str:
        """The title; where it is not possible now, with the reason."""
        why = "" if self.enabled() else self.why()
        return f"{self.title} ({why})" if why else self.title


class ActionTable:
    """The actions in the order in which they were added."""

    def __init__(self, actions: Iterable[Action] = ()) -> None:
        self._actions: dict[str, Action] = {}
        for action in actions:
            self.add(action)

    def __iter__(self) -> Iterator[Action]:
        return iter(self._actions.values())

    def __len__(self) -> int:
        return len(self._actions)

    def __getitem__(self, action_id: str) -> Action:
        return self._actions[action_id]

    def add(self, action: Action) -> None:
        """Raises ValueError when its id is taken or one of its keys would be ambiguous."""
        if action.id in self._actions:
            raise ValueError(f"two actions are called {action.id}")
        if action.menu and action.menu not in MENUS:
            raise ValueError(f"{action.id}: there is no menu {action.menu}")
        for other in self._actions.values():
            together = "window" in (action.scope, other.scope) or action.scope == other.scope
            shared = set(action.keys) & set(other.keys)
            if together and shared:
                raise ValueError(f"{action.id} and {other.id} both answer {', '.join(sorted(shared))}")
        self._actions[action.id] = action

    def available(self, scope: str) -> list[Action]:
        """Those that can be run while page `scope` shows."""
        return [action for action in self if action.scope in ("window", scope) and action.enabled()]

    def by_menu(self) -> dict[str, list[Action]]:
        """The actions of each menu that has any, in the order of MENUS."""
        menus = {menu: [action for action in self if action.menu == menu] for menu in MENUS}
        return {menu: actions for menu, actions in menus.items() if actions}


def key_text(key: str) -> str:
    """A key as people read it: "Ctrl+K", "H"."""
    return key.upper() if len(key) == 1 else key.replace("Return", "Enter")
