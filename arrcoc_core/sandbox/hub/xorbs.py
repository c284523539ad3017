"""What a Xet client sends: xorbs (chunks of files, compressed) and shards (which chunks make up which file).

Formats: https://huggingface.co/docs/xet, pages "xorb" and "shard", checked against hf_xet 1.8.

    xorb   chunk*          chunk   version u8, compressed u24, scheme u8, uncompressed u24, bytes
                           scheme  0 as it is, 1 LZ4 frame, 2 LZ4 frame of the bytes grouped by their place modulo 4
    shard  header 48, files, bookend, xorbs, bookend; all in entries of 48 bytes, numbers little-endian
           file            hash 32, flags u32, entries u32; then its segments, with flag 31 a proof for each,
                           with flag 30 its SHA-256
           segment         xorb 32, flags u32, bytes u32, first chunk u32, chunk behind the last u32

A hash is written in hexadecimal as four little-endian numbers of eight bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import unpack_from

from arrcoc_core.sandbox.hub.errors import bad_request

_SHARD_MAGIC = b"HFRepoMetaData\0"
_ENTRY = 48
_BOOKEND = b"\xff" * 32
_PROOFS, _SHA256 = 1 << 31, 1 << 30
_FRAME_MAGIC = b"\x04\x22\x4d\x18"
_RAW_BLOCK = 1 << 31


@dataclass(frozen=True)
class Segment:
    xorb: str
    size: int
    first: int
    """Its chunks are [first, stop) of the xorb."""
    stop: int


@dataclass(frozen=True)
class SharedFile:
    sha256: str
    """ "" where the client did not say."""
    segments: tuple[Segment, ...]


def shard_files(shard: bytes) -> list[SharedFile]:
    """The files that a shard describes. HubError 400 where it is none."""
    if not shard.startswith(_SHARD_MAGIC) or len(shard) % _ENTRY:
        raise bad_request("This is not a shard")
    found: list[SharedFile] = []
    at = _ENTRY
    while at < len(shard) and shard[at : at + 32] != _BOOKEND:
        flags, count = unpack_from("<II", shard, at + 32)
        at += _ENTRY
        if at + count * _ENTRY > len(shard):
            raise bad_request("The shard ends in the middle of a file")
        segments: list[Segment] = []
        for place in range(at, at + count * _ENTRY, _ENTRY):
            _, size, first, stop = unpack_from("<IIII", shard, place + 32)
            segments.append(Segment(hash_text(shard[place : place + 32]), size, first, stop))
        at += count * _ENTRY * (2 if flags & _PROOFS else 1)
        sha256 = ""
        if flags & _SHA256:
            sha256 = hash_text(shard[at : at + 32])
            at += _ENTRY
        found.append(SharedFile(sha256, tuple(segments)))
    return found


def hash_text(raw: bytes) -> str:
    return "".join(f"{number:016x}" for number in unpack_from("<4Q", raw))


def chunks(xorb: bytes, first: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """The content of the chunks [first, stop), decompressed. HubError 400 where it is no xorb or has not as many."""
    at = index = 0
    while at < len(xorb) and (stop is None or index < stop):
        if at + 8 > len(xorb) or xorb[at]:
            raise bad_request("This is not a xorb")
        length = int.from_bytes(xorb[at + 1 : at + 4], "little")
        size = int.from_bytes(xorb[at + 5 : at + 8], "little")
        if at + 8 + length > len(xorb):
            raise bad_request("The xorb ends in the middle of a chunk")
        if index >= first:
            content = _chunk(xorb[at + 8 : at + 8 + length], xorb[at + 4], size)
            if len(content) != size:
                raise bad_request(f"Chunk {index} of the xorb is {len(content)} bytes long and says {size}")
            yield content
        at += 8 + length
        index += 1
    if stop is not None and index < stop:
        raise bad_request(f"The xorb has {index} chunks, not {stop}")


def _chunk(data: bytes, scheme: int, size: int) -> bytes:
    if scheme == 0:
        return data
    if scheme not in (1, 2):
        raise bad_request(f"Unknown compression of a chunk: {scheme}")
    try:
        content = _frame(data)
    except IndexError as error:
        raise bad_request("A chunk is not an LZ4 frame") from error
    if scheme == 1:
        return content
    grouped = bytearray(size)
    at = 0
    for group in range(4):
        length = (size + 3 - group) // 4
        grouped[group::4] = content[at : at + length]
        at += length
    return bytes(grouped)


def _frame(data: bytes) -> bytes:
    """An LZ4 frame, without its checksums: the file as a whole is checked against its SHA-256.

    https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
    """
    if data[:4] != _FRAME_MAGIC:
        raise IndexError
    flags = data[4]
    at = 7 + (8 if flags & 8 else 0) + (4 if flags & 1 else 0)  # content size, dictionary
    out = bytearray()
    while True:
        (length,) = unpack_from("<I", data.ljust(at + 4, b"\0"), at)
        at += 4
        if length == 0:
            return bytes(out)
        end = at + (length & ~_RAW_BLOCK)
        if length & _RAW_BLOCK:
            out += data[at:end]
        else:
            _block(data, at, end, out)
        at = end + (4 if flags & 16 else 0)  # the block's checksum


def _block(data: bytes, at: int, end: int, out: bytearray) -> None:
    """One block of sequences: literals, then a copy of what stands `offset` bytes back.

    https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
    """
    while at < end:
        token = data[at]
        at += 1
        length = token >> 4
        if length == 15:
            more = 255
            while more == 255:
                more = data[at]
                length += more
                at += 1
        out += data[at : at + length]
        at += length
        if at >= end:
            return
        offset = data[at] | data[at + 1] << 8
        at += 2
        length = (token & 15) + 4
        if length == 19:
            more = 255
            while more == 255:
                more = data[at]
                length += more
                at += 1
        start = len(out) - offset
        if not 0 <= start < len(out):
            raise IndexError
        if offset >= length:
            out += out[start : start + length]
        else:  # it overlaps itself: what is copied is repeated
            piece = bytes(out[start:])
            out += (piece * (length // offset + 1))[:length]
