"""Memory that a process shares with those it forks, so that what they make for it is not sent but only pointed at.

A pipe would take a batch of pictures apart and copy it five times. Here the arrays of a value lie in a buffer, and the
pipe carries the rest of it (pickle's protocol 5, PEP 574). A buffer is used again as soon as nothing refers to any
array in it; until then it stays as it is, for as long as somebody keeps one. So its pages are there already, which for
pictures costs as much as copying them would.

The buffers are memory files without a name: nothing stays behind when the processes are killed, and a container's
limit on /dev/shm does not hold for them.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import pickle
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

_LINE = 64  # bytes: where an array may begin
# Of glibc's malloc.h and mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_THRESHOLD = 32 << 20  # bytes, the most that it takes
_KEPT = 256 << 20  # bytes


class Packed(NamedTuple):
    """A value whose arrays lie in buffer `number`, each from one place to another."""

    number: int
    pickled: bytes
    places: list[tuple[int, int]]


class SharedBuffers:
    """`count` of them, as large as what is put there. To be made before the processes are forked that share them."""

    def __init__(self, count: int) -> None:
        self._files = [os.memfd_create("arrcoc-batch") for _ in range(count)]
        self._maps: dict[int, mmap.mmap] = {}  # of this process
        self._free = list(range(count))
        weakref.finalize(self, _close, self._files)

    def take(self) -> int | None:
        """A free one, for a process to put a value in; None where all are in use."""
        return self._free.pop() if self._free else None

    def pack(self, value: Any, number: int) -> Packed:
        """In the process that made the value."""
        held: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(value, protocol=5, buffer_callback=held.append)
        places, end = [], 0
        for array in held:
            start = -(-end // _LINE) * _LINE
            end = start + array.raw().nbytes
            places.append((start, end))
        if end:
            memory = self._mapped(number, end)
            for (start, stop), array in zip(places, held, strict=True):
                memory[start:stop] = array.raw()
        return Packed(number, pickled, places)

    def unpack(self, packed: Packed) -> Any:
        """In the process that took the buffer: the value, its arrays read-only."""
        size = packed.places[-1][1] if packed.places else 0
        if not size:
            self._free.append(packed.number)
            return pickle.loads(packed.pickled, buffers=[b""] * len(packed.places))
        # Every array in the buffer refers to this one, which ends with the last of them.
        whole = np.frombuffer(self._mapped(packed.number, size), np.uint8)
        whole.flags.writeable = False
        weakref.finalize(whole, self._free.append, packed.number).atexit = False
        return pickle.loads(packed.pickled, buffers=[whole[start:stop] for start, stop in packed.places])

    def _mapped(self, number: int, size: int) -> mmap.mmap:
        memory = self._maps.get(number)
        if memory is None or len(memory) < size:
            file = self._files[number]
            if os.fstat(file).st_size < size:
                os.ftruncate(file, 1 << (size - 1).bit_length())  # pages that nobody writes to take no memory
            memory = self._maps[number] = mmap.mmap(file, 0)
        return memory


def keep_freed_memory() -> None:
    """In a process that makes one picture after the other: the C library keeps what is freed for the next of them.

    Otherwise it gives large pieces back to the system each time, and each page of the next one has to be got and
    cleared anew: up to a quarter of the time that decoding and resizing take. For glibc; others are left as they are.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT)


def _close(files: Sequence[int]) -> None:
    for file in files:
        os.close(file)
