"""Framing: whole records only, from any offset, whatever the tail looks like."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from wandb_files import frame

from arrcoc_core.errors import MetricsError
from arrcoc_core.metrics.framing import BLOCK, read_batch


def read_all(path: Path, offset: int = 0, size: int = 8 * BLOCK) -> tuple[list[bytes], int, int]:
    """(records, offset behind the last, damaged places)."""
    records: list[bytes] = []
    damaged = 0
    with path.open("rb") as file:
        while True:
            batch = read_batch(file, offset, size)
            records += [batch.record(i) for i in range(len(batch))]
            damaged += batch.damaged
            offset = batch.next_offset
            if batch.at_end:
                return records, offset, damaged


def random_records(count: int = 300) -> list[bytes]:
    chance = random.Random(3)
    sizes = [chance.choice((0, 1, 6, 200, 900, 5_000, 40_000 if i % 50 == 0 else 100)) for i in range(count)]
    return [chance.randbytes(size) for size in sizes]


def test_records_of_any_size_come_out_as_they_went_in(tmp_path: Path) -> None:
    records = random_records()
    path = tmp_path / "a.wandb"
    path.write_bytes(frame(records))
    assert read_all(path)[0] == records


@pytest.mark.parametrize("size", [BLOCK // 2, BLOCK, 3 * BLOCK + 11])
def test_the_batch_size_does_not_matter(tmp_path: Path, size: int) -> None:
    records = random_records()
    path = tmp_path / "a.wandb"
    path.write_bytes(frame(records))
    assert read_all(path, size=size)[0] == records


def test_cut_anywhere_it_gives_a_prefix_and_goes_on_when_the_file_grows(tmp_path: Path) -> None:
    records = random_records(80)
    whole = frame(records)
    path = tmp_path / "a.wandb"
    chance = random.Random(5)
    for cut in [0, 3, 7, 8, *(chance.randrange(len(whole)) for _ in range(60))]:
        path.write_bytes(whole[:cut])
        first, offset, damaged = read_all(path)
        assert first == records[: len(first)]
        assert len(frame(records[: len(first) + 1])) > cut or len(first) == len(records)
        path.write_bytes(whole)
        rest, _, more_damage = read_all(path, offset)
        assert first + rest == records
        assert damaged == more_damage == 0


def test_a_wrong_byte_in_the_last_block_is_waited_for(tmp_path: Path) -> None:
    records = [bytes([i]) * 50 for i in range(20)]
    whole = bytearray(frame(records))
    path = tmp_path / "a.wandb"
    broken = whole.copy()
    broken[-10] ^= 1
    path.write_bytes(broken)
    first, offset, _ = read_all(path)
    assert first == records[:-1]
    path.write_bytes(whole)
    assert read_all(path, offset)[0] == records[-1:]


def test_damage_in_the_middle_is_skipped_and_counted(tmp_path: Path) -> None:
    records = [bytes([i % 256]) * 1_000 for i in range(200)]
    whole = bytearray(frame(records))
    whole[2 * BLOCK + 500] ^= 1
    path = tmp_path / "a.wandb"
    path.write_bytes(whole)
    got, _, damaged = read_all(path)
    assert damaged == 1
    assert set(got) < set(records)
    assert got[-1] == records[-1]
    assert len(records) - len(got) <= 35


def test_a_first_without_a_last_is_dropped_when_the_next_record_follows(tmp_path: Path) -> None:
    spanning = frame([b"x" * 100, b"y" * 50_000])[:BLOCK]  # ends in a FIRST
    after = frame([b"z" * 80])
    path = tmp_path / "a.wandb"
    # The next writer begins at a block of its own: its header is skipped as padding would be.
    path.write_bytes(spanning + after[7:])
    assert read_all(path)[0] == [b"x" * 100, b"z" * 80]


def test_a_file_of_another_kind_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.wandb"
    path.write_bytes(b"PK\x03\x04 a zip archive")
    with path.open("rb") as file, pytest.raises(MetricsError, match="not a W&B transaction log") as error:
        read_batch(file, 0)
    assert error.value.remedy
