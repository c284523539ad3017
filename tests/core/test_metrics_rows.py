"""The two decoders of history rows agree, and the fast one is exact."""

from __future__ import annotations

import json
import math
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wandb_files import frame, history, output, summary

from arrcoc_core.metrics import rows as module
from arrcoc_core.metrics.framing import Batch, read_batch
from arrcoc_core.metrics.rows import Keys, decode


def batch_of(records: list[bytes], tmp_path: Path) -> Batch:
    path = tmp_path / "a.wandb"
    path.write_bytes(frame(records))
    with path.open("rb") as file:
        batch = read_batch(file, 0, 1 << 30)
    assert len(batch) == len(records)
    return batch


def rows_of(batch: Batch) -> list[dict[str, Any]]:
    """Rows as dicts; exact integers win over their float."""
    decoded, _ = decode(batch, Keys())
    table: list[dict[str, Any]] = [{} for _ in range(decoded.count)]
    for name, (where, values) in decoded.numbers.items():
        for row, value in zip(where.tolist(), values.tolist(), strict=True):
            table[row][name] = value
    for row, path, value in decoded.other:
        table[row][".".join(path)] = value
    return table


def random_row(chance: random.Random, i: int) -> dict[Any, Any]:
    bits = chance.getrandbits(64)
    wild = struct.unpack("<d", struct.pack("<Q", bits))[0]
    row: dict[Any, Any] = {
        "trainer/step": i,
        "train/loss": chance.random(),
        "train/learning_rate": 1e-4 * chance.random(),
        "wild": wild,
        "small": i * 7 % 13,
    }
    rare: list[tuple[Any, Any]] = [
        ("a/" + "long" * 12, 1.5),
        ("text", 'quote " é \u2028 line\n'),
        ("none", None),
        ("flag", True),
        ("big", 2**60 + i),
        ("bigger", 10**25),
        ("list", [1, 2.5]),
        (("h", "_type"), "histogram"),
        (("nested", "deep", "x"), 0.25),
        ("nan", math.nan),
        ("inf", -math.inf),
        ("many digits", "9" * 200),
    ]
    if chance.random() < 0.2:
        for key, value in chance.sample(rare, 3):
            row[key] = value
    keys = list(row)
    chance.shuffle(keys)  # wandb-core writes the items of a row in any order
    return {key: row[key] for key in keys}


def expected(row: dict[Any, Any]) -> dict[str, Any]:
    return {".".join(key) if isinstance(key, tuple) else key: value for key, value in row.items()}


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return bool(a == b)


@pytest.mark.parametrize("many", [1, 10**9])
def test_both_decoders_give_every_row_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    monkeypatch.setattr(module, "MANY", many)
    chance = random.Random(11)
    source = [random_row(chance, i) for i in range(3_000)]
    records: list[bytes] = []
    for i, row in enumerate(source):
        records += [summary(2 * i + 1, {"_runtime": i}), history(2 * i + 2, row, i)]
    got = rows_of(batch_of(records, tmp_path))
    assert len(got) == len(source)
    for row, want in zip(got, map(expected, source), strict=True):
        assert row.keys() == want.keys()
        assert all(same(row[key], want[key]) for key in want), (row, want)


def test_the_fast_decoder_takes_plain_rows_and_reads_every_double_exactly(tmp_path: Path) -> None:
    values = np.frombuffer(np.random.default_rng(2).bytes(8 * 4_000), dtype=np.float64)
    values = values[np.isfinite(values) & (np.abs(values) < 2**53)]
    records = [history(i + 1, {"x": float(value)}, i) for i, value in enumerate(values)]
    decoded, _ = decode(batch_of(records, tmp_path), Keys())
    where, got = decoded.numbers["x"]
    assert (where == np.arange(len(values))).all()
    assert (got == values).all()


def test_lengths_that_look_like_the_value_tag_do_not_confuse_it(tmp_path: Path) -> None:
    # 130 is the varint \x82\x01, which is also the tag in front of each value.
    row = {"k" * 20: 0.123456789, "step": 130}
    padded = {**row, "p" * (130 - len(history(1, {**row, "": 1}, 130)) + 5): 1}
    records = [history(i + 1, padded if i % 2 else row, 130) for i in range(600)]
    got = rows_of(batch_of(records, tmp_path))
    assert got == [padded if i % 2 else row for i in range(600)]


def test_other_kinds_of_records_are_named_and_summaries_passed_over(tmp_path: Path) -> None:
    records = [summary(1, {"a": 1}), output(2, "hello\n", 5.0), history(3, {"a": 1}, 0)] * 200
    _, others = decode(batch_of(records, tmp_path), Keys())
    assert others == list(range(1, 600, 3))


def test_the_json_list_parser_that_is_used_is_exact() -> None:
    chance = random.Random(1)
    texts = [repr(struct.unpack("<d", struct.pack("<Q", chance.getrandbits(63)))[0]) for _ in range(5_000)]
    texts = [text for text in texts if text not in ("nan", "inf")] + ["5e-324", "2.2250738585072011e-308", "-0.0"]
    table = np.full((len(texts), module.VALUE_BYTES), ord(" "), dtype=np.uint8)
    for i, text in enumerate(texts):
        table[i, : len(text)] = list(text.encode())
    assert module._parse(table).tolist() == [json.loads(text) for text in texts]
