"""The experiment types: frozen, keyword-only, strict; a wrong value fails where it is written."""

from __future__ import annotations

import ast
import copy
import dataclasses
import inspect
import itertools
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from arrcoc_core.errors import ArrcocError, ConfigError, ExperimentError, render
from arrcoc_core.experiment import (
    SECTIONS,
    TARGETS,
    Data,
    Experiment,
    Local,
    Model,
    Tokens,
    Train,
    Vertex,
    WandbLaunch,
)
from arrcoc_core.values import INHERIT, Value, field_names, owner, written

BASE = Experiment(name="base", tokens=Tokens(keep=4))
CLASSES: list[type[Value]] = [Experiment, *SECTIONS.values(), *TARGETS.values()]

WRONG: dict[str, tuple[Callable[[], object], str, str]] = {
    "misspelt": (lambda: Tokens(kep=4), "Tokens has no field 'kep'", "Did you mean 'keep'?"),
    "positional": (lambda: Tokens(4), "named fields only", ""),
    "text for a number": (lambda: Tokens(keep="4"), "Tokens.keep must be a whole number, at least 1; got '4'", ""),
    "a switch for a number": (lambda: Tokens(keep=True), "got True", ""),
    "half a token": (lambda: Tokens(keep=4.0), "Tokens.keep must be a whole number", ""),
    "no tokens": (lambda: Tokens(keep=0), "Tokens.keep must be at least 1; got 0", ""),
    "negative rate": (lambda: Train(learning_rate=-1e-4), "Train.learning_rate must be above 0 and at most 1", ""),
    "rate that is no number": (lambda: Train(learning_rate=float("nan")), "a finite number", ""),
    "endless rate": (lambda: Train(learning_rate=float("inf")), "got inf", ""),
    "whole warm-up": (lambda: Train(warmup_ratio=1.0), "at least 0 and below 1", ""),
    "unknown base": (lambda: Model(base="tinny"), "Model.base must be 'tiny',", "Did you mean 'tiny'?"),
    "trained base": (lambda: Model(freeze_base=False), "only the selector learns", "Leave freeze_base out"),
    "no name": (lambda: Experiment(), "Experiment needs 'name'", "Write name=..."),
    "empty name": (lambda: Experiment(name=""), "must start with a letter or digit", ""),
    "name with a space": (lambda: Experiment(name="a b"), "must start with a letter or digit", ""),
    "number for a section": (lambda: BASE.but(tokens=4), "Experiment.tokens must be Tokens(...); got 4", ""),
    "dict for a section": (lambda: BASE.but(tokens={"keep": 4}), "must be Tokens(...)", ""),
    "misspelt section": (lambda: BASE.but(tokns=4), "Experiment has no field 'tokns'", "Did you mean 'tokens'?"),
    "list of tags": (lambda: BASE.but(tags=["a"]), "Experiment.tags must be a tuple", ""),
    "number as a tag": (lambda: BASE.but(tags=(1,)), "Experiment.tags must be text in quotes; got 1", ""),
    "wrong compute": (lambda: BASE.but(compute=Model()), "Local(...), Vertex(...) or WandbLaunch(...)", ""),
    "no compute": (lambda: BASE.but(compute=None), "got None", ""),
    "unknown device": (lambda: Local(device="gpu"), "Local.device must be 'auto', 'cpu' or 'cuda'", ""),
    "unknown GPU": (lambda: Vertex(gpu="A10"), "Vertex.gpu must be", "Did you mean 'A100'?"),
    "empty data set": (lambda: Data(dataset=""), "text that is not empty", ""),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_fails_where_it_is_written(case: str) -> None:
    make, message, remedy = WRONG[case]
    with pytest.raises(ExperimentError) as caught:
        make()
    error = caught.value
    assert message in error.message
    assert remedy in error.remedy
    assert error.exit_code == 2
    assert error.file == __file__
    assert error.line == make.__code__.co_firstlineno
    assert f"{__file__}:{error.line}" in render(error)


def test_an_error_names_the_line_of_the_field_in_a_long_call() -> None:
    first = inspect.currentframe().f_lineno + 2  # type: ignore[union-attr]
    with pytest.raises(ExperimentError) as caught:
        Train(
            seed=1,
            epochs=1,
            batch_size=0,
        )
    assert caught.value.line == first + 3
    assert caught.value.field == "batch_size"


def test_several_wrong_fields_make_one_message() -> None:
    with pytest.raises(ExperimentError, match=r"batch_size(.|\n)*epochs"):
        Train(batch_size=0, epochs=0)


def test_values_are_frozen_hashable_and_compare_by_their_fields() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        BASE.name = "other"  # type: ignore[misc]
    again = Experiment(name="base", tokens=Tokens(keep=4))
    assert again == BASE
    assert hash(again) == hash(BASE)
    assert again.but(tokens=Tokens(keep=8)) != BASE


def test_where_it_was_written_is_outside_of_equality_and_survives_copies() -> None:
    other = Experiment(name="base", tokens=Tokens(keep=4))
    assert other == BASE and written(other)["name"] != written(BASE)["name"]
    for twin in (copy.deepcopy(other), pickle.loads(pickle.dumps(other))):
        assert twin == other and written(twin) == written(other) and owner(twin) == owner(other)
    assert pickle.loads(pickle.dumps(INHERIT)) is INHERIT and copy.deepcopy(INHERIT) is INHERIT


def test_left_out_means_inherit() -> None:
    assert BASE.tokens.keep == 4 and BASE.train.seed is INHERIT
    assert "seed" not in written(BASE.train)
    assert Tokens(keep=INHERIT) == Tokens()
    assert BASE.but(tokens=BASE.tokens.but(keep=INHERIT)) == Experiment(name="base")
    assert repr(BASE) == "Experiment(name='base', tokens=Tokens(keep=4))"


def test_a_whole_number_is_fine_where_a_fraction_is_asked_for() -> None:
    rate = Train(learning_rate=1).learning_rate
    assert rate == 1.0 and isinstance(rate, float)


def test_but_changes_only_what_it_names_and_remembers_it() -> None:
    wide = BASE.but(name="wide", tokens=BASE.tokens.but(keep=8))
    assert (wide.name, wide.tokens.keep, wide.data) == ("wide", 8, BASE.data)
    assert written(wide)["name"].kind == "but"
    assert written(wide.tokens)["keep"].kind == "but"
    nested = WandbLaunch(queue="q", vertex=Vertex(gpu="L4")).but(queue="r")
    assert nested.vertex.gpu == "L4" and written(nested)["queue"].kind == "but"


def _make_for_test(name: str) -> Experiment:
    return Experiment(name=name)


MADE_BY_A_FUNCTION = _make_for_test("made")


def test_the_module_level_line_owns_what_a_function_makes() -> None:
    file, line = owner(MADE_BY_A_FUNCTION)
    assert file == __file__
    assert "MADE_BY_A_FUNCTION" in Path(__file__).read_text().splitlines()[line - 1]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_each_field_has_a_docstring_and_each_but_its_fields(cls: type[Value]) -> None:
    tree = ast.parse(inspect.getsource(sys.modules[cls.__module__]))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == cls.__name__).body
    documented = {
        node.target.id
        for node, after in itertools.pairwise(body)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    }
    assert documented == set(field_names(cls))
    typed = [
        node for block in body if isinstance(block, ast.If) for node in block.body if isinstance(node, ast.FunctionDef)
    ]
    assert len(typed) == 1 and typed[0].name == "but"
    assert [argument.arg for argument in typed[0].args.kwonlyargs] == [
        name for name in field_names(cls) if name != "kind"
    ]


def test_errors_cross_process_borders_whole() -> None:
    with pytest.raises(ExperimentError) as caught:
        Tokens(kep=4)
    twin = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(twin, ExperimentError)
    assert twin.__dict__ == caught.value.__dict__ and str(twin) == str(caught.value)


def test_every_error_says_how_the_command_ends() -> None:
    assert ArrcocError("x").exit_code == 1 and ConfigError("x").exit_code == 2
    assert render(ConfigError("Wrong.", remedy="Do this.\nThen that.", file="a.py", line=3)) == (
        "Wrong.\n  a.py:3\n  → Do this.\n  → Then that."
    )
