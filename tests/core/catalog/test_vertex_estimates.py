"""Hours on a machine of the catalogue: a range, corrected by the user's own runs on the same machine."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from arrcoc_core.catalog import MACHINES, machine_for, machine_name
from arrcoc_core.estimates import JOB_START_S, vertex_estimate, vertex_workload
from arrcoc_core.experiment import Data, Evaluation, Experiment, Model, Objective, Tokens, Train, Vertex
from arrcoc_core.facts import Facts, Machine, PastRun, gather_facts
from arrcoc_core.records import Event
from arrcoc_core.resolved import ResolvedExperiment
from arrcoc_core.resolving import resolve
from arrcoc_core.settings import load_settings
from arrcoc_core.store import Store

BASE_2B = "Qwen/Qwen3-VL-2B-Instruct"


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    here = Machine(cores=2, memory_bytes=8 * 2**30, gpus=(), system="Linux", python="3.11")
    return Facts(tmp_path, tmp_path, sys.executable, here, 10**12, "0" * 12, False, {})


def resolved(tmp_path: Path, **fields: object) -> ResolvedExperiment:
    base = Experiment(
        name="full",
        model=Model(base=BASE_2B),
        tokens=Tokens(keep=64),
        data=Data(
            dataset="HuggingFaceM4/VQAv2", split_train="train", split_val="validation",
            max_train_samples=443_757, image_size=448,
        ),
        evaluation=Evaluation(every_n_steps=1000, samples=2000),
        compute=Vertex(gpu="A100"),
    )  # fmt: skip
    return resolve(base.but(**fields), load_settings(tmp_path, {}))  # type: ignore[arg-type]


def test_more_and_faster_gpus_take_less_time_but_the_start_stays(tmp_path: Path) -> None:
    full = resolved(tmp_path)
    asked = (("T4", 1), ("L4", 1), ("A100", 1), ("A100", 4), ("H100", 8))
    hours = {(gpu, count): vertex_workload(full, machine_for(gpu, count)) / 3600 for gpu, count in asked}
    assert hours["T4", 1] > hours["L4", 1] > hours["A100", 1] > hours["A100", 4] > hours["H100", 8]
    assert all(value > JOB_START_S / 3600 for value in hours.values())
    one, four = hours["A100", 1], hours["A100", 4]
    start = (4 * four - one) / 3
    assert JOB_START_S / 3600 < start < 0.25, "what does not shrink is the job's start, some minutes"
    assert vertex_workload(full, machine_for("A100", 2), 2) == pytest.approx(four * 3600)


def test_the_original_readmes_full_training_is_in_the_range_of_hours(tmp_path: Path) -> None:
    """Its table said half a day on one A100 for all of VQAv2; the step model's range for the 2B base is hours too."""
    assert 0.5 < vertex_workload(resolved(tmp_path), machine_for("A100", 1)) / 3600 < 12


def test_the_tiny_base_is_minutes_on_every_machine(tmp_path: Path) -> None:
    tiny = resolve(Experiment(name="t", compute=Vertex(gpu="L4")), load_settings(tmp_path, {}))
    for machine in MACHINES:
        assert JOB_START_S < vertex_workload(tiny, machine) < 15 * 60
    longer = resolve(
        Experiment(name="t", train=Train(epochs=50), compute=Vertex(gpu="L4")), load_settings(tmp_path, {})
    )
    assert vertex_workload(longer, machine_for("L4", 1)) > 2 * vertex_workload(tiny, machine_for("L4", 1))


def test_more_questions_and_epochs_take_more_time(tmp_path: Path) -> None:
    machine = machine_for("L4", 1)
    once = vertex_workload(resolved(tmp_path), machine)
    twice = vertex_workload(resolved(tmp_path, train=Train(epochs=2)), machine)
    assert 1.8 < twice / once < 2.1


@pytest.mark.parametrize("objective", get_args(Objective))
def test_every_objective_has_its_time(tmp_path: Path, objective: Objective) -> None:
    machine = machine_for("L4", 1)
    least = vertex_workload(resolved(tmp_path, train=Train(objective="distil")), machine)
    assert 0.5 * least < vertex_workload(resolved(tmp_path, train=Train(objective=objective)), machine) < 4 * least


def test_a_data_set_of_unknown_size_has_no_estimate(tmp_path: Path, facts: Facts) -> None:
    whole = Data(dataset="HuggingFaceM4/VQAv2", split_train="train", split_val="validation", max_train_samples=0)
    unknown = resolved(tmp_path, data=whole.but(image_size=448))
    assert vertex_workload(unknown, machine_for("L4", 1)) == 0.0
    assert vertex_estimate(unknown, facts, "1 x L4 (Vertex)", 0.0).source.startswith("unknown")


def test_own_runs_on_the_same_machine_narrow_the_range_and_others_do_not(tmp_path: Path, facts: Facts) -> None:
    full, machine = resolved(tmp_path), machine_for("L4", 1)
    expected = vertex_workload(full, machine)
    guess = vertex_estimate(full, facts, machine.name, expected)
    assert guess.low_s < expected < guess.high_s and "no run of" in guess.source and "35%" in guess.source
    past = (
        PastRun(BASE_2B, "f" * 12, machine_name("L4", 1), expected, 1.5 * expected),
        PastRun(BASE_2B, "f" * 12, machine_name("L4", 1), expected / 2, 0.8 * expected),
        PastRun(BASE_2B, "f" * 12, machine_name("L4", 2), expected, 9 * expected),
        PastRun("tiny", "f" * 12, machine_name("L4", 1), expected, 9 * expected),
    )
    known = vertex_estimate(full, replace(facts, history=past), machine.name, expected)
    assert known.low_s == pytest.approx(0.9 * 1.5 * expected) and known.high_s == pytest.approx(1.1 * 1.6 * expected)
    assert known.source == f"your last 2 runs of {BASE_2B} on 1 x L4 (Vertex)"
    several = vertex_estimate(full, replace(facts, history=past), machine_name("L4", 1, 2), expected)
    assert "no run of" in several.source


def test_the_time_of_a_past_run_is_its_machines_without_the_waiting(project: Path) -> None:
    def created(run: str, at: float, target: str, machine: str) -> Event:
        known = {"experiment": "e", "fingerprint": "f", "code": "c", "base": "tiny", "workload": 600.0}
        return Event(run, "created", at, data={**known, "target": target, "machine": machine})

    def ended(run: str, at: float, n: int, state: str, running_at: float | None) -> Event:
        return Event(run, "attempt_ended", at, n, state, {"state": state, "running_at": running_at})

    cloud = machine_name("L4", 1)
    with Store(project / ".arrcoc" / "store.db") as store:
        store.append(
            [
                # Found no room once, waited an hour, then had its machine for 900 s.
                created("waited", 0.0, "vertex", cloud),
                Event("waited", "attempt_started", 10.0, 1),
                ended("waited", 1900.0, 1, "stockout", None),
                Event("waited", "attempt_started", 2000.0, 2),
                ended("waited", 6500.0, 2, "succeeded", 5600.0),
                Event("waited", "ended", 6600.0, data={"state": "succeeded"}),
                # Preempted: two machines, and some steps were done twice.
                created("preempted", 0.0, "vertex", cloud),
                Event("preempted", "attempt_started", 10.0, 1),
                ended("preempted", 500.0, 1, "preempted", 100.0),
                Event("preempted", "attempt_started", 600.0, 2),
                ended("preempted", 1500.0, 2, "succeeded", 700.0),
                Event("preempted", "ended", 1500.0, data={"state": "succeeded"}),
                created("here", 0.0, "local", "2 cores"),
                Event("here", "attempt_started", 10.0, 1),
                ended("here", 70.0, 1, "succeeded", None),
                Event("here", "ended", 70.0, data={"state": "succeeded"}),
            ]
        )
    history = gather_facts(project, load_settings(project)).history
    assert {(run.machine, run.seconds) for run in history} == {(cloud, 900.0), ("2 cores", 60.0)}


def test_a_rehearsal_in_the_sandbox_says_nothing_of_a_real_machine() -> None:
    assert machine_name("L4", 1, sandbox=True) == "1 x L4 (sandbox)" != machine_name("L4", 1)
