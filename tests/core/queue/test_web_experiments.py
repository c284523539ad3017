"""The experiment of an item from the web page: whose value counts, and what is not taken."""

from __future__ import annotations

from typing import Any

import pytest

from arrcoc_core import Experiment, Tokens, Train, Vertex, WandbLaunch
from arrcoc_core.encoding import encode
from arrcoc_core.queue.orders import Refused
from arrcoc_core.queue.shape import Choice
from arrcoc_core.queue.web_experiments import experiment_of

LOGGED = encode(
    Experiment(
        name="cloud",
        tokens=Tokens(keep=4),
        train=Train(learning_rate=2e-3, seed=1),
        compute=Vertex(gpu="L4", count=1, regions=("us-central1",), max_cost_usd=2),
        tags=("a", "b"),
    )
)


def made(overrides: dict[str, Any], base: dict[str, Any] | None = None, choice: Choice | None = None) -> Experiment:
    return experiment_of(overrides, LOGGED if base is None else base, choice or Choice(), "q", "queued")


def test_what_is_not_overridden_is_the_runs() -> None:
    found = made({})
    assert (found.name, found.tokens.keep, found.train.learning_rate, found.tags) == ("cloud", 4, 2e-3, ("a", "b"))
    assert found.compute == WandbLaunch(
        queue="q", vertex=Vertex(gpu="L4", count=1, regions=("us-central1",), max_cost_usd=2)
    )


def test_overrides_may_be_nested_dotted_or_as_w_and_b_wraps_them() -> None:
    wrapped = {name: {"value": held, "desc": None} for name, held in LOGGED.items()} | {"_wandb": {"value": {"t": 1}}}
    found = made({"tokens": {"keep": 8}, "train.seed": 7.0, "_wandb": {}}, wrapped)
    assert (found.tokens.keep, found.train.seed, found.train.learning_rate) == (8, 7, 2e-3)


def test_the_queues_variables_say_the_machine_first_then_the_item_then_the_run() -> None:
    found = made({"compute": {"gpu": "A100", "count": 2}}, choice=Choice(gpu="T4", spot=False))
    assert isinstance(found.compute, WandbLaunch)
    vertex = found.compute.vertex
    assert (vertex.gpu, vertex.count, vertex.spot, vertex.max_cost_usd) == ("T4", 2, False, 2)
    through = encode(Experiment(name="x", compute=WandbLaunch(queue="other", vertex=Vertex(gpu="H100"))))
    assert made({}, through).compute == WandbLaunch(queue="q", vertex=Vertex(gpu="H100"))


def test_without_a_run_it_is_the_projects_defaults() -> None:
    found = made({"tokens": {"keep": 2}}, {})
    assert found.name == "queued" and found.tokens.keep == 2
    assert made({"name": "what a name!"}, {}).name == "what-a-name"


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"tokens": {"keep": 0}}, "keep must be at least 1"),
        ({"tokens": {"kept": 4}}, "tokens.kept"),
        ({"lr": 0.1}, "'lr'"),
        ({"compute": {"gpu": "RTX"}}, "RTX"),
        ({"train": {"learning_rate": "fast"}}, "learning_rate"),
    ],
)
def test_what_is_no_value_of_a_field_is_refused_as_in_a_file(overrides: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused) as caught:
        made(overrides)
    assert says in caught.value.message
