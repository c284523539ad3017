"""What the Storage server is asked and what it answers, without any socket in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol


class Readable(Protocol):
    """A request's body: `read(n)` gives at most n bytes and b"" at its end, or when the sender has gone."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    """As sent, still quoted: an object's name may hold a slash."""
    query: Mapping[str, tuple[str, ...]]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Readable
    base: str
    """This server's address as the client wrote it, such as http://127.0.0.1:41001."""

    def one(self, name: str) -> str | None:
        values = self.query.get(name)
        return values[-1] if values else None

    def json(self) -> dict[str, Any]:
        parts = list[bytes]()
        while piece := self.body.read(1 << 20):
            parts.append(piece)
        raw = b"".join(parts)
        if len(raw) < int(self.headers.get("content-length") or 0):
            raise ConnectionAbortedError("the sender has gone: half a message is none")
        if not raw:
            return {}
        try:
            held: Any = json.loads(raw)
        except ValueError:
            raise StorageError(400, "parseError", "Parse Error") from None
        if not isinstance(held, dict):
            raise StorageError(400, "parseError", "Parse Error")
        return held  # pyright: ignore[reportUnknownVariableType]


@dataclass
class Reply:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    file: BinaryIO | None = None
    """Sent after `body`: `length` bytes from where it stands; the sender closes it."""
    length: int = 0


def json_reply(held: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(
        status,
        {"Content-Type": "application/json; charset=UTF-8", **(headers or {})},
        json.dumps(held, ensure_ascii=False).encode(),
    )


class StorageError(Exception):
    """An answer of the service that is an error: HTTP status, Google's reason word, message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message

    def reply(self, *, media: bool = False) -> Reply:
        """Downloads are refused in plain text, everything else in JSON."""
        if self.status == 304:
            return Reply(304)
        if media:
            return Reply(self.status, {"Content-Type": "text/html; charset=UTF-8"}, self.message.encode())
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        return json_reply(
            {"error": {"code": self.status, "message": self.message, "errors": [detail]}}, status=self.status
        )


def precondition_failed() -> StorageError:
    return StorageError(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")


def invalid(message: str) -> StorageError:
    return StorageError(400, "invalid", message)
