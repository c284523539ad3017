"""Features kept on disk: bitwise what the encoder gives, safe against kills, limited."""

from __future__ import annotations

import errno
import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from training.feature_cache import LOOKS, FeatureCache, identity_of
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.seeing import Seen
from training.tiny import synthetic


@pytest.fixture(scope="module")
def model() -> ArrCocQwen:
    return ArrCocQwen.from_base("tiny")


PICTURES = [synthetic.picture("train", 0, k).pixels for k in range(3)]
PICTURES.append(np.ascontiguousarray(PICTURES[0][:32]))  # one of another size
Make = Callable[..., FeatureCache]


@pytest.fixture
def make(model: ArrCocQwen, tmp_path: Path) -> Make:
    def cache(limit: float = 1e9, identity: str = "base", ranks: int = 1) -> FeatureCache:
        said: list[str] = []
        folder = tmp_path / "features"
        made = FeatureCache(model.look, identity, limit, torch.device("cpu"), said.append, folder, ranks)
        made.said = said  # type: ignore[attr-defined]
        return made

    return cache


def same(one: Seen, other: Seen) -> bool:
    pairs = zip(one.tensors().values(), other.tensors().values(), strict=True)
    return one.grids == other.grids and all(torch.equal(a, b) for a, b in pairs)


def test_what_is_kept_is_bitwise_what_the_encoder_gives(model: ArrCocQwen, make: Make) -> None:
    cache, plain = make(), model.look(PICTURES)
    assert same(cache.look(PICTURES), plain) and (cache.hits, cache.misses) == (0, 4)
    assert same(cache.look(PICTURES), plain) and (cache.hits, cache.misses) == (4, 4)
    later = make()
    assert same(later.look(PICTURES[::-1]), model.look(PICTURES[::-1])) and later.misses == 0
    assert later.nbytes == sum(file.stat().st_size for file in later._folder.iterdir())
    other = make(identity="another base")
    other.look(PICTURES[:1])
    assert other.misses == 1


def test_code_that_looks_otherwise_reads_nothing_of_what_was_kept(model: ArrCocQwen, tmp_path: Path) -> None:
    settings = model.base.image_processor.to_json_string()
    before = identity_of("base", False, "cpu", settings)
    assert before == identity_of("base", False, "cpu", settings, LOOKS)
    for module in LOOKS:
        assert module.__file__ is not None
        copy = tmp_path / Path(module.__file__).name
        copy.write_text(Path(module.__file__).read_text(encoding="utf-8") + "\nEDITED = True\n", encoding="utf-8")
        spec = importlib.util.spec_from_file_location(copy.stem, copy)
        assert spec is not None and spec.loader is not None
        edited = importlib.util.module_from_spec(spec)  # its source is looked at, it need not run
        others = tuple(edited if one is module else one for one in LOOKS)
        assert identity_of("base", False, "cpu", settings, others) != before
    assert identity_of("base", False, "cpu", settings + " ") != before


def test_half_a_file_is_made_again(model: ArrCocQwen, make: Make) -> None:
    make().look(PICTURES[:1])
    cache = make()
    (file,) = cache._folder.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    (file.parent / "left.999999999.tmp").write_bytes(b"by a process that was killed")
    cache = make()
    assert same(cache.look(PICTURES[:1]), model.look(PICTURES[:1]))
    assert cache.misses == 1 and "made again" in cache.said[0]  # type: ignore[attr-defined]
    assert [entry.suffix for entry in cache._folder.iterdir()] == [".safetensors"]
    cache.look(PICTURES[:1])
    assert cache.hits == 1


def test_the_budget_is_kept_and_training_goes_on(model: ArrCocQwen, make: Make) -> None:
    probe = make()
    probe.look(PICTURES[:1])
    cache = make(limit=2.5 * probe.nbytes)
    for _ in range(2):
        assert same(cache.look(PICTURES), model.look(PICTURES))
    assert cache.hits == 3 and len(list(cache._folder.iterdir())) == 2
    assert [line for line in cache.said if "has used its" in line] == cache.said  # type: ignore[attr-defined]
    newer = make(limit=2.5 * probe.nbytes, identity="another base")  # what an older base left makes room
    newer.look(PICTURES[:2])
    assert newer.misses == 2 and len(list(newer._folder.iterdir())) == 2 and not cache._folder.exists()


def test_ranks_share_the_room_that_is_left(make: Make) -> None:
    probe = make()
    probe.look(PICTURES[:1])
    ranks = [make(limit=3.5 * probe.nbytes, ranks=2) for _ in range(2)]
    ranks[0].look(PICTURES[1:])
    ranks[1].look(PICTURES[2:])
    there = sum(file.stat().st_size for file in probe._folder.iterdir())
    assert 2 * probe.nbytes < there <= 3.5 * probe.nbytes  # with half the limit for each the first would have been all
    assert all("has used its" in line for one in ranks for line in one.said)  # type: ignore[attr-defined]


def test_a_full_disk_is_said_once(model: ArrCocQwen, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    cache = make()
    monkeypatch.setattr("training.feature_cache.save_file", full)
    for _ in range(2):
        assert same(cache.look(PICTURES), model.look(PICTURES))
    assert len(cache.said) == 1 and "No space left" in cache.said[0]  # type: ignore[attr-defined]
    assert list(cache._folder.iterdir()) == []


def test_a_folder_that_cannot_be_made(model: ArrCocQwen, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said: list[str] = []
    cache = FeatureCache(model.look, "base", 1e9, torch.device("cpu"), said.append, tmp_path / "file")
    assert same(cache.look(PICTURES[:2]), model.look(PICTURES[:2])) and "cannot be written" in said[0]
