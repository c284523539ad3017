"""The two kinds of message in Google's libraries, told apart in one place; imported when they are first needed.

A client's own messages are proto-plus: classes with `pb`, `wrap` and `serialize` around a protobuf one. Policies and
operations, which services share, are plain protobuf.
"""

from __future__ import annotations

import importlib
from typing import Any


def whole_module(name: str) -> Any:
    """A module, once every package around it is there whole.

    Python lets a thread import a part of a package that another thread is still at: the two then meet each other's
    halves ("partially initialized module"). After a restart, a job's thread and the first request come at once.
    """
    parts = name.split(".")
    for end in range(1, len(parts)):
        importlib.import_module(".".join(parts[:end]))  # waits for whoever is at it
    return importlib.import_module(name)


def operations_pb2() -> Any:
    return importlib.import_module("google.longrunning.operations_pb2")


def iam_policy_pb2() -> Any:
    return importlib.import_module("google.iam.v1.iam_policy_pb2")


def policy_pb2() -> Any:
    return importlib.import_module("google.iam.v1.policy_pb2")


def empty() -> Any:
    module: Any = importlib.import_module("google.protobuf.empty_pb2")
    return module.Empty()


def plain(message: Any) -> Any:
    """The protobuf message inside a proto-plus one; itself where it is one."""
    kind: Any = message.__class__
    return kind.pb(message) if hasattr(kind, "pb") else message


def plain_class(kind: Any) -> Any:
    """The protobuf class of a message class of either kind."""
    return kind.pb(kind()).__class__ if hasattr(kind, "pb") else kind


def wrapped(kind: Any, message: Any) -> Any:
    """A protobuf message as `kind`, the class a library offers for it; not a copy."""
    return kind.wrap(message) if hasattr(kind, "wrap") else message
