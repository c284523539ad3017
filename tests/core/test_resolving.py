"""Resolving: every value concrete, each with its source, the rules between fields checked where they were broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from arrcoc_core.defaults import DEFAULTS, VERTEX_DEFAULTS
from arrcoc_core.errors import ExperimentError
from arrcoc_core.experiment import Data, Experiment, Local, Model, Tokens, Train, Vertex, WandbLaunch
from arrcoc_core.paths import with_assignments
from arrcoc_core.resolving import resolve
from arrcoc_core.settings import Settings, load_settings
from arrcoc_core.values import INHERIT, Source
from arrcoc_core.variations import sweep

HERE = Path(__file__)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / ".training").write_text("BATCH_SIZE=12\n")
    return load_settings(tmp_path, {"ARRCOC_NUM_EPOCHS": "2"})


def test_every_value_is_concrete_and_knows_its_source(settings: Settings) -> None:
    base = Experiment(name="base", tokens=Tokens(keep=4), train=Train(seed=3))
    point = sweep(base.but(notes="mine"), {"train.learning_rate": [1e-3]})[0]
    resolved = resolve(with_assignments(point, ["data.max_train_samples=100"]), settings)
    values, sources = resolved.values(), resolved.sources
    assert INHERIT not in values.values()
    assert set(values) == set(sources)
    assert {path: sources[path].kind for path in ("tokens.keep", "notes", "train.learning_rate")} == {
        "tokens.keep": "here",
        "notes": "but",
        "train.learning_rate": "sweep",
    }
    assert sources["data.max_train_samples"] == Source("set", "--set data.max_train_samples=100")
    assert sources["train.batch_size"] == Source(".training", ".training:1 BATCH_SIZE")
    assert sources["train.epochs"] == Source("environment", "ARRCOC_NUM_EPOCHS")
    assert sources["train.weight_decay"] == Source("default", "")
    assert sources["tokens.keep"].detail.startswith(f"{HERE}:")
    assert (values["train.batch_size"], values["train.epochs"], values["train.seed"]) == (12, 2, 3)
    assert resolved.total_steps == -(-100 // 12) * 2 and resolved.visual_tokens == 64
    assert resolved.name == "base/lr-1e-3"


def test_a_file_of_the_project_is_named_relative_to_it() -> None:
    settings = load_settings(HERE.parents[2], {})
    source = resolve(Experiment(name="x"), settings).sources["name"]
    assert source.detail.partition(":")[0] == "tests/core/test_resolving.py"


def test_the_same_settings_serve_different_experiments(settings: Settings) -> None:
    """What resolve remembers between the points of a sweep never reaches another experiment."""
    first = resolve(Experiment(name="a", tokens=Tokens(keep=4), compute=Local(device="cpu")), settings)
    second = resolve(Experiment(name="b"), settings)
    third = resolve(Experiment(name="c", tokens=Tokens(keep=4), compute=Vertex(gpu="L4")), settings)
    assert [one.experiment.tokens.keep for one in (first, second, third)] == [4, DEFAULTS.tokens.keep, 4]
    assert first.sources["tokens.keep"] != second.sources["tokens.keep"]
    assert (first.experiment.compute.kind, second.experiment.compute.kind) == ("local", "local")
    assert third.experiment.compute == Vertex(gpu="L4", **VERTEX_DEFAULTS)
    assert "compute.device" not in third.sources


def test_a_share_of_the_tokens_decides_how_many_are_kept(settings: Settings) -> None:
    base = Experiment(name="small", tokens=Tokens(keep=200, share=1 / 8), data=Data(image_size=64))
    resolved = resolve(base, settings)
    assert resolved.experiment.tokens.keep == 8
    assert resolved.sources["tokens.keep"] == resolved.sources["tokens.share"]
    larger = resolve(resolved.experiment.but(data=base.data.but(image_size=128)), settings)
    assert larger.experiment.tokens.keep == 32


def test_total_steps() -> None:
    settings = load_settings(HERE.parent, {})

    def steps(data: Data) -> int | None:
        train = Train(batch_size=10, gradient_accumulation_steps=3, epochs=2)
        return resolve(Experiment(name="x", data=data, train=train), settings).total_steps

    assert steps(Data(max_train_samples=61)) == 6
    assert steps(Data(max_train_samples=0)) == -(-20_000 // 30) * 2
    assert steps(Data(dataset="a/b", max_train_samples=0)) is None


BROKEN: dict[str, tuple[Callable[[Experiment], Experiment], str, str, str]] = {
    "K greater than N": (
        lambda base: base.but(tokens=Tokens(keep=65)),
        "tokens.keep",
        "tokens.keep = 65 is more than the 64 visual tokens",
        "at most 64",
    ),
    "K greater than N of another picture": (
        lambda base: base.but(data=Data(image_size=16)),
        "tokens.keep",
        "tokens.keep = 8 is more than the 4 visual tokens of a picture (16 px, 8 px per token of tiny). It is the",
        "raise data.image_size",
    ),
    "K greater than N of Qwen": (
        lambda base: base.but(model=Model(base="Qwen/Qwen3-VL-2B-Instruct"), data=Data(image_size=64)),
        "tokens.keep",
        "32 px per token of Qwen/Qwen3-VL-2B-Instruct",
        "at most 4",
    ),
    "pictures that do not divide": (
        lambda base: base.but(data=Data(image_size=60)),
        "data.image_size",
        "data.image_size = 60 is not a multiple of the 8 pixels",
        "Use 56 or 64.",
    ),
    "more text than the base can read behind the picture": (
        lambda base: base.but(data=Data(max_seq_length=961)),
        "data.max_seq_length",
        "data.max_seq_length = 961 text tokens and the 64 visual tokens of a picture of 64 px are more than the 1,024",
        "Allow at most 960 text tokens",
    ),
    "pictures that leave no room for text": (
        lambda base: base.but(data=Data(image_size=256)),
        "data.image_size",
        "the 1,024 visual tokens of a picture of 256 px",
        "Lower data.image_size.",
    ),
    "trained on what is evaluated": (
        lambda base: base.but(data=Data(dataset="a/b", split_train="all", split_val="all")),
        "data.split_val",
        "data.split_train and data.split_val are both 'all'",
        "choose another split",
    ),
    "a split that the synthetic set does not have": (
        lambda base: base.but(data=Data(split_val="test")),
        "data.split_val",
        "data.split_val = 'test': the synthetic set has no such split",
        "validation",
    ),
    "a revision of the base that ships": (
        lambda base: base.but(model=Model(base="tiny", revision="main")),
        "model.revision",
        "ships with the code",
        "a base from the Hub",
    ),
    "GPUs of a CPU": (
        lambda base: base.but(compute=Local(device="cpu", gpus=2)),
        "compute.gpus",
        "contradict",
        "leave gpus out",
    ),
    "no GPU type": (
        lambda base: base.but(compute=Vertex()),
        "compute.gpu",
        "compute.gpu is not set: neither in the experiment nor as TRAINING_GPU",
        "set TRAINING_GPU",
    ),
    "no queue": (
        lambda base: base.but(compute=WandbLaunch(vertex=Vertex(gpu="L4"))),
        "compute.queue",
        "WANDB_LAUNCH_QUEUE_NAME",
        "WandbLaunch(queue=...)",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_fields_that_contradict_each_other(case: str, tmp_path: Path) -> None:
    make, field, message, remedy = BROKEN[case]
    with pytest.raises(ExperimentError) as caught:
        resolve(make(Experiment(name="base")), load_settings(tmp_path, {}))
    error = caught.value
    assert error.field == field and message in error.message and remedy in error.remedy
    assert error.file == __file__ and error.line and error.exit_code == 2


def test_a_contradiction_in_the_settings_names_their_line(tmp_path: Path) -> None:
    (tmp_path / ".training").write_text("\nNUM_VISUAL_TOKENS=65\n")
    with pytest.raises(ExperimentError, match=r"It comes from \.training:2 NUM_VISUAL_TOKENS"):
        resolve(Experiment(name="default"), load_settings(tmp_path, {}))


def test_a_resolved_experiment_can_be_varied_and_resolved_again(settings: Settings) -> None:
    resolved = resolve(Experiment(name="a"), settings).experiment
    again = resolve(resolved.but(tokens=resolved.tokens.but(keep=2)), load_settings(HERE.parent, {}))
    assert again.experiment.train.batch_size == 12 and again.experiment.tokens.keep == 2
    assert resolve(resolved, settings).experiment == resolved
