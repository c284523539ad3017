"""Plans: pure, complete, the same as text and JSON, and honest about what is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arrcoc_core import Data, Evaluation, Experiment, Local, Model, Tokens, Train, Vertex, WandbLaunch, launch, plan
from arrcoc_core.accounts.mode import WandbMode
from arrcoc_core.catalog import machine_for
from arrcoc_core.errors import DeviceError, PlanError, TargetUnavailableError
from arrcoc_core.estimates import SUSTAINED_SHARE, TEXT_TOKENS, vertex_workload
from arrcoc_core.facts import Facts, Gpu, Machine, PastRun
from arrcoc_core.planning import Plan, make_plan
from arrcoc_core.resolving import resolve
from arrcoc_core.settings import load_settings

GB = 10**9


@pytest.fixture
def facts(project: Path) -> Facts:
    (project / "training" / "train.py").touch()
    return Facts(
        root=project,
        state=project / ".arrcoc",
        interpreter="/venv/bin/python",
        machine=Machine(cores=2, memory_bytes=8 * GB, gpus=(), system="Linux x86_64", python="3.11.9"),
        free_disk_bytes=100 * GB,
        code_hash="c0de",
        has_training_file=False,
        accounts={"WANDB_PROJECT": "arr-coc-0-1"},
    )


def planned(facts: Facts, experiment: Experiment | None = None) -> Plan:
    return make_plan(resolve(experiment or Experiment(name="one"), load_settings(facts.root)), facts)


def failed(plan: Plan) -> list[str]:
    return [check.name for check in plan.checks if not check.ok]


def test_a_plan_says_everything_that_a_launch_would_do(facts: Facts) -> None:
    made = planned(facts)
    assert made.ok and made.cost_usd == 0.0 and made.target == "local" and made.code == "c0de"
    low, high = made.estimate_s
    assert 0 < low < high
    assert "step model" in made.estimate_source
    assert made.total_steps == 200
    assert made.command[:3] == ("/venv/bin/python", "-m", "training.train")
    assert made.environment["WANDB_MODE"] == "offline"
    assert made.headline.endswith("· $0 · nothing to build")
    text, plain = made.to_text(), json.loads(json.dumps(made.to_json()))
    for value in (made.fingerprint, "c0de", "WANDB_PROJECT=arr-coc-0-1", made.estimate_source):
        assert value in text
    assert plain["checks"] == [check._asdict() for check in made.checks]
    assert plain["estimate_s"] == [round(low, 1), round(high, 1)]


def test_equal_facts_give_equal_plans(facts: Facts) -> None:
    assert planned(facts) == planned(facts)


def test_secrets_are_named_and_never_held(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    online = replace(facts, logging=WandbMode(online=True, key="~/.netrc (api.wandb.ai)"))
    made = planned(online)
    assert made.secrets == {"WANDB_API_KEY": "~/.netrc (api.wandb.ai), when the run starts"}
    assert "0123456789abcdef" not in json.dumps(made.to_json()) + made.to_text()
    assert planned(facts).secrets == {}


def test_past_runs_of_the_same_base_on_this_machine_correct_the_estimate(facts: Facts) -> None:
    model = planned(facts)
    name = model.machine
    past = [PastRun("tiny", "f", name, 100.0, 300.0), PastRun("tiny", "f", name, 100.0, 200.0)]
    other = [PastRun("tiny", "f", "another machine", 1.0, 999.0), PastRun("8B", "f", name, 1.0, 999.0)]
    made = planned(replace(facts, history=(*past, *other)))
    low, high = made.estimate_s
    assert low == pytest.approx(0.9 * 2 * model.workload)
    assert high == pytest.approx(1.1 * 3 * model.workload)
    assert "your last 2 runs of tiny" in made.estimate_source
    assert planned(replace(facts, history=tuple(other))).estimate_s == model.estimate_s


def test_a_gpu_asked_for_and_not_there_fails_before_anything_is_made(facts: Facts) -> None:
    made = planned(facts, Experiment(name="one", compute=Local(device="cuda")))
    assert failed(made) == ["gpu"]
    with pytest.raises(PlanError, match="1 GPU asked for, 0 here"):
        made.require()
    machine = replace(facts.machine, gpus=(Gpu("NVIDIA L4", 24 * GB),))
    assert planned(replace(facts, machine=machine), Experiment(name="one", compute=Local(device="cuda"))).ok
    two = planned(replace(facts, machine=machine), Experiment(name="one", compute=Local(device="cuda", gpus=2)))
    assert failed(two) == ["gpu"]


def test_auto_takes_the_gpu_that_is_there(facts: Facts) -> None:
    with_gpu = replace(facts, machine=replace(facts.machine, gpus=(Gpu("NVIDIA L4", 24 * GB),)))
    assert (planned(facts).device, planned(with_gpu).device) == ("cpu", "cuda")
    assert planned(with_gpu).machine == "NVIDIA L4"


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"free_disk_bytes": GB // 10}, "disk"),
        ({"machine": Machine(2, GB // 2, (), "Linux", "3.11")}, "memory"),
        ({"missing_packages": ("torch",)}, "packages"),
        ({"root": Path("/nowhere")}, "trainer"),
    ],
)
def test_what_is_missing_is_a_failed_check_with_a_remedy(facts: Facts, changes: dict[str, object], check: str) -> None:
    made = make_plan(resolve(Experiment(name="one"), load_settings(facts.root)), replace(facts, **changes))
    assert failed(made) == [check]
    with pytest.raises(PlanError) as raised:
        made.require()
    assert raised.value.remedy and raised.value.exit_code == 2


def test_a_large_base_needs_room_for_its_download_once(facts: Facts) -> None:
    large = Experiment(name="one", model=Model(base="Qwen/Qwen3-VL-8B-Instruct"), tokens=Tokens(keep=4))
    little = replace(facts, free_disk_bytes=10 * GB)
    resolved = resolve(large.but(data=large.data.but(image_size=512)), load_settings(facts.root))
    assert "disk" in failed(make_plan(resolved, little))
    there = replace(little, cached_models=frozenset({"Qwen/Qwen3-VL-8B-Instruct"}))
    assert "disk" not in failed(make_plan(resolved, there))
    assert "memory" in failed(make_plan(resolved, there))


def test_gpus_that_share_a_base_need_less_each(facts: Facts) -> None:
    two = replace(facts, machine=replace(facts.machine, gpus=(Gpu("Tesla T4", 16 * GB),) * 2))
    large = Experiment(
        name="one",
        model=Model(base="Qwen/Qwen3-VL-8B-Instruct"),
        data=Data(image_size=512),
        train=Train(batch_size=4, bf16=True),
        compute=Local(device="cuda", gpus=2),
    )

    def refused(experiment: Experiment) -> bool:
        made = make_plan(resolve(experiment, load_settings(facts.root)), two)
        return "memory" in failed(made)

    assert not refused(large)
    assert refused(large.but(compute=Local(device="cuda", gpus=1)))
    assert refused(large.but(compute=Local(device="cuda", gpus=2, shard_base="never")))


@pytest.mark.parametrize(
    ("compute", "first", "reason"),
    [
        (Vertex(gpu="A100"), "arrcoc setup", "GCP_PROJECT_ID in .training is empty"),
        (WandbLaunch(queue="q", vertex=Vertex(gpu="A100")), "arrcoc setup", "GCP_PROJECT_ID in .training is empty"),
    ],
)
def test_a_cloud_target_says_what_to_do(project: Path, compute: Vertex | WandbLaunch, first: str, reason: str) -> None:
    experiment = Experiment(name="far", compute=compute)
    with pytest.raises(TargetUnavailableError) as raised:
        plan(experiment)
    assert first in raised.value.remedy
    (project / ".training").write_text("PROJECT_NAME=mine\n")
    for act in (plan, launch):
        with pytest.raises(TargetUnavailableError, match=reason) as raised:
            act(experiment)
        assert "arrcoc setup" in raised.value.remedy or "Vertex(...)" in raised.value.remedy
    assert not (project / ".arrcoc" / "runs").exists()
    assert raised.value.exit_code == DeviceError.exit_code == 2


def test_a_sweep_has_a_plan_for_each_point_only(project: Path) -> None:
    with pytest.raises(PlanError, match="sweep"):
        plan("token_budget")
    assert plan("quickstart", sets=["tokens.keep=2"]).resolved.experiment.tokens.keep == 2


def test_each_objective_is_priced_by_the_passes_that_it_makes() -> None:
    base = Experiment(
        name="priced",
        model=Model(base="Qwen/Qwen3-VL-2B-Instruct"),
        tokens=Tokens(keep=64),
        data=Data(dataset="a/b@main", max_train_samples=64_000, image_size=1024),
        train=Train(objective="rloo", selections=4, batch_size=64, gradient_accumulation_steps=1, epochs=1),
        evaluation=Evaluation(every_n_steps=1000, samples=1),
        compute=Vertex(gpu="A100"),
    )

    def seconds(**changes: Any) -> float:
        made = resolve(base.but(train=base.train.but(**changes)), load_settings(Path("/"), {}))
        return vertex_workload(made, machine_for("A100", 1))

    flops = 312e12 * SUSTAINED_SHARE
    each = 64_000 * 2 * 1.72e9 * (64 + TEXT_TOKENS) / flops
    assert seconds(selections=8) - seconds(selections=4) == pytest.approx(4 * each)
    whole = 64_000 * 2 * 1.72e9 * (1024 + TEXT_TOKENS) / flops
    assert seconds(objective="distil") - seconds() == pytest.approx(whole - 4 * each)
    assert seconds(objective="noise-gate") - seconds(objective="distil") == pytest.approx(whole)
    both = seconds(objective="distil+rloo", first_share=0.25)
    assert both == pytest.approx(0.25 * seconds(objective="distil") + 0.75 * seconds())
    assert seconds(budgets=(32, 96)) == pytest.approx(seconds())
