"""Sweeps and dotted paths: one grammar, one checker."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from arrcoc_core import paths, variations
from arrcoc_core.errors import ExperimentError
from arrcoc_core.experiment import Experiment, Local, Model, Tokens, Train, Vertex
from arrcoc_core.paths import known_paths, parse_assignment, with_assignments
from arrcoc_core.values import owner, written
from arrcoc_core.variations import Sweep, sweep

BASE = Experiment(name="base", tokens=Tokens(keep=4), train=Train(seed=1))
AT_MODULE_LEVEL = sweep(BASE, {"tokens.keep": [2]})


def test_the_first_field_varies_slowest_and_names_say_the_values() -> None:
    points = sweep(BASE, {"tokens.keep": [2, 4], "train.learning_rate": [1e-4, 0.0003]})
    assert [point.name for point in points] == [
        "base/keep-2,lr-1e-4",
        "base/keep-2,lr-3e-4",
        "base/keep-4,lr-1e-4",
        "base/keep-4,lr-3e-4",
    ]
    assert [(point.tokens.keep, point.train.learning_rate) for point in points] == [
        (2, 1e-4),
        (2, 3e-4),
        (4, 1e-4),
        (4, 3e-4),
    ]
    assert isinstance(points, Sweep) and len(points) == 4 and points[-1].tokens.keep == 4 and len(points[:2]) == 2
    assert points.name == "base/keep+lr" and points.base is BASE
    assert points.grid == {"tokens.keep": (2, 4), "train.learning_rate": (1e-4, 3e-4)}
    assert all(point.train.seed == 1 for point in points)


def test_each_point_knows_what_the_sweep_set() -> None:
    point = sweep(BASE, {"tokens.keep": [2]}, name="budget")[0]
    assert point.name == "budget/keep-2"
    site = written(point.tokens)["keep"]
    assert (site.kind, site.file) == ("sweep", __file__)
    assert written(point.train)["seed"].kind == "here"
    assert owner(AT_MODULE_LEVEL[0])[0] == owner(BASE)[0] == __file__


@pytest.mark.parametrize(
    ("grid", "names"),
    [
        ({"train.bf16": [True, False]}, ["bf16-on", "bf16-off"]),
        ({"model.base": ["tiny", "Qwen/Qwen3-VL-2B-Instruct"]}, ["base-tiny", "base-Qwen3-VL-2B-Instruct"]),
        ({"data.dataset": ["a/vqa", "b/vqa"]}, ["dataset-a-vqa", "dataset-b-vqa"]),
        ({"data.dataset": ["a/b", "a b"]}, ["dataset-b", "dataset-a-b"]),
        ({"data.dataset": ["a/b c", "a b/c", "b/c"]}, ["dataset-0", "dataset-1", "dataset-2"]),
        ({"train.weight_decay": [0.0, 0.1, 0.123456789]}, ["wd-0.0", "wd-0.1", "wd-0.123456789"]),
        (
            {"logging.every_n_steps": [1], "evaluation.every_n_steps": [5]},
            ["logging.every_n_steps-1,evaluation.every_n_steps-5"],
        ),
        ({"compute.device": ["cpu"]}, ["device-cpu"]),
    ],
)
def test_names_are_short_and_never_shared(grid: Any, names: list[str]) -> None:
    assert [point.name for point in sweep(BASE, grid)] == [f"base/{name}" for name in names]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"tokens.kep": [4]}, "No field is called 'tokens.kep'"),
        ({"tokens": [4]}, "'tokens' is a section"),
        ({"tokens.keep": []}, "no values"),
        ({"tokens.keep": [4, 4]}, "tries 4 twice"),
        ({"tokens.keep": [4, 0]}, "Tokens.keep must be at least 1; got 0"),
        ({"tokens.keep": ["4"]}, "a whole number"),
        ({"tokens.keep": 4}, "needs a list of values"),
        ({"data.dataset": "synthetic"}, "needs a list of values"),
        ({"name": ["a"]}, "cannot be swept"),
        ({}, "at least one field"),
    ],
)
def test_a_wrong_grid_says_what_is_wrong_at_the_sweep(grid: Any, message: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        sweep(BASE, grid)
    assert message in caught.value.message and caught.value.file == __file__


def test_a_sweep_starts_from_an_experiment() -> None:
    with pytest.raises(ExperimentError, match="needs an Experiment"):
        sweep(BASE.tokens, {"tokens.keep": [4]})  # type: ignore[arg-type]


def test_assignments_are_checked_and_remembered() -> None:
    changed = with_assignments(BASE, ["tokens.keep=8", "train.learning_rate=1e-3", "train.bf16=true", "tags=a, b"])
    assert changed.tokens.keep == 8 and changed.train.learning_rate == 1e-3 and changed.train.bf16 is True
    assert changed.tags == ("a", "b")
    site = written(changed.tokens)["keep"]
    assert (site.kind, site.file) == ("set", "--set tokens.keep=8")
    assert owner(changed) == owner(BASE)
    assert parse_assignment("data.max_train_samples=1e3") == ("data.max_train_samples", 1000)
    assert parse_assignment("notes=a = b") == ("notes", "a = b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tokens.keep", "not an assignment"),
        ("tokens.kep=4", "No field is called 'tokens.kep'"),
        ("tokens.keep=many", "Tokens.keep must be a whole number, at least 1; got 'many'"),
        ("tokens.keep=0", "at least 1"),
        ("tokens.keep=1.5", "a whole number"),
        ("train.bf16=maybe", "True or False"),
        ("model.base=big", "'tiny'"),
        ("compute.kind=vertex", "No field is called"),
    ],
)
def test_a_wrong_assignment_says_so(text: str, message: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        with_assignments(BASE, [text])
    assert message in caught.value.message
    assert caught.value.where == f"--set {text}"


def test_a_path_into_compute_picks_the_target_that_has_the_field() -> None:
    assert with_assignments(BASE, ["compute.device=cpu"]).compute == Local(device="cpu")
    assert with_assignments(BASE, ["compute.gpu=L4"]).compute == Vertex(gpu="L4")
    assert with_assignments(BASE.but(compute=Local(gpus=2)), ["compute.device=cuda"]).compute == Local(
        gpus=2, device="cuda"
    )
    with pytest.raises(ExperimentError, match="Local has no field 'gpu'"):
        with_assignments(BASE.but(compute=Local()), ["compute.gpu=L4"])


def test_the_type_checkers_grid_has_every_path_that_can_be_swept() -> None:
    text = Path(variations.__file__).read_text(encoding="utf-8")
    missing = [
        path
        for path in known_paths()
        if f'"{path}": Sequence[' not in text
        and path not in (*paths.TOP_FIELDS, "model.freeze_base")
        and path not in ("compute.queue", "compute.vertex", "compute.regions", "compute.fallback")
    ]
    assert missing == []


def test_every_path_reads_the_text_of_its_own_value() -> None:
    hints = get_type_hints(Model)
    assert get_args(hints["base"])[0] == "tiny"
    for text in ("model.base=tiny", "model.freeze_base=true", "data.image_size=64", "checkpoints.save_total_limit=2"):
        path, value = parse_assignment(text)
        assert str(value).lower() == text.partition("=")[2] and path in known_paths()
