"""One HTTP request and its answer, as services that are not GAPIC ones see them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from email.message import Message
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qs

from arrcoc_core.sandbox.errors import DropConnection

if TYPE_CHECKING:
    from arrcoc_core.sandbox.service import Call

REASONS = {308: "Resume Incomplete"}


class Body:
    """The request's body as a stream that ends where it ends, plain or chunked."""

    def __init__(self, source: BinaryIO, headers: Message) -> None:
        self._source = source
        self._chunked = "chunked" in str(headers.get("Transfer-Encoding", "")).lower()
        self._left = 0 if self._chunked else int(headers.get("Content-Length") or 0)
        self._ended = not self._chunked and self._left == 0

    @property
    def ended(self) -> bool:
        return self._ended

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
        found = self._source.read(min(size, self._left))
        if not found:
            raise EOFError("the client has gone away")
        self._left -= len(found)
        if self._left == 0:
            if self._chunked:
                self._line()
            else:
                self._ended = True
        return found

    def _line(self) -> bytes:
        return self._source.readline(65536).strip()


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
        self._write = write

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
        self._write(status, {"Content-Length": str(length), **(headers or {})}, chunks)

    def json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def drop(self) -> None:
        """End the connection without an answer."""
        raise DropConnection
