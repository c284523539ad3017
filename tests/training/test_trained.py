"""Trained selectors that are compared: what is one selector, how it is called, and what has to be the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from result_maker import make_result

from arrcoc_core.errors import ConfigError, RunError
from training.model.files import CONFIG
from training.selectors import RULES
from training.trained import Ended, load_trained

CPU = torch.device("cpu")
MakeResult = Callable[..., Path]


@pytest.fixture
def result(tmp_path: Path) -> MakeResult:
    """The directory of a run of SMALL with these assignments, which ended at the second that is given."""

    def make(run_id: str, *assignments: str, ended: int = 0) -> Path:
        run = make_result(tmp_path, *assignments, run_id=run_id)
        (run / "result" / "DONE").write_text(f"2026-11-29T00:00:{ended:02}Z\n")
        return run

    return make


def names_of(ended: Ended) -> dict[str, tuple[str, ...]]:
    return {one.name: one.runs for one in ended.trained}


def test_runs_that_differ_in_their_seed_alone_are_one_selector(result: MakeResult) -> None:
    runs = [
        result("a", "train.seed=0", "evaluation.samples=64"),
        result("b", "train.seed=1", "data.num_workers=1"),
        result("c", "train.seed=1", "train.learning_rate=0.5"),
    ]
    assert [one.runs for one in load_trained(runs, CPU).trained] == [("a", "b"), ("c",)]


def test_two_configurations_of_one_name_are_told_apart_by_what_differs(result: MakeResult) -> None:
    runs = [
        result("a", "train.learning_rate=0.5"),
        result("b", "train.learning_rate=0.25", "train.seed=7"),
        result("c", "train.learning_rate=0.5", "tokens.keep=2", "train.seed=7"),
    ]
    assert names_of(load_trained(runs, CPU)) == {
        "small (tokens.keep = 4, train.learning_rate = 0.5)": ("a",),
        "small (tokens.keep = 4, train.learning_rate = 0.25)": ("b",),
        "small (tokens.keep = 2, train.learning_rate = 0.5)": ("c",),
    }


def test_a_run_called_like_a_rule_gets_another_name(result: MakeResult) -> None:
    run = result("a", "name=random")
    assert names_of(load_trained([run], CPU, tuple(RULES))) == {"random (trained)": ("a",)}


def test_of_the_same_configuration_and_seed_twice_the_newer_run_counts_and_that_is_said(result: MakeResult) -> None:
    runs = [result("a", ended=1), result("b", ended=3), result("c", "train.seed=9"), result("d", ended=2)]
    ended = load_trained(runs, CPU)
    assert names_of(ended) == {"small": ("b", "c")}
    assert ended.notes == tuple(
        f"{old} is left out: b is a newer run of the same configuration and seed." for old in ("a", "d")
    )


def test_runs_on_other_questions_or_in_another_precision_are_refused(result: MakeResult) -> None:
    first = result("a")
    with pytest.raises(ConfigError, match=r"b has train\.bf16 = True, a has False"):
        load_trained([first, result("b", "train.bf16=true")], CPU)
    with pytest.raises(RunError, match="c has no result"):
        load_trained([first, first.with_name("c")], CPU)


@pytest.mark.parametrize(
    ("name", "told"), [("base_revision", "the base's commit"), ("base_weights", "the base's weights")]
)
def test_runs_before_another_state_of_their_base_are_refused(result: MakeResult, name: str, told: str) -> None:
    """Their selectors would be judged on the first one's base."""
    first, other = result("a"), result("b", "train.seed=1")
    config = other / "result" / CONFIG
    held = json.loads(config.read_text())
    config.write_text(json.dumps({**held, name: "another"}))
    with pytest.raises(ConfigError, match=rf"b has {told} = 'another', a has '{held[name]}'"):
        load_trained([first, other], CPU)


def test_the_data_set_is_read_at_the_commit_that_the_run_stayed_with(result: MakeResult) -> None:
    run = result("a", "data.dataset=owner/questions@main")
    record = run / "result" / "run.json"
    pinned = f"owner/questions@{'5' * 40}"
    record.write_text(record.read_text().replace("owner/questions@main", pinned))
    assert load_trained([run], CPU).dataset == pinned
