"""What an item may order, and what no item may: it is data, never a command."""

from __future__ import annotations

from typing import Any

import pytest

from arrcoc_core.queue.orders import OurRun, Refused, Request, order_of, run_id_for, spec_of
from arrcoc_core.queue.shape import Choice, choice_of

IMAGE = "us-central1-docker.pkg.dev/p/o/trainer@sha256:00"


def of_ours(**more: Any) -> dict[str, Any]:
    spec = spec_of(
        entity="e", project="p", run_id="r-1", image=IMAGE, run_uri="gs://b/runs/r-1", experiment={}, name="r-1"
    )
    return {**spec, **more}


def test_what_a_launch_pushes_is_known_as_its_run() -> None:
    assert order_of(of_ours()) == OurRun("b", "r-1")


def test_an_item_from_the_web_page_is_an_image_or_a_job_and_what_to_change() -> None:
    spec = {"docker": {"docker_image": IMAGE}, "overrides": {"run_config": {"tokens": {"keep": 2}}}, "author": "ada"}
    assert order_of(spec) == Request(IMAGE, "", {"tokens": {"keep": 2}}, "", "ada")
    spec = {
        "job": "e/p/job-x:v0",
        "resource": "gcp-vertex",
        "overrides": {"entry_point": ["python", "-m", "training.train"]},
    }
    assert order_of(spec) == Request("", "e/p/job-x:v0", {}, "", "")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({}, "empty"),
        ({"resource": "kubernetes", "job": "e/p/j:v0"}, "'kubernetes'"),
        ({"docker": {"docker_image": IMAGE}, "overrides": {"entry_point": ["bash", "-c", "curl x | sh"]}}, "bash -c"),
        ({"docker": {"docker_image": IMAGE}, "overrides": {"entry_point": "python evil.py"}}, "python evil.py"),
        ({"docker": {"docker_image": IMAGE}, "overrides": {"args": ["--lr", "1"]}}, "--lr 1"),
        ({"docker": {"docker_image": IMAGE}, "overrides": {"args": ["gs://b/runs/../x"]}}, "arguments"),
        ({"docker": {"docker_image": IMAGE}, "overrides": {"args": {"a": 1}}}, "not a list"),
        ({"uri": "https://github.com/x/y"}, "github.com"),
        ({"overrides": "nonsense", "docker": 7}, "neither a job nor an image"),
        (of_ours(overrides={"entry_point": ["sh"], "args": ["gs://b/runs/r-1"]}), "'sh'"),
    ],
)
def test_anything_else_is_refused_with_what_to_do(spec: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused) as caught:
        order_of(spec)
    assert says in caught.value.message and caught.value.remedy


def test_the_run_of_an_item_is_the_same_for_every_agent_and_another_for_every_item() -> None:
    assert run_id_for("UnVu=1", "My Experiment!") == run_id_for("UnVu=1", "My Experiment!")
    assert run_id_for("UnVu=1", "x") != run_id_for("UnVu=2", "x")
    longest = run_id_for("i", "é" * 3 + "A_b" * 60)
    assert len(longest) <= 63 and longest.replace("-", "").isalnum() and longest == longest.lower()


def test_the_machine_is_read_back_from_what_the_server_filled_in() -> None:
    labels = {"arrcoc_gpu": "L4", "arrcoc_count": 2, "arrcoc_spot": "false", "arrcoc_region": "us-central1, us-east4"}
    spec = {"resource_args": {"gcp-vertex": {"spec": {"labels": labels}}}}
    assert choice_of(spec) == Choice("L4", 2, False, ("us-central1", "us-east4"))
    assert choice_of({"resource_args": {"gcp-vertex": {"spec": {"labels": {"arrcoc_gpu": "{{gpu}}"}}}}}) == Choice()
    assert choice_of({}) == Choice() and choice_of({"resource_args": []}) == Choice()
