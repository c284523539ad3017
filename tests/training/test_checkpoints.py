"""Checkpoints: whole or absent, newest whole one first, the last good one never lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training.checkpoints import Checkpoint, DiskStore, latest, save
from training.tracking import Picture, Row, pack_rows, unpack_rows


def checkpoint(step: int) -> Checkpoint:
    parameter = torch.nn.Parameter(torch.full((3, 4), float(step)))
    optimizer = torch.optim.AdamW([parameter])
    parameter.sum().backward()
    optimizer.step()
    picture = Picture("pictures/0", b"not really a PNG", "Q: what? | answer: red | right: red | kept 4/64")
    rows = [Row(step, {"train/loss": 0.1 + step, "eval/loss": float("nan")}, (picture,))]
    return Checkpoint(step, {"weight": parameter.detach()}, {"adamw": optimizer.state_dict()}, {"threads": 2}, rows)


@pytest.fixture
def store(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path / "checkpoints")


def test_what_was_saved_comes_back(store: DiskStore) -> None:
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


def test_an_empty_store_has_no_checkpoint(store: DiskStore) -> None:
    assert latest(store, pytest.fail) is None


def test_only_the_newest_are_kept(store: DiskStore) -> None:
    for step in range(1, 6):
        save(store, checkpoint(step), limit=2)
    assert {name.split("/")[0] for name in store.list()} == {"step-00000004", "step-00000005"}


@pytest.mark.parametrize(
    "damage", ["no marker", "marker garbled", "a file is missing", "a bit flipped", "manifest replaced"]
)
def test_a_damaged_checkpoint_is_skipped_and_replaced(store: DiskStore, tmp_path: Path, damage: str) -> None:
    save(store, checkpoint(1), limit=3)
    save(store, checkpoint(2), limit=3)
    folder = tmp_path / "checkpoints" / "step-00000002"
    if damage == "no marker":
        (folder / "COMMITTED").unlink()
    elif damage == "marker garbled":
        (folder / "COMMITTED").write_bytes(b"\xb3" * 64)
    elif damage == "a file is missing":
        (folder / "optimizer.pt").unlink()
    elif damage == "a bit flipped":
        data = bytearray((folder / "selector.safetensors").read_bytes())
        data[-1] ^= 1
        (folder / "selector.safetensors").write_bytes(data)
    else:
        (folder / "manifest.json").write_text("{}")

    said: list[str] = []
    found = latest(store, said.append)
    assert found is not None and found.step == 1
    assert len(said) == 1 and "step-00000002" in said[0]

    save(store, checkpoint(2), limit=3)
    replaced = latest(store, pytest.fail)
    assert replaced is not None and replaced.step == 2


def test_a_write_that_fails_halfway_costs_nothing_but_itself(store: DiskStore) -> None:
    save(store, checkpoint(1), limit=1)

    class FullDisk(DiskStore):
        def put_if_absent(self, name: str, data: bytes) -> bool:
            if name.endswith("manifest.json"):
                raise OSError("no space left on device")
            return super().put_if_absent(name, data)

    with pytest.raises(OSError, match="no space"):
        save(FullDisk(store.directory), checkpoint(2), limit=1)
    found = latest(store, lambda _: None)
    assert found is not None and found.step == 1
    save(store, checkpoint(2), limit=1)
    assert {name.split("/")[0] for name in store.list()} == {"step-00000002"}


def test_the_last_good_one_is_kept_beside_a_damaged_one_of_a_later_step(store: DiskStore, tmp_path: Path) -> None:
    for step in (50, 100):
        save(store, checkpoint(step), limit=2)
    (tmp_path / "checkpoints" / "step-00000100" / "COMMITTED").unlink()  # killed in the middle of writing it
    save(store, checkpoint(60), limit=1)  # resumed from 50, and stopped on the way
    found = latest(store, pytest.fail)
    assert found is not None and found.step == 60
    assert {name.split("/")[0] for name in store.list()} == {"step-00000060"}


def test_saving_the_same_step_again_changes_nothing(store: DiskStore, tmp_path: Path) -> None:
    save(store, checkpoint(3), limit=1)
    marker = tmp_path / "checkpoints" / "step-00000003" / "COMMITTED"
    before = marker.stat().st_mtime_ns
    save(store, checkpoint(3), limit=1)
    assert marker.stat().st_mtime_ns == before


def test_put_if_absent_does_not_replace(store: DiskStore) -> None:
    assert store.put_if_absent("a/b", b"first")
    assert not store.put_if_absent("a/b", b"second")
    assert store.get("a/b") == b"first"
    assert store.list() == ["a/b"]
    with pytest.raises(KeyError):
        store.get("a/c")


def test_rows_keep_every_digit() -> None:
    rows = [Row(1, {"train/loss": 0.1 + 0.2}), Row(2, {"train/loss": 1e-300})]
    assert unpack_rows(pack_rows(rows)) == rows
