"""The framing of a `.wandb` file: from bytes to records, up to the last one that is whole.

The file is a LevelDB log: a 7-byte header (`:W&B`, magic, version) counted inside the first of its 32 KiB blocks,
then chunks `<crc u32> <length u16> <kind u8> <payload>`; the CRC is `zlib.crc32` over kind and payload. A chunk
never crosses a block; a record is one FULL chunk, or FIRST MIDDLE* LAST. Fewer than 7 bytes left in a block
are padding.

What a reader of a growing file has to bear:
- the tail may be torn anywhere (mid header, mid chunk, FIRST without LAST): stop in front of that record; the
  next read begins there, so nothing is lost when the rest arrives;
- a chunk that is wrong in the last block may still be on its way: wait. Wrong with another block begun behind it
  (the file is written in order), it is damage: go on at the next block and count it.

`read_batch` is a function of (file, offset): the offset it returns is all the state there is.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, field
from struct import Struct
from typing import BinaryIO

from arrcoc_core.errors import MetricsError

BLOCK = 32 * 1024
FILE_HEADER = b":W&B\xe1\xbe\x00"
BATCH = 2 * 1024 * 1024
PADDING = 512  # readers of `data` may look this far past the end of any record

_HEADER = Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


@dataclass
class Batch:
    """Some whole records, in the order of the file: record i is `data[starts[i]:ends[i]]`.

    `data` is a piece of the file, and behind it those records that were put together from several chunks.
    """

    data: bytes = bytes(PADDING)
    starts: list[int] = field(default_factory=list[int])
    ends: list[int] = field(default_factory=list[int])
    next_offset: int = 0  # where the next batch begins: just behind the last whole record
    damaged: int = 0  # places at which a wrong chunk was skipped
    at_end: bool = True  # no whole record is left behind `next_offset` for now

    def __len__(self) -> int:
        return len(self.starts)

    def record(self, i: int) -> bytes:
        """The protobuf bytes of record i."""
        return self.data[self.starts[i] : self.ends[i]]


def read_batch(file: BinaryIO, offset: int, size: int = BATCH) -> Batch:
    """The whole records of at most `size` bytes from `offset` on (0, or a `next_offset` returned before).

    Raises MetricsError when the file does not begin like a `.wandb` file.
    """
    file_size = os.fstat(file.fileno()).st_size
    if offset == 0:
        file.seek(0)
        header = file.read(len(FILE_HEADER))
        if header != FILE_HEADER[: len(header)]:
            raise MetricsError(
                f"{file.name} is not a W&B transaction log (it begins with {header!r})",
                remedy="Files of wandb 0.31 can be read; remove this one from the run's folder.",
            )
        if len(header) < len(FILE_HEADER):
            return Batch()
        offset = len(FILE_HEADER)
    while True:
        file.seek(offset)
        data = file.read(size)
        reached_end = offset + len(data) >= file_size
        batch = _scan(data, offset, file_size)
        batch.at_end = reached_end
        if batch.starts or reached_end or batch.next_offset > offset:
            return batch
        size *= 2  # one record is larger than the batch


def _scan(data: bytes, base: int, file_size: int) -> Batch:
    """Frames `data`, which lies at `base` in the file and begins with a record or in the middle of damage."""
    batch = Batch()
    starts, ends = batch.starts, batch.ends
    unpack, crc32 = _HEADER.unpack_from, zlib.crc32
    size = joined_end = len(data)
    position = whole = 0  # of data; `whole` is behind the last whole record
    partial: list[bytes] | None = None
    joined: list[bytes] = []
    while position + 7 <= size:
        block_end = position + BLOCK - (base + position) % BLOCK
        limit = min(block_end, size)
        if partial is None:  # the plain case in a loop of its own: records of one whole chunk
            while position + 7 <= limit:
                crc, length, kind = unpack(data, position)
                end = position + 7 + length
                if kind != _FULL or end > limit or crc32(data[position + 6 : end]) != crc:
                    break
                starts.append(position + 7)
                ends.append(end)
                position = end
            whole = position
        if block_end - position < 7:
            position = block_end
            if partial is None:
                whole = min(position, size)
            continue
        if position + 7 > size:
            break
        crc, length, kind = unpack(data, position)
        end = position + 7 + length
        if end > size and end <= block_end:
            break  # not all of it is here yet
        if end > block_end or crc32(data[position + 6 : end]) != crc or not _FULL <= kind <= _LAST:
            if base + block_end >= file_size:
                break  # in the last block: it may still be on its way
            batch.damaged += 1
            partial = None
            position = block_end
            whole = min(position, size)
            continue
        if kind in (_FULL, _FIRST) and partial is not None:  # the rest of the record before never came
            batch.damaged += 1
            partial, whole = None, position
        if kind == _FULL:
            continue
        if kind == _FIRST:
            partial = [data[position + 7 : end]]
        elif partial is not None:
            partial.append(data[position + 7 : end])
            if kind == _LAST:
                record = b"".join(partial)
                joined.append(record)
                starts.append(joined_end)
                joined_end += len(record)
                ends.append(joined_end)
                partial = None
        position = end
        if partial is None:
            whole = position
    batch.data = b"".join([data, *joined, bytes(PADDING)])
    batch.next_offset = base + whole
    return batch
