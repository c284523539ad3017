"""Checkpoints in the background: one at a time, none silently lost, rows kept until one is committed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from arrcoc_core.errors import CheckpointError
from training.checkpoints import Checkpoint, DiskStore, latest
from training.saving import TRIES, HostMemory, Saver
from training.tracking import Row


class GuardedStore(DiskStore):
    """A disk whose writes wait until they are let through, and fail as often as they are told to."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.open = threading.Event()
        self.open.set()
        self.failures = 0

    def put_if_absent(self, name: str, data: bytes) -> bool:
        assert self.open.wait(30)
        if self.failures and name.endswith("manifest.json"):
            self.failures -= 1
            raise OSError("no space left on device")
        return super().put_if_absent(name, data)


class LyingStore(DiskStore):
    def holds(self, files: Mapping[str, bytes]) -> bool:
        return False


@pytest.fixture
def store(tmp_path: Path) -> GuardedStore:
    return GuardedStore(tmp_path / "checkpoints")


def make_saver(store: DiskStore, limit: int = 2) -> tuple[Saver, list[str], list[int]]:
    said: list[str] = []
    saved: list[int] = []
    return Saver(store, limit=limit, say=said.append, saved=lambda whole: saved.append(whole.step)), said, saved


def checkpoint(step: int, weight: torch.Tensor | None = None) -> Checkpoint:
    held = torch.full((3, 4), float(step)) if weight is None else weight
    moments = {"state": {0: {"exp_avg": held * 2, "step": torch.tensor(1.0)}}, "param_groups": [{"betas": (0.9, 0.99)}]}
    return Checkpoint(step, {"weight": held}, {"adamw": moments}, {"summary": {"a": 1.0}}, [Row(step, {"a": 1.0})])


def test_the_copy_is_of_the_moment_and_the_loop_goes_on(store: GuardedStore) -> None:
    saver, said, saved = make_saver(store)
    weight = torch.ones(3, 4)
    whole = checkpoint(1, weight)
    store.open.clear()
    saver.save(whole)
    weight.fill_(9.0)  # the next optimizer step
    whole.state["summary"]["a"] = 2.0
    saver.check()
    assert saved == [] and latest(store, lambda _: None) is None
    store.open.set()
    assert saver.wait()
    found = latest(store, pytest.fail)
    assert found is not None and found.state["summary"] == {"a": 1.0}
    assert torch.equal(found.selector["weight"], torch.ones(3, 4))
    assert found.optimizer["adamw"]["param_groups"][0]["betas"] == (0.9, 0.99)
    assert saved == [1] and said == ["saved step-00000001"]


def test_one_at_a_time_and_the_next_says_that_it_waits(store: GuardedStore) -> None:
    saver, said, saved = make_saver(store)
    store.open.clear()
    saver.save(checkpoint(1))
    assert not saver.wait(0.01)
    threading.Timer(1.5, store.open.set).start()
    saver.save(checkpoint(2))
    assert said[0].startswith("waiting for the checkpoint of step 1") and saved == [1]
    assert saver.wait() and saved == [1, 2]
    assert saver.stood_still_s > 1.0
    saver.save(checkpoint(2))  # of the step that was saved last: there already
    assert saver.wait() and saved == [1, 2] and saver.newest == 2


def test_a_failure_is_said_and_written_again(store: GuardedStore) -> None:
    saver, said, saved = make_saver(store)
    store.failures = TRIES - 1
    saver.save(checkpoint(5))
    assert saver.wait() and saved == [5]
    assert [line.split(",")[0] for line in said[:-1]] == ["the checkpoint of step 5 could not be written"] * 2
    assert latest(store, pytest.fail) is not None


def test_the_last_try_ends_the_attempt_and_names_the_checkpoint(store: GuardedStore) -> None:
    saver, _, saved = make_saver(store)
    saver.save(checkpoint(4))
    saver.wait()
    store.failures = 100
    saver.save(checkpoint(5))
    with pytest.raises(CheckpointError, match=r"step 5 could not be written .*no space left"):
        saver.wait()
    assert saved == [4]
    found = latest(store, lambda _: None)
    assert found is not None and found.step == 4
    assert [path.name for path in store.directory.iterdir()] == ["step-00000004"]  # nothing of it fills the disk


def test_a_store_that_does_not_keep_its_word_is_no_checkpoint(tmp_path: Path) -> None:
    saver, _, saved = make_saver(LyingStore(tmp_path / "checkpoints"))
    saver.save(checkpoint(1))
    with pytest.raises(CheckpointError, match="does not read back"):
        saver.wait()
    assert saved == []


def test_memory_is_used_again() -> None:
    memory = HostMemory()
    tensor = torch.arange(6.0)
    first = memory.copy({"a": [tensor]}, "x")["a"][0]
    assert first.data_ptr() != tensor.data_ptr() and torch.equal(first, tensor)
    assert memory.copy({"a": [tensor + 1]}, "x")["a"][0].data_ptr() == first.data_ptr()
    assert torch.equal(first, tensor + 1)
    assert memory.copy({"a": [torch.zeros(2)]}, "x")["a"][0].shape == (2,)
