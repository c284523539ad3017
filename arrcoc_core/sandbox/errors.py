"""What a handler raises, and how it goes over the wire: google.rpc.Status, as the real services send it.

Real clients read `e.reason`, `e.domain` and `e.metadata` from the ErrorInfo in the details.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

# name -> (gRPC code, HTTP status), from google/rpc/code.proto
CODES: Mapping[str, tuple[int, int]] = {
    "CANCELLED": (1, 499),
    "UNKNOWN": (2, 500),
    "INVALID_ARGUMENT": (3, 400),
    "DEADLINE_EXCEEDED": (4, 504),
    "NOT_FOUND": (5, 404),
    "ALREADY_EXISTS": (6, 409),
    "PERMISSION_DENIED": (7, 403),
    "RESOURCE_EXHAUSTED": (8, 429),
    "FAILED_PRECONDITION": (9, 400),
    "ABORTED": (10, 409),
    "OUT_OF_RANGE": (11, 400),
    "UNIMPLEMENTED": (12, 501),
    "INTERNAL": (13, 500),
    "UNAVAILABLE": (14, 503),
    "DATA_LOSS": (15, 500),
    "UNAUTHENTICATED": (16, 401),
}


class DropConnection(Exception):
    """The answer is never sent: the connection just ends."""


class ApiError(Exception):
    """`status` is a name of CODES; `violations` are (field, description) pairs of a BadRequest."""

    def __init__(
        self,
        status: str,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        domain: str = "googleapis.com",
        violations: Sequence[tuple[str, str]] = (),
        storage_reason: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.domain = domain
        self.violations = tuple(violations)
        self.storage_reason = storage_reason
        """The `reason` of Cloud Storage's older form of error."""
        self.headers = dict(headers or {})
        """Of the answer over HTTP."""

    @property
    def grpc_code(self) -> int:
        return CODES[self.status][0]

    @property
    def http_status(self) -> int:
        return CODES[self.status][1]

    def details(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if self.reason:
            found.append(
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": self.reason,
                    "domain": self.domain,
                    "metadata": self.metadata,
                }
            )
        if self.violations:
            rows = [{"field": field, "description": text} for field, text in self.violations]
            found.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": rows})
        return found

    def to_json(self) -> bytes:
        error: dict[str, Any] = {"code": self.http_status, "message": self.message, "status": self.status}
        if self.storage_reason:
            # Cloud Storage's older list; its clients read only the message, people read the reason.
            error["errors"] = [{"message": self.message, "domain": "global", "reason": self.storage_reason}]
        details = self.details()
        if details:
            error["details"] = details
        return json.dumps({"error": error}).encode()

    def to_status(self) -> bytes:
        """google.rpc.Status, serialised, for `grpc-status-details-bin`."""
        from google.protobuf import json_format
        from google.rpc import (  # pyright: ignore[reportMissingTypeStubs]
            error_details_pb2,  # noqa: F401 # pyright: ignore[reportUnusedImport, reportUnknownVariableType]
            status_pb2,
        )

        held: dict[str, Any] = {"code": self.grpc_code, "message": self.message, "details": self.details()}
        status: Any = status_pb2
        return json_format.ParseDict(held, status.Status()).SerializeToString()
