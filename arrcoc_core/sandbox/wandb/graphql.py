"""A GraphQL request to its answer: parsed, checked against the schema, executed by views.

A view is an object whose attributes and methods are the fields of a type, in snake case: `historyLineCount` is
`history_line_count`, `run(name:)` is `run(name=…)`; or a dictionary with the fields as they are called. What is not in
the schema is refused before anything runs, in the words by which clients tell an older server: `Cannot query field "x"
on type "Y".`
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from threading import Lock
from typing import Any

from arrcoc_core.sandbox.wandb.schema import CORE

CACHED_QUERIES = 256
_CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z]+)")


class WandbError(Exception):
    """A refusal: `status` is that of the HTTP answer, `code` the extension by which W&B names it."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


def permission_denied() -> WandbError:
    return WandbError(403, "permission denied", "PERMISSION_ERROR")


class Endpoint:
    """`/graphql` over one schema."""

    def __init__(self, *parts: str) -> None:
        from graphql import build_schema

        self._schema: Any = build_schema("\n".join((CORE, *parts)))
        self._known: OrderedDict[str, Any] = OrderedDict()
        self._lock = Lock()

    def operation(self, query: str, name: str | None) -> tuple[str, bool]:
        """The name of what is asked (of its first field, where it has none), and whether it could change something.

        WandbError (400) for a query that this schema does not have.
        """
        from graphql import get_operation_ast

        found: Any = get_operation_ast(self._document(query), name)
        if found is None:
            raise WandbError(400, "Must provide operation name.")
        field = found.selection_set.selections[0]
        named = found.name.value if found.name else getattr(field, "name", field).value
        return str(named), found.operation.value == "mutation"

    def execute(
        self, query: str, variables: Mapping[str, Any] | None, name: str | None, root: Any
    ) -> tuple[int, dict[str, Any]]:
        """HTTP status and body. `root` has the fields of Query and Mutation."""
        import graphql

        library: Any = graphql
        result: Any = library.execute_sync(
            self._schema,
            self._document(query),
            root,
            variable_values=dict(variables or {}),
            operation_name=name,
            field_resolver=_resolve,
            type_resolver=_type_of,
        )
        body: dict[str, Any] = {}
        status = 200
        if result.errors:
            body["errors"] = [_error(error) for error in result.errors]
            for error in result.errors:
                cause = error.original_error
                if isinstance(cause, WandbError):
                    status = max(status, cause.status)
                elif error.path is None:
                    status = 400  # the variables do not fit
                elif cause is not None:
                    raise cause  # a fault of the sandbox
        if result.data is not None or not result.errors:
            body["data"] = result.data
        return status, body

    def _document(self, query: str) -> Any:
        """The parsed query; checked once for each text."""
        from graphql import GraphQLSyntaxError, parse, validate

        with self._lock:
            known = self._known.get(query)
            if known is not None:
                self._known.move_to_end(query)
        if known is None:
            try:
                document = parse(query)
                errors = validate(self._schema, document)
            except GraphQLSyntaxError as error:
                document, errors = None, [error]
            known = (document, [_words(error.message) for error in errors])
            with self._lock:
                self._known[query] = known
                if len(self._known) > CACHED_QUERIES:
                    self._known.popitem(last=False)
        document, refusals = known
        if refusals:
            raise WandbError(400, refusals[0])
        return document


@lru_cache(maxsize=1024)
def snake(name: str) -> str:
    """ "historyLineCount" -> "history_line_count", "queueIDs" -> "queue_ids"."""
    return _CAPITAL.sub(lambda match: f"_{match[1]}", name).lower()


def snaked(held: Mapping[str, Any]) -> dict[str, Any]:
    """An input object with its names in snake case."""
    return {snake(name): value for name, value in held.items()}


def _resolve(source: Any, info: Any, **given: Any) -> Any:
    name = info.field_name
    value: Any = source.get(name) if isinstance(source, dict) else getattr(source, snake(name))  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not callable(value):  # pyright: ignore[reportUnknownArgumentType]
        return value  # pyright: ignore[reportUnknownVariableType]
    return value(**{snake(name): snaked(held) if isinstance(held, dict) else held for name, held in given.items()})  # pyright: ignore[reportUnknownArgumentType]


def _type_of(value: Any, info: Any, abstract: Any) -> str:
    """Which type of an interface or a union it is."""
    return str(value.type_name)


def _error(error: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"message": _words(error.message)}
    if error.path is not None:
        found["path"] = error.path
    cause = error.original_error
    if isinstance(cause, WandbError) and cause.code:
        found["extensions"] = {"code": cause.code}
    return found


def _words(message: str) -> str:
    """Names in double quotes and without guesses, as clients look for them."""
    return message.split(" Did you mean")[0].replace("'", '"')
