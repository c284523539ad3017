"""The rows and the sheet of the Experiments page as plain values, from real files."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QModelIndex, QPersistentModelIndex
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from arrcoc_core.discovery import discover
from arrcoc_gui.experiments.loading import Table, files_to_watch, load_table
from arrcoc_gui.experiments.model import FLASH, ExperimentModel
from arrcoc_gui.experiments.plan_view import plan_lines
from arrcoc_gui.experiments.rows import (
    ESTIMATE,
    KEEPS,
    NAME,
    STATUS,
    Row,
    build_rows,
    changed_cells,
    flatten,
    matches,
)
from arrcoc_gui.experiments.sheet import build_sheet, changed_paths

FILES = {
    "misspelt.py": """from arrcoc_core import Experiment, Tokens

oops = Experiment(name="oops", tokens=Tokens(kep=4))
""",
    "odd.py": """from arrcoc_core import Local
from experiments.quickstart import quickstart

too_many = quickstart.but(name="too-many", tokens=quickstart.tokens.but(keep=400))
needs_gpus = quickstart.but(name="needs-gpus", compute=Local(device="cuda", gpus=64))
""",
}


@pytest.fixture(scope="module")
def root(make_project) -> Path:
    root = make_project()
    for name, text in FILES.items():
        (root / "experiments" / name).write_text(text)
    return root


@pytest.fixture(scope="module")
def table(root: Path) -> Table:
    return load_table(root, discover(root), [])


@pytest.fixture(scope="module")
def rows(table: Table) -> tuple[Row, ...]:
    return build_rows(table)


def by_name(rows: tuple[Row, ...]) -> dict[str, Row]:
    return {row.name: row for row in flatten(rows)}


def test_an_experiment_is_a_row_with_its_plan(rows: tuple[Row, ...]) -> None:
    row = by_name(rows)["quickstart"]
    assert row.kind == "experiment"
    assert row.cells[KEEPS] == "4"
    assert row.status == "new"
    assert row.cells[ESTIMATE]
    assert row.launch == "quickstart"
    assert "$0 · nothing to build" in row.headline


def test_a_sweep_is_one_row_over_its_points(rows: tuple[Row, ...]) -> None:
    row = by_name(rows)["token_budget"]
    assert row.kind == "sweep"
    assert [child.cells[KEEPS] for child in row.children] == ["2", "4", "8", "16"]
    assert row.cells[KEEPS] == "2 to 16"
    assert row.headline.startswith("4 runs, one at a time · about ")
    assert row.launch == "token_budget"
    assert sum(other.name == "token_budget/keep-2" for other in rows) == 0


def test_a_broken_file_is_a_row_with_its_error(rows: tuple[Row, ...]) -> None:
    row = by_name(rows)["misspelt"]
    assert (row.kind, row.status, row.launch) == ("broken", "broken", "")
    assert row.problem is not None
    assert (row.problem.file, row.problem.line) == ("experiments/misspelt.py", 3)
    assert "kep" in row.problem.message
    assert "Traceback" in row.problem.traceback


def test_values_that_contradict_each_other_are_a_row_with_an_error(rows: tuple[Row, ...]) -> None:
    row = by_name(rows)["too-many"]
    assert row.kind == "broken"
    assert row.problem is not None
    assert "400" in row.problem.message


def test_what_cannot_run_here_says_why_and_is_not_launched(rows: tuple[Row, ...]) -> None:
    row = by_name(rows)["needs-gpus"]
    assert row.kind == "experiment"
    assert row.launch == ""
    assert row.blocked is not None
    assert "64" in row.blocked.message


def test_search_finds_words_anywhere_and_sweeps_by_their_points(rows: tuple[Row, ...]) -> None:
    found = by_name(rows)
    assert matches(found["quickstart"], "QUICK new")
    assert not matches(found["quickstart"], "quick broken")
    assert matches(found["token_budget"], "keep-16")
    assert matches(found["misspelt"], "kep")


def test_settings_that_cannot_be_read_are_the_problem_of_the_table(make_project) -> None:
    root = make_project()
    (root / ".training").write_text("NUM_VISUAL_TOKENZ=4\n")
    table = load_table(root, discover(root), [])
    assert table.problem is not None
    assert "NUM_VISUAL_TOKENZ" in str(table.problem)
    assert build_rows(table) == ()


def test_watches_experiments_settings_and_code(root: Path) -> None:
    names = {path.relative_to(root).as_posix() for path in files_to_watch(root)}
    assert {".", "experiments", "experiments/quickstart.py", "training", "training/train.py"} <= names


def test_sheet_has_every_value_with_its_source(rows: tuple[Row, ...]) -> None:
    found = by_name(rows)
    resolved = found["quickstart"].resolved
    assert resolved is not None
    sheet = {row.path: row for row in build_sheet(resolved)}
    keep = sheet["tokens.keep"]
    assert (keep.value, keep.changed) == ("4", True)
    assert keep.file == "experiments/quickstart.py"
    assert keep.line > 0
    assert set(resolved.values()) - {"name"} <= set(sheet)
    plain = found["default"].resolved
    assert plain is not None
    assert {row.path for row in build_sheet(plain) if row.changed} == set()


def test_sheet_beside_another_marks_what_differs(rows: tuple[Row, ...]) -> None:
    found = by_name(rows)
    one, other = found["token_budget/keep-16"].resolved, found["quickstart"].resolved
    assert one is not None
    assert other is not None
    changed = {row.path: (row.value, row.other) for row in build_sheet(one, other) if row.changed}
    assert changed == {"tokens.keep": ("16", "4")}
    assert changed_paths(build_sheet(other), build_sheet(one)) >= {"tokens.keep"}


def test_plan_reads_as_lines(rows: tuple[Row, ...]) -> None:
    plan = by_name(rows)["needs-gpus"].plan
    assert plan is not None
    lines = plan_lines(plan)
    assert ("Cost", "$0", "") in lines
    assert any(look == "bad" and "gpu" in text for _, text, look in lines)


def test_model_keeps_indexes_over_reloads(rows: tuple[Row, ...], qtbot: QtBot) -> None:
    model = ExperimentModel()
    QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.set_rows(rows)
    assert model.flashing() == {}
    point = model.index_of(model.key_of("token_budget/keep-8"))
    kept = QPersistentModelIndex(point)
    gone = QPersistentModelIndex(model.index_of(model.key_of("misspelt")))
    # The broken file goes, the order turns round: what stays keeps its index.
    model.set_rows(tuple(row for row in reversed(rows) if row.name != "misspelt"))
    assert not gone.isValid()
    assert kept.data() == "token_budget/keep-8"
    assert kept.parent().data() == "token_budget"
    assert model.rowCount(QModelIndex()) == len(rows) - 1
    model.set_rows(rows)
    flashed = model.index_of(model.key_of("misspelt"))
    assert flashed.data(FLASH) == 1.0
    qtbot.waitUntil(lambda: not model.flashing())
    assert flashed.data(FLASH) == 0.0
    model.set_rows(())
    assert not kept.isValid()


def test_changed_cells_are_those_that_differ(rows: tuple[Row, ...]) -> None:
    from dataclasses import replace

    row = by_name(rows)["quickstart"]
    ran = replace(row, cells=tuple("ran" if i == STATUS else text for i, text in enumerate(row.cells)))
    assert changed_cells([row], [ran]) == {row.key: frozenset({STATUS})}
    assert changed_cells([row], [replace(row, identity="another learning rate")]) == {row.key: frozenset({NAME})}
    assert changed_cells([row], [row]) == {}
