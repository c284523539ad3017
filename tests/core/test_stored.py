"""experiment.json: round trip, and what older, later and damaged files become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arrcoc_core.defaults import DEFAULTS
from arrcoc_core.encoding import SCHEMA, decode, encode, encode_sites
from arrcoc_core.errors import ExperimentError
from arrcoc_core.experiment import Experiment, Local, Tokens, Train, Vertex, WandbLaunch
from arrcoc_core.resolved import ResolvedExperiment
from arrcoc_core.resolving import resolve
from arrcoc_core.settings import load_settings
from arrcoc_core.stored import load_experiment, save_experiment
from arrcoc_core.values import INHERIT, owner, written

OLDER = Path(__file__).with_name("stored") / "older.json"

EXPERIMENTS = [
    Experiment(name="small", tokens=Tokens(keep=4), tags=("a", "b"), notes='with "quotes" and ünïcode'),
    Experiment(name="cloud", compute=Vertex(gpu="L4", regions=("us-central1", "europe-west4"))),
    Experiment(name="queue", compute=WandbLaunch(queue="q", vertex=Vertex(gpu="T4", spot=False))),
]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda one: one.name)
def test_round_trip_of_a_resolved_experiment(experiment: Experiment, tmp_path: Path) -> None:
    resolved = resolve(experiment, load_settings(tmp_path, {}))
    file = save_experiment(resolved, tmp_path)
    for read in (load_experiment(file), load_experiment(tmp_path)):
        assert read.experiment == resolved.experiment
        assert read.sources == resolved.sources
        assert read.fingerprint == resolved.fingerprint
        assert read.notes == ()
        assert type(read.experiment.compute) is type(resolved.experiment.compute)
    assert json.loads(file.read_text())["schema"] == SCHEMA
    assert [path.name for path in tmp_path.iterdir()] == ["experiment.json"]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda one: one.name)
def test_round_trip_of_an_experiment_as_it_is_written(experiment: Experiment) -> None:
    plain = json.loads(json.dumps(encode(experiment)))
    back, notes = decode(plain, sites=encode_sites(experiment), place=owner(experiment))
    assert back == experiment and notes == () and back.train.seed is INHERIT
    assert written(back.tokens) == written(experiment.tokens) and owner(back) == owner(experiment)


def test_one_of_an_older_version_still_opens() -> None:
    read = load_experiment(OLDER)
    experiment = read.experiment
    assert INHERIT not in read.values().values()
    assert (experiment.name, experiment.tokens.keep, experiment.tags) == ("older", 4, ("kept",))
    assert experiment.model.base == "Qwen/Qwen2-VL-2B-Instruct"
    assert experiment.evaluation.pictures == DEFAULTS.evaluation.pictures
    assert isinstance(experiment.compute, Local) and experiment.compute.device == "cpu"
    assert experiment.checkpoints == DEFAULTS.checkpoints
    assert read.fingerprint == "0123456789ab"
    assert read.sources["tokens.keep"].detail == "experiments/older.py:3"
    assert set(read.sources) >= {"evaluation.pictures", "checkpoints.save_total_limit"}
    notes = "\n".join(read.notes)
    for part in (
        "owner is not known",
        "train.optimizer is not known",
        "compute.nice is not known",
        "Model.base must be",
    ):
        assert part in notes
    assert "evaluation.pictures was not stored" in notes
    again = ResolvedExperiment.from_json(read.to_json())
    assert again.experiment == experiment and again.fingerprint == read.fingerprint


def test_one_of_a_later_version_opens_with_a_note(tmp_path: Path) -> None:
    stored = json.loads(resolve(EXPERIMENTS[0], load_settings(tmp_path, {})).to_json())
    stored["schema"] = SCHEMA + 1
    stored["experiment"]["compute"] = {"kind": "moon-base", "crew": 3}
    stored["experiment"]["train"]["seed"] = "a word"
    read = ResolvedExperiment.from_json(json.dumps(stored))
    assert read.experiment.compute == DEFAULTS.compute
    assert read.experiment.train.seed == "a word"
    assert any("later version" in note for note in read.notes)
    assert any("moon-base" in note for note in read.notes)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"experiment": 3, "sources": {}}', '{"experiment": {}}', "null"]
)
def test_what_is_not_a_stored_experiment_says_so(text: str, tmp_path: Path) -> None:
    (tmp_path / "experiment.json").write_text(text)
    with pytest.raises(ExperimentError, match="not a stored experiment") as caught:
        load_experiment(tmp_path)
    assert caught.value.file == str(tmp_path / "experiment.json")


def test_no_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="Cannot read"):
        load_experiment(tmp_path / "experiment.json")


def test_what_people_write_stays_strict() -> None:
    with pytest.raises(ExperimentError):
        Train(seed="a word")  # type: ignore[arg-type]
