"""Writes `.wandb` files byte by byte, without wandb: what the reader's tests need to control."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

BLOCK = 32 * 1024
HEADER = b":W&B\xe1\xbe\x00"


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def message(number: int, payload: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def number(field: int, value: int) -> bytes:
    """A whole-number field."""
    return varint(field << 3) + varint(value)


def value_json(value: Any) -> str:
    """JSON as wandb-core writes it: whole floats without a point."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


def item(path: tuple[str, ...] | str, value: Any) -> bytes:
    """A HistoryItem."""
    keys = (path,) if isinstance(path, str) else path
    return b"".join(message(2, key.encode()) for key in keys) + message(16, value_json(value).encode())


def history(num: int, row: Mapping[Any, Any], step: int) -> bytes:
    items = b"".join(message(1, item(path, value)) for path, value in row.items())
    return number(1, num) + message(2, items + message(2, number(1, step) if step else b""))


def run(run_id: str, start: float, config: Mapping[str, Any] | None = None) -> bytes:
    seconds = int(start)
    stamp = number(1, seconds) + number(2, round((start - seconds) * 1e9))
    updates = b"".join(
        message(1, message(1, key.encode()) + message(16, json.dumps(value).encode()))
        for key, value in (config or {}).items()
    )
    return number(1, 1) + message(17, message(1, run_id.encode()) + message(4, updates) + message(17, stamp))


def output(num: int, text: str, time: float, stream: int = 1) -> bytes:
    stamp = number(1, int(time)) + number(2, round((time - int(time)) * 1e9))
    return number(1, num) + message(13, number(1, stream) + message(2, stamp) + message(3, text.encode()))


def stats(num: int, values: Mapping[str, float], time: float) -> bytes:
    items = b"".join(
        message(3, message(1, key.encode()) + message(16, json.dumps(value).encode())) for key, value in values.items()
    )
    return number(1, num) + message(7, message(2, number(1, int(time))) + items)


def summary(num: int, row: Mapping[str, Any]) -> bytes:
    return number(1, num) + message(3, b"".join(message(1, item(path, value)) for path, value in row.items()))


def exit_record(num: int) -> bytes:
    return number(1, num) + message(18, b"")


def frame(records: Iterable[bytes]) -> bytes:
    """Records as the file holds them, header included."""
    out = bytearray(HEADER)
    for record in records:
        rest, first = record, True
        while first or rest:
            left = BLOCK - len(out) % BLOCK
            if left < 7:
                out += bytes(left)
                continue
            part, rest = rest[: left - 7], rest[left - 7 :]
            kind = (1 if not rest else 2) if first else (4 if not rest else 3)
            payload = bytes([kind]) + part
            out += struct.pack("<IH", zlib.crc32(payload), len(part)) + payload
            first = False
    return bytes(out)


def write_segment(
    run_dir: Path,
    rows: Iterable[Mapping[Any, Any]],
    *,
    run_id: str = "r1",
    start: float = 1_000.0,
    extra: Iterable[bytes] = (),
    summaries: bool = True,
    finished: bool = True,
) -> Path:
    """An attempt's file with these rows; each gets `_step` and `_timestamp` as wandb adds them."""
    records = [run(run_id, start, {"seed": 7})]
    for i, row in enumerate(rows):
        full = {**row, "_step": i, "_timestamp": start + i}
        if summaries:
            records.append(summary(len(records) + 1, {"_runtime": i}))
        records.append(history(len(records) + 1, full, i))
    records += extra
    if finished:
        records.append(exit_record(len(records) + 1))
    path = run_dir / "wandb" / "wandb" / f"offline-run-{start:.0f}-{run_id}" / f"run-{run_id}.wandb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(frame(records))
    return path
