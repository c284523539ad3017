"""Checkpoints: whole or absent, newest whole one first, the last good one never lost; on disk and in a bucket."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from arrcoc_core.cloud.objects import Objects
from training.checkpoints import Checkpoint, CheckpointStore, DiskStore, latest, save
from training.gcs import GcsStore
from training.tracking import Picture, Row, pack_rows, unpack_rows


def checkpoint(step: int) -> Checkpoint:
    parameter = torch.nn.Parameter(torch.full((3, 4), float(step)))
    optimizer = torch.optim.AdamW([parameter])
    parameter.sum().backward()
    optimizer.step()
    picture = Picture("pictures/0", b"not really a PNG", "Q: what? | answer: red | right: red | kept 4/64")
    rows = [Row(step, {"train/loss": 0.1 + step, "eval/loss": float("nan")}, (picture,))]
    return Checkpoint(step, {"weight": parameter.detach()}, {"adamw": optimizer.state_dict()}, {"threads": 2}, rows)


@pytest.fixture(params=["disk", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> CheckpointStore:
    if request.param == "disk":
        return DiskStore(tmp_path / "checkpoints")
    client = request.getfixturevalue("sandbox").cloud().storage()
    client.create_bucket("arrcoc-sandbox-runs", location="us-central1")
    return GcsStore(Objects(client, "gs://arrcoc-sandbox-runs/runs/x/checkpoints", patience_s=5))


def overwrite(store: CheckpointStore, name: str, data: bytes) -> None:
    store.delete(name)
    assert store.put_if_absent(name, data)


def test_what_was_saved_comes_back(store: CheckpointStore) -> None:
    save(store, checkpoint(7), limit=2)
    found = latest(store, pytest.fail)
    assert found is not None and found.step == 7
    assert torch.equal(found.selector["weight"], checkpoint(7).selector["weight"])
    assert torch.equal(
        found.optimizer["adamw"]["state"][0]["exp_avg"], checkpoint(7).optimizer["adamw"]["state"][0]["exp_avg"]
    )
    assert found.state["threads"] == 2
    assert found.rows[0].pictures == checkpoint(7).rows[0].pictures
    assert found.rows[0].values["train/loss"] == 7.1


def test_an_empty_store_has_no_checkpoint(store: CheckpointStore) -> None:
    assert latest(store, pytest.fail) is None


def test_only_the_newest_are_kept(store: CheckpointStore) -> None:
    for step in range(1, 6):
        save(store, checkpoint(step), limit=2)
    assert {name.split("/")[0] for name in store.list()} == {"step-00000004", "step-00000005"}


@pytest.mark.parametrize(
    "damage", ["no marker", "marker garbled", "a file is missing", "a bit flipped", "manifest replaced"]
)
def test_a_damaged_checkpoint_is_skipped_and_replaced(store: CheckpointStore, damage: str) -> None:
    save(store, checkpoint(1), limit=3)
    save(store, checkpoint(2), limit=3)
    folder = "step-00000002"
    if damage == "no marker":
        store.delete(f"{folder}/COMMITTED")
    elif damage == "marker garbled":
        overwrite(store, f"{folder}/COMMITTED", b"\xb3" * 64)
    elif damage == "a file is missing":
        store.delete(f"{folder}/optimizer.pt")
    elif damage == "a bit flipped":
        data = bytearray(store.get(f"{folder}/selector.safetensors"))
        data[-1] ^= 1
        overwrite(store, f"{folder}/selector.safetensors", bytes(data))
    else:
        overwrite(store, f"{folder}/manifest.json", b"{}")

    said: list[str] = []
    found = latest(store, said.append)
    assert found is not None and found.step == 1
    assert len(said) == 1 and "step-00000002" in said[0]

    save(store, checkpoint(2), limit=3)
    replaced = latest(store, pytest.fail)
    assert replaced is not None and replaced.step == 2


def test_a_write_that_fails_halfway_costs_nothing_but_itself(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(store, checkpoint(1), limit=1)

    put = store.put_if_absent

    def fails_at_the_manifest(name: str, data: bytes) -> bool:
        if name.endswith("manifest.json"):
            raise OSError("no space left on device")
        return put(name, data)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(store, "put_if_absent", fails_at_the_manifest)
        save(store, checkpoint(2), limit=1)
    found = latest(store, lambda _: None)
    assert found is not None and found.step == 1
    save(store, checkpoint(2), limit=1)
    assert {name.split("/")[0] for name in store.list()} == {"step-00000002"}


def test_the_last_good_one_is_kept_beside_a_damaged_one_of_a_later_step(store: CheckpointStore) -> None:
    for step in (50, 100):
        save(store, checkpoint(step), limit=2)
    store.delete("step-00000100/COMMITTED")  # killed in the middle of writing it
    save(store, checkpoint(60), limit=1)  # resumed from 50, and stopped on the way
    found = latest(store, pytest.fail)
    assert found is not None and found.step == 60
    assert {name.split("/")[0] for name in store.list()} == {"step-00000060"}


def test_saving_the_same_step_again_changes_nothing(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    save(store, checkpoint(3), limit=1)
    monkeypatch.setattr(store, "put_if_absent", lambda name, _: pytest.fail(f"{name} was written again"))
    save(store, checkpoint(3), limit=1)


def test_what_the_store_holds(store: CheckpointStore) -> None:
    assert store.put_if_absent("a/b", b"bytes")
    assert store.holds({"a/b": b"bytes"})
    assert not store.holds({"a/b": b"other"})
    assert not store.holds({"a/b": b"bytes", "a/c": b""})


def test_put_if_absent_does_not_replace(store: CheckpointStore) -> None:
    assert store.put_if_absent("a/b", b"first")
    assert not store.put_if_absent("a/b", b"second")
    assert store.get("a/b") == b"first"
    assert store.list() == ["a/b"]
    with pytest.raises(KeyError):
        store.get("a/c")


def test_rows_keep_every_digit() -> None:
    rows = [Row(1, {"train/loss": 0.1 + 0.2}), Row(2, {"train/loss": 1e-300})]
    assert unpack_rows(pack_rows(rows)) == rows
