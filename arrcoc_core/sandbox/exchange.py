"""One HTTP request and its answer, as services that are not GAPIC ones see them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from email.message import Message
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qs

from arrcoc_core.sandbox.errors import DropConnection

if TYPE_CHECKING:
    from arrcoc_core.sandbox.faults import CutConnection
    from arrcoc_core.sandbox.service import Call

REASONS = {308: "Resume Incomplete"}
PIECE = 1 << 16
"""Bytes that are sent at once where a scenario slows things down."""


class Body:
    """The request's body as a stream that ends where it ends, plain or chunked."""

    def __init__(self, source: BinaryIO, headers: Message) -> None:
        self._source = source
        self._chunked = "chunked" in str(headers.get("Transfer-Encoding", "")).lower()
        self._left = 0 if self._chunked else int(headers.get("Content-Length") or 0)
        self._ended = not self._chunked and self._left == 0
        self._cut: int | None = None
        self._brake: Brake | None = None

    @property
    def ended(self) -> bool:
        return self._ended

    def cut_after(self, size: int) -> None:
        """End the connection once so many more bytes have been read, or at the end of what is shorter."""
        self._cut = size
        if self._ended or (not self._chunked and self._left <= size):
            raise DropConnection

    @property
    def cut(self) -> bool:
        """Whether the connection is to end before an answer."""
        return self._cut is not None

    def slow_down(self, brake: Brake) -> None:
        self._brake = brake

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; b"" at the end. All of it for -1. EOFError where the client goes away before."""
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        if self._chunked and self._left == 0 and not self._ended:
            self._left = int(self._line().split(b";")[0], 16)
            if self._left == 0:
                while self._line():  # trailers
                    pass
                self._ended = True
        if self._ended:
            return b""
        if self._cut == 0:
            raise DropConnection
        found = self._source.read(min(size, self._left) if self._cut is None else min(size, self._left, self._cut))
        if not found:
            raise EOFError("the client has gone away")
        if self._cut is not None:
            self._cut -= len(found)
        if self._brake is not None:
            self._brake.take(len(found))
        self._left -= len(found)
        if self._left == 0:
            if self._chunked:
                self._line()
            else:
                self._ended = True
        return found

    def _line(self) -> bytes:
        return self._source.readline(65536).strip()


class Brake:
    """Makes whoever moves bytes wait for them, so that no more than `bytes_per_s` go by."""

    def __init__(self, bytes_per_s: float, closing: threading.Event) -> None:
        self._bytes_per_s = bytes_per_s
        self._closing = closing

    def take(self, size: int) -> None:
        self._closing.wait(size / self._bytes_per_s)


class Exchange:
    """`path` is without the service's prefix and still quoted; `caller` is the account's e-mail or ""."""

    def __init__(
        self,
        *,
        verb: str,
        path: str,
        query: str,
        headers: Message,
        stream: Body,
        write: Callable[[int, Mapping[str, str], Iterable[bytes]], None],
    ) -> None:
        self.verb = verb
        self.path = path
        self.query: dict[str, list[str]] = parse_qs(query, keep_blank_values=True)
        self.headers = headers
        self.stream = stream
        self.caller = ""
        self.base = ""
        """Address of the service, with its prefix, as this client wrote it."""
        self.begin: Callable[[Exchange, str, bool, str], Call] | None = None
        self.before_answer: Callable[[], None] | None = None
        self.headers_added: Mapping[str, str] = {}
        """Go out with whatever answer is sent."""
        self._answer_cut: int | None = None
        self._brake: Brake | None = None
        self._write = write

    def cut(self, fault: CutConnection) -> None:
        """End the connection in the middle of what is still to be read, or of the answer."""
        if fault.side == "request":
            self.stream.cut_after(fault.after_bytes)
        else:
            self._answer_cut = fault.after_bytes

    def slow_down(self, bytes_per_s: float | None, closing: threading.Event) -> None:
        self._brake = None if bytes_per_s is None else Brake(bytes_per_s, closing)
        if self._brake is not None:
            self.stream.slow_down(self._brake)

    def read(self) -> bytes:
        return self.stream.read()

    def recorded(self, method: str, *, mutating: bool, project: str = "") -> Call:
        """Say what this request is, once, before acting: it is recorded and the scenario's faults may raise here."""
        assert self.begin is not None
        return self.begin(self, method, mutating, project)

    def send(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_stream(status, len(body), [body] if body else [], headers)

    def send_stream(
        self, status: int, length: int, chunks: Iterable[bytes], headers: Mapping[str, str] | None = None
    ) -> None:
        if self.before_answer is not None:
            self.before_answer()
        if self.stream.cut:
            raise DropConnection
        if self._brake is not None:
            chunks = _braked(chunks, self._brake)
        if self._answer_cut is not None:
            chunks = _until(chunks, min(self._answer_cut, max(length - 1, 0)))
        self._write(status, {"Content-Length": str(length), **self.headers_added, **(headers or {})}, chunks)

    def json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def drop(self) -> None:
        """End the connection without an answer."""
        raise DropConnection


def _braked(chunks: Iterable[bytes], brake: Brake) -> Iterator[bytes]:
    for chunk in chunks:
        for first in range(0, len(chunk), PIECE):
            piece = chunk[first : first + PIECE]
            brake.take(len(piece))
            yield piece


def _until(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The first `size` bytes, and then the end of the connection."""
    for chunk in chunks:
        if size == 0:
            break
        yield chunk[:size]
        size -= len(chunk[:size])
    raise DropConnection
