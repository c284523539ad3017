"""Bases and data sets from the Hub: at one commit for the whole run, without code, without pickles."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_place import ROOT, HubPlace, hub_place
from hub_sources import BASE, DATA, commit_as_owner, move_base_on, put_base, put_data

from arrcoc_core.errors import ConfigError
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.registry import TINY_FOLDER, load_base, parameters_hash, pin_base

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

MakeRun = Callable[..., Path]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, sandbox_key: str) -> Iterator[HubPlace]:
    with hub_place(tmp_path_factory.mktemp("hub"), sandbox_key) as made:
        yield made


@pytest.fixture(scope="module")
def first(place: HubPlace) -> str:
    """The base's first commit; another one has come since."""
    sha = put_base(place, place.folder)
    pinned = pin_base(BASE)
    assert pinned == sha
    move_base_on(place, place.folder)
    assert place.api.model_info(BASE).sha != sha
    return pinned


def test_a_base_is_loaded_at_its_commit_after_its_repository_has_moved_on(
    place: HubPlace, first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = load_base(BASE, first)
    assert base.revision == first and base.title == f"{BASE}@{first}"
    assert parameters_hash(base.model) == parameters_hash(load_base("tiny").model)
    newest = load_base(BASE)
    assert newest.revision == place.api.model_info(BASE).sha != first
    assert parameters_hash(newest.model) != parameters_hash(base.model)
    assert pin_base(BASE, "main") == newest.revision and pin_base("tiny") == ""
    # What is saved names it, and what is loaded again is the same, on a machine that has nothing yet.
    ArrCocQwen.from_base(BASE, first).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["base_revision"] == first
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    loaded = ArrCocQwen.from_pretrained(tmp_path)
    assert loaded.base.revision == first and parameters_hash(loaded.base.model) == parameters_hash(base.model)
    # A commit needs no look at the Hub.
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert pin_base(BASE, first) == first
    with pytest.raises(ConfigError, match=f"{BASE} at nowhere"):
        load_base(BASE, "nowhere")


def test_a_base_with_code_of_its_own_is_refused(place: HubPlace, first: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    config = json.loads((TINY_FOLDER / "config.json").read_text())
    (tree / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "modeling_mine.Mine"}}))
    (tree / "modeling_mine.py").write_text("raise SystemExit('run')\n")
    commit_as_owner(place, tree)
    try:
        for load in (load_base, pin_base):
            with pytest.raises(
                ConfigError, match=r"wants code of its own to be run \(auto_map in config.json\)"
            ) as refused:
                load(BASE)
            assert "tiny" in refused.value.remedy
    finally:
        (tree / "config.json").write_text(json.dumps(config))
        commit_as_owner(place, tree)


def test_weights_that_are_pickled_are_not_taken(tmp_path: Path) -> None:
    for path in TINY_FOLDER.glob("*.json*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="no safetensors"):
        load_base(str(tmp_path))


LOOK = """
import json, sys
from arrcoc_core.errors import ConfigError
from arrcoc_core.experiment import Data
from training.data import open_samples, pin
data = Data(
    dataset="x", split_train="train", split_val="validation", max_train_samples=0, streaming=False,
    bad_pictures="error", image_size=32, resize="square", min_pixels=0,
)
found = {"pinned": [pin(name) for name in sys.argv[1:3]]}
train, held_out = open_samples(data, sys.argv[3], 5)
found["counts"] = [len(train), len(held_out)]
found["answers"] = sorted({train.get(index).answer for index in range(len(train))})
found["shape"] = train.get(0).pictures[0].shape
try:
    open_samples(data, sys.argv[4], 5)
except ConfigError as error:
    found["code"] = [error.message, error.remedy]
print(json.dumps(found))
"""


def test_a_data_set_is_read_at_its_commit_after_it_has_moved_on(place: HubPlace) -> None:
    first = put_data(place)
    second = put_data(place, answer="purple")
    place.api.create_tag(DATA, repo_type="dataset", tag="v1", revision=first)
    scripted = "sandbox/scripted"
    place.api.create_repo(scripted, repo_type="dataset")
    place.api.upload_file(
        path_or_fileobj=b"raise SystemExit('run')\n", path_in_repo="scripted.py", repo_id=scripted, repo_type="dataset"
    )
    done = subprocess.run(
        [sys.executable, "-c", LOOK, DATA, f"{DATA}@v1", f"{DATA}@{first}", scripted],
        cwd=ROOT,
        env={**place.environment, "HF_HOME": str(place.folder / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["pinned"] == [f"{DATA}@{second}", f"{DATA}@{first}"]
    assert found["counts"] == [24, 5] and found["shape"] == [32, 32, 3]
    assert found["answers"] != ["purple"] and len(found["answers"]) > 2
    assert "cannot open split" in found["code"][0] and "its own code is not" in found["code"][1]


@pytest.mark.long
def test_a_run_keeps_to_its_revisions_across_a_stop(
    place: HubPlace, first: str, make_run: MakeRun, start_trainer: Callable[..., Any]
) -> None:
    data = put_data(place)
    run = make_run(
        f"model.base={BASE}",
        f"model.revision={first}",
        f"data.dataset={DATA}",
        "data.max_train_samples=0",
        "evaluation.samples=8",
        "train.epochs=4",
    )
    environment = {**{name: place.environment[name] for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_CACHE")}}
    environment["HF_HOME"] = str(place.folder / "home")
    trainer = start_trainer(run, **environment)
    while not list((run / "checkpoints").glob("step-00000004/COMMITTED")):
        assert trainer.process.poll() is None, trainer.said
        time.sleep(0.01)
    trainer.process.terminate()
    assert trainer.wait() == 75, trainer.said
    put_data(place, answer="purple")
    move_base_on(place, place.folder)
    again = start_trainer(run, attempt=2, **environment)
    assert again.wait() == 0, again.said
    assert f"base {BASE}@{first}" in again.said and f"data {DATA}@{data}" in again.said
    record = json.loads((run / "result" / "run.json").read_text())
    assert (record["base_revision"], record["dataset"]) == (first, f"{DATA}@{data}")
