"""Long-running operations: what was asked for has been done, and is reported done a while later.

The name is `<prefix>/operations/<id>` (or `operations/<id>` without a prefix). Each service's clients poll them over
that service's own routes.
"""

from __future__ import annotations

from typing import Any

from arrcoc_core.sandbox.clock import Clock
from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.protos import empty, operations_pb2, plain
from arrcoc_core.sandbox.service import Call, page
from arrcoc_core.sandbox.state import State


class Operations:
    def __init__(self, state: State, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._table = state.messages("operations", _kind)
        self._due = state.table("operations due")

    def start(
        self, call: Call, prefix: str, response: Any = None, *, metadata: Any = None, after_s: float = 0.0
    ) -> Any:
        """An operation that will have succeeded with `response` (None: empty) after that many virtual seconds."""
        number = self._state.next("operations")
        kind = "p1" if call.service == "serviceusage" else f"{0x5B0000 + number:x}"
        name = f"{prefix}/operations/{kind}-{number:06}".lstrip("/")
        operation = _kind()(name=name, done=True)
        operation.response.Pack(plain(response) if response is not None else empty())
        if metadata is not None:
            operation.metadata.Pack(plain(metadata))
        self._table.put(name, operation)
        self._due.put(name, {"at": self._clock.now() + self._clock.scaled(after_s)})
        return self._seen(operation)

    def get(self, name: str) -> Any:
        operation = self._table.get(name)
        if operation is None:
            raise ApiError("NOT_FOUND", f"Operation not found: {name}", reason="RESOURCE_NOT_FOUND")
        return self._seen(operation)

    def list(self, prefix: str, size: int, token: str) -> Any:
        found = [self._seen(operation) for operation in self._table.values(prefix)]
        chosen, following = page(found, size, token)
        return operations_pb2().ListOperationsResponse(operations=chosen, next_page_token=following)

    def delete(self, name: str) -> None:
        self.get(name)
        self._table.delete(name)
        self._due.delete(name)

    def _seen(self, operation: Any) -> Any:
        """As a client sees it now: without its outcome while it is not due."""
        due = self._due.get(operation.name)
        if due is None or due["at"] <= self._clock.now():
            return operation
        waiting = _kind()(name=operation.name)
        waiting.metadata.CopyFrom(operation.metadata)
        return waiting


def _kind() -> Any:
    return operations_pb2().Operation
