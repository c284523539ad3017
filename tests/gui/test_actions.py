"""The table of actions and the palette's matching, without a window."""

from __future__ import annotations

import pytest

from arrcoc_gui.actions import Action, ActionTable, key_text
from arrcoc_gui.fuzzy import match, rank


def action(id: str, *keys: str, scope: str = "window", menu: str = "", possible: bool = True) -> Action:
    return Action(id=id, title=id, keys=keys, scope=scope, menu=menu, run=lambda: None, enabled=lambda: possible)


def test_one_key_has_one_meaning() -> None:
    table = ActionTable([action("a", "H"), action("b", "L", scope="home"), action("c", "L", scope="monitor")])
    with pytest.raises(ValueError, match="both answer H"):
        table.add(action("d", "H", scope="monitor"))
    with pytest.raises(ValueError, match="both answer L"):
        table.add(action("d", "L", scope="home"))
    with pytest.raises(ValueError, match="two actions are called a"):
        table.add(action("a"))
    with pytest.raises(ValueError, match="no menu"):
        table.add(action("e", menu="Nowhere"))
    assert len(table) == 3


def test_available_are_those_of_the_page_that_are_possible() -> None:
    table = ActionTable(
        [action("a"), action("b", scope="home"), action("c", scope="monitor"), action("d", possible=False)]
    )
    assert [found.id for found in table.available("home")] == ["a", "b"]


def test_menus_keep_their_order() -> None:
    table = ActionTable([action("help", menu="Help"), action("go", menu="Go"), action("none")])
    assert list(table.by_menu()) == ["Go", "Help"]


def test_keys_read_well() -> None:
    assert [key_text(key) for key in ("h", "Ctrl+Return", "?")] == ["H", "Ctrl+Enter", "?"]


def test_match_prefers_beginnings_and_runs() -> None:
    items = ["Open run alaunch", "Launch quickstart", "Relaunch all", "Larger"]
    assert rank("launch", items, str)[0][0] == "Launch quickstart"
    assert [item for item, _ in rank("la qu", items, str)] == ["Launch quickstart"]
    assert [item for item, _ in rank("qu la", items, str)] == ["Launch quickstart"]
    assert [item for item, _ in rank("", items, str)] == items
    assert rank("xyz", items, str) == []


def test_match_says_where() -> None:
    found = match("lq", "Launch quickstart")
    assert found is not None
    assert found[1] == (0, 7)
    assert match("launch", "lunch") is None
    found = match("launch", "relaunch")
    assert found is not None
    assert found[1] == tuple(range(2, 8))
