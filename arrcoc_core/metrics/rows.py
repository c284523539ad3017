"""History records as columns of numbers: a batch of rows in, arrays out.

A history message is `\\n <len> \\x12 <len> KEY \\x82\\x01 <len> VALUE` per item, items in any order (Go maps), then the
step. Two decoders give the same answer (tests/core/test_metrics_rows.py):

- `decode_one`: any record, through the protobuf walk and `json.loads`; some 20 us a row. For the live tail and for
  whatever the other one does not take.
- `decode_many`: all rows of a batch in lockstep with numpy: the cursor of every row moves one item at a time, keys
  are told apart by their bytes as four words (hashed to find, compared to be sure), values gathered as fixed-width
  strings. It takes rows whose items are short plain numbers; every other row it hands back untouched.

Numbers are float64. What float64 cannot hold (strings, null, booleans, lists, an integer it would round) goes to
`Rows.other` with its JSON value; such an integer is in both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from arrcoc_core.metrics import records
from arrcoc_core.metrics.framing import Batch

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

KEY_BYTES = 32  # longer keys go the slow way
VALUE_BYTES = 26  # the longest double has 24 characters
EXACT = 2**53  # float64 holds every integer up to here
HUGE = 10**300  # an integer beyond this is no float
MANY = 256  # records in a batch from which on the lockstep pays

_VALUE_COLUMNS = np.arange(VALUE_BYTES, dtype=np.uint8)
_KEY_COLUMNS = np.arange(KEY_BYTES, dtype=np.uint8)
_MIX = tuple(map(np.uint64, (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5)))
# What a value may begin with to be a number: a digit, minus, NaN, Infinity.
_NUMBER_STARTS = np.zeros(256, dtype=bool)
_NUMBER_STARTS[list(b"0123456789-NI")] = True


@dataclass
class Rows:
    """History rows in the order of the file; `numbers[key]` are (row index, value) arrays, indices ascending."""

    count: int = 0
    numbers: dict[str, tuple[Ints, Floats]] = field(default_factory=dict[str, tuple[Ints, Floats]])
    other: list[tuple[int, tuple[str, ...], Any]] = field(default_factory=list[tuple[int, tuple[str, ...], Any]])


@dataclass
class _Collected:
    """Decoded items before they are grouped by key."""

    key: list[Ints] = field(default_factory=list[Ints])
    row: list[Ints] = field(default_factory=list[Ints])
    value: list[Floats] = field(default_factory=list[Floats])


class Keys:
    """The keys seen so far: number <-> name, and their bytes as words for `decode_many`."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._words = np.zeros((0, KEY_BYTES // 8), dtype=np.uint64)
        self._sorted = np.zeros(0, dtype=np.uint64)
        self._order = np.zeros(0, dtype=np.int64)
        self.learn(known)

    def learn(self, names: Iterable[str]) -> None:
        """Gives each name that is new the next number."""
        new = [name for name in dict.fromkeys(names) if name not in self._numbers]
        if not new:
            return
        for name in new:
            self._numbers[name] = len(self.names)
            self.names.append(name)
        # A dotted name may be a path of several keys, whose bytes differ: the words are of the one-key spelling.
        raw = (name.encode() for name in new)
        padded = b"".join(b.ljust(KEY_BYTES, b"\0") if len(b) <= KEY_BYTES else b"\xff" * KEY_BYTES for b in raw)
        self._words = np.vstack([self._words, np.frombuffer(padded, dtype=np.uint64).reshape(len(new), -1)])
        hashes = _hash(self._words)
        self._order = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._order]

    def number(self, name: str) -> int:
        """The number of a key; a new one gets the next."""
        if name not in self._numbers:
            self.learn([name])
        return self._numbers[name]

    def find(self, words: NDArray[np.uint64]) -> Ints:
        """The number of each key given as words; -1 for an unknown one."""
        if not self.names:
            return np.full(len(words), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self._sorted, _hash(words)), len(self._sorted) - 1)
        found = self._order[at]
        # Column by column: a reduction along an axis of four costs ten times as much.
        same = self._words[found, 0] == words[:, 0]
        for column in range(1, words.shape[1]):
            same &= self._words[found, column] == words[:, column]
        return np.where(same, found, -1)


def is_number(value: Any) -> bool:
    """Whether a value goes to `Rows.numbers`."""
    return isinstance(value, float) or (type(value) is int and abs(value) < HUGE)


def is_exact(value: Any) -> bool:
    """Whether float64 holds all of it; if not it goes to `Rows.other`, whether or not it is a number."""
    return isinstance(value, float) or (type(value) is int and abs(value) <= EXACT)


def decode(batch: Batch, keys: Keys) -> tuple[Rows, list[int]]:
    """The history rows of a batch, and the indices of its records of other kinds that are read here."""
    history, message, others = _split(batch) if len(batch) >= MANY else _split_slowly(batch)
    rows = Rows(count=len(history))
    collected = _Collected()
    left = list(range(len(history)))
    if len(history) >= MANY:
        end = np.array(batch.ends, dtype=np.int64)[history]
        left = _decode_many(batch.data, message, end, keys, collected)
    _decode_ones(batch, history, left, keys, collected, rows)
    _group(collected, keys, rows)
    return rows, others


def history_of(batch: Batch) -> Ints:
    """Which records of a batch are history rows: row i of `decode` is that record."""
    return (_split(batch) if len(batch) >= MANY else _split_slowly(batch))[0]


def _split_slowly(batch: Batch) -> tuple[Ints, Ints, list[int]]:
    history: list[int] = []
    message: list[int] = []
    others: list[int] = []
    for i in range(len(batch)):
        kind, start, _ = records.kind_of(batch.record(i))
        if kind == records.HISTORY:
            history.append(i)
            message.append(batch.starts[i] + start)
        elif kind:
            others.append(i)
    return np.array(history, dtype=np.int64), np.array(message, dtype=np.int64), others


def _split(batch: Batch) -> tuple[Ints, Ints, list[int]]:
    """(history records, where in the data the message of each begins or -1, other records to read): by the tags.

    wandb-core writes the record's number first (field 1), then the message; anything else is looked at one by one.
    """
    buffer = np.frombuffer(batch.data, dtype=np.uint8)
    start = np.array(batch.starts, dtype=np.int64)
    plain = buffer[start] == 0x08
    at = _skip_varint(buffer, start + 1)
    tag = buffer[at]
    message = np.where(plain & (tag == _HISTORY_TAG), _skip_varint(buffer, at + 1), -1)
    is_history = message >= 0
    others: list[int] = []
    for i in np.flatnonzero(~is_history & ~(plain & (tag == _SUMMARY_TAG))).tolist():
        kind, _, _ = records.kind_of(batch.record(i))
        if kind == records.HISTORY:
            is_history[i] = True
        elif kind:
            others.append(i)
    history = np.flatnonzero(is_history)
    return history, message[history], others


_HISTORY_TAG, _SUMMARY_TAG = records.HISTORY << 3 | 2, 3 << 3 | 2


def _skip_varint(buffer: NDArray[np.uint8], at: Ints) -> Ints:
    """The position behind the number that stands at each position."""
    at = at.copy()
    while True:
        more = buffer[at] > 127
        if not more.any():
            return at + 1
        at += more


def _decode_many(data: bytes, message: Ints, stop: Ints, keys: Keys, collected: _Collected) -> list[int]:
    """Decodes the rows it can into `collected`; returns the positions of those it left alone."""
    buffer = np.frombuffer(data, dtype=np.uint8)
    bad = message < 0
    row = np.flatnonzero(~bad)
    at, end = message[row], stop[row]
    item_row: list[Ints] = []
    item_at: list[Ints] = []
    while True:  # the cursor of every row goes one item on
        on_item = (at < end) & (buffer[at] == 0x0A)
        done = ~on_item
        # An item must be followed by nothing but the step (field 2, the rest of the message).
        bad[row[done & (at < end) & ~((buffer[at] == 0x12) & (at + 2 + buffer[at + 1] == end))]] = True
        row, at, end = row[on_item], at[on_item], end[on_item]
        if not len(row):
            break
        length = buffer[at + 1]
        fits = length < 128
        bad[row[~fits]] = True
        row, at, end, length = row[fits], at[fits], end[fits], length[fits]
        item_row.append(row)
        item_at.append(at)
        at = at + 2 + length
    if item_row:
        _decode_items(data, np.concatenate(item_row), np.concatenate(item_at), bad, keys, collected)
    return np.flatnonzero(bad).tolist()


def _decode_items(data: bytes, row: Ints, at: Ints, bad: NDArray[np.bool_], keys: Keys, collected: _Collected) -> None:
    """Decodes the item at each position; a row of which one item is not a short plain number becomes bad."""
    buffer = np.frombuffer(data, dtype=np.uint8)
    key_length = buffer[at + 3]
    value_at = at + 4 + key_length
    value_length = buffer[value_at + 2]
    fine = (
        (buffer[at + 2] == 0x12)
        & (key_length <= KEY_BYTES)
        & (buffer[value_at] == 0x82)
        & (buffer[value_at + 1] == 0x01)
        & (value_length > 0)
        & (value_length < VALUE_BYTES)
        & (value_at + 3 + value_length == at + 2 + buffer[at + 1])
        & _NUMBER_STARTS[buffer[value_at + 3]]
    )
    bad[row[~fine]] = True
    keep = ~bad[row]
    row, key_at, key_length = row[keep], at[keep] + 4, key_length[keep]
    value_at, value_length = value_at[keep] + 3, value_length[keep]
    words = _window(data, key_at, key_length, _KEY_COLUMNS, fill=0).view(np.uint64)
    key = keys.find(words)
    new = np.flatnonzero(key < 0)
    if len(new):
        _, first = np.unique(_hash(words[new]), return_index=True)
        spans = zip(key_at[new][first].tolist(), key_length[new][first].tolist(), strict=True)
        keys.learn([data[a : a + n].decode("utf-8", "replace") for a, n in spans])
        key = keys.find(words)
    value = _parse(_window(data, value_at, value_length, _VALUE_COLUMNS, fill=ord(" ")))
    large = np.isfinite(value) & (np.abs(value) >= EXACT)
    bad[row[large | (key < 0)]] = True
    keep = ~bad[row]
    collected.key.append(key[keep])
    collected.row.append(row[keep])
    collected.value.append(value[keep])


def _window(
    data: bytes, at: Ints, length: NDArray[np.uint8], columns: NDArray[np.uint8], *, fill: int
) -> NDArray[np.uint8]:
    """As many bytes from each position as there are columns, those behind `length` replaced: shape (n, columns)."""
    width = len(columns)
    # An overlapping view gathers the whole window as one element: four times faster than an index per byte.
    view = np.ndarray((len(data) - width + 1,), dtype=f"V{width}", buffer=data, strides=(1,))
    window = view[at].view(np.uint8).reshape(len(at), width)
    return np.where(columns < length[:, None], window, np.uint8(fill))


def _parse(texts: NDArray[np.uint8]) -> Floats:
    """The numbers that stand in the rows of `texts` (n, VALUE_BYTES), followed by blanks.

    A comma at the end of each row makes them one JSON list, whose parser is four times faster than `float` and as
    exact (tests/core/test_metrics_rows.py).
    """
    if not len(texts):
        return np.zeros(0)
    texts[:, -1] = ord(",")
    numbers = cast(list[float], from_json(b"[" + texts.tobytes()[:-1] + b"]", allow_inf_nan=True))
    return np.fromiter(numbers, dtype=np.float64, count=len(numbers))


def _decode_ones(batch: Batch, history: Ints, which: list[int], keys: Keys, collected: _Collected, rows: Rows) -> None:
    """Decodes the rows `which` (positions in `history`) through the protobuf walk."""
    key: list[int] = []
    row: list[int] = []
    values: list[float] = []
    for position in which:
        record = batch.record(int(history[position]))
        _, start, end = records.kind_of(record)
        for path, value in records.history_items(record, start, end):
            if is_number(value):
                key.append(keys.number(".".join(path)))
                row.append(position)
                values.append(float(value))
            if not is_exact(value):
                rows.other.append((position, path, value))
    collected.key.append(np.array(key, dtype=np.int64))
    collected.row.append(np.array(row, dtype=np.int64))
    collected.value.append(np.array(values, dtype=np.float64))


def _group(collected: _Collected, keys: Keys, rows: Rows) -> None:
    """Fills `rows.numbers` from the items; of a key that a row holds twice the last counts."""
    key, row = np.concatenate(collected.key), np.concatenate(collected.row)
    value = np.concatenate(collected.value)
    # int16 sorts by radix; there is no second pass for the rows: scattering them puts them in order.
    order = np.argsort(key.astype(np.int16) if len(keys.names) < 2**15 else key, kind="stable")
    key, row, value = key[order], row[order], value[order]
    edges = np.flatnonzero(np.diff(key)) + 1
    dense = np.empty(rows.count, dtype=np.float64)
    for first, last in zip([0, *edges.tolist()], [*edges.tolist(), len(key)], strict=True):
        if first == last:
            continue
        present = np.zeros(rows.count, dtype=bool)
        present[row[first:last]] = True
        dense[row[first:last]] = value[first:last]
        where = np.flatnonzero(present)
        rows.numbers[keys.names[int(key[first])]] = (where, dense[where])


def _hash(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = words[:, 0] * _MIX[0]
    for column in range(1, words.shape[1]):
        mixed = (mixed ^ (mixed >> np.uint64(29)) ^ words[:, column]) * _MIX[column]
    return mixed
