"""Every error of the system on one screen.

An error says what is wrong in one sentence, carries the data a program needs (file, line, field, key) and, where
there is something to do about it, a remedy. `exit_code` is what the command line ends with: 2 where the usage or
the configuration is wrong and nothing was created, 1 where something failed while it was being done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

CloudScope = Literal[
    "auth",
    "offline",
    "api-disabled",
    "billing",
    "permission",
    "not-found",
    "invalid",
    "conflict",
    "quota",
    "stockout",
    "unavailable",
    "internal",
]
"""What a cloud error is about, and so what can be done: `targets/vertex` maps it to stopping, waiting or moving on."""


class ArrcocError(Exception):
    """The root. `str(error)` is the message; `remedy` is what to do next, or empty; file and line where known."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "", file: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.file = file
        self.line = line

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.__dict__)

    @property
    def where(self) -> str:
        """`file:line`, `file`, or nothing."""
        if not self.file:
            return ""
        return f"{self.file}:{self.line}" if self.line else self.file


class ConfigError(ArrcocError):
    """Wrong usage or configuration: nothing was created."""

    exit_code = 2


class ExperimentError(ConfigError):
    """A value of an experiment is not allowed. `field` is its name, dotted where it lies in a section."""

    def __init__(
        self, message: str, *, field: str = "", remedy: str = "", file: str | None = None, line: int | None = None
    ) -> None:
        super().__init__(message, remedy=remedy, file=file, line=line)
        self.field = field


class SettingsError(ConfigError):
    """A line of `.training`, or an `ARRCOC_<KEY>` of the environment, is wrong. `key` is the key."""

    def __init__(
        self, message: str, *, key: str = "", remedy: str = "", file: str | None = None, line: int | None = None
    ) -> None:
        super().__init__(message, remedy=remedy, file=file, line=line)
        self.key = key


class DataError(ConfigError):
    """A row of a data set cannot be used: its picture is missing or damaged, or nobody answered."""


class NoProjectError(ConfigError):
    """Neither the working directory nor one above it is an arrcoc project."""


class UnknownExperimentError(ConfigError):
    """No experiment has this name."""


class DuplicateExperimentError(ConfigError):
    """Two experiments have one name."""


class PlanError(ConfigError):
    """The plan found that this experiment cannot run as it is written."""


class TargetUnavailableError(PlanError):
    """The place to run at is not available here."""


class DeviceError(ConfigError):
    """The device asked for is not there."""


class OutOfMemoryError(ConfigError):
    """What the experiment asks for does not fit into the memory that is there."""


class UnknownRunError(ConfigError):
    """No run has this id."""


class RunError(ArrcocError):
    """A run failed, or cannot do what was asked of it."""


class StoreError(ArrcocError):
    """The run store cannot be read or written."""


class WorldMovedError(ArrcocError):
    """What the plan was made from has changed since."""


class CheckpointError(ArrcocError):
    """A checkpoint is damaged or does not fit the experiment."""


class CloudError(ArrcocError):
    """A service of Google Cloud, W&B or the Hub refused or failed.

    `scope` says what it is about, `data` what the service added.
    """

    def __init__(
        self, message: str, *, scope: CloudScope, remedy: str = "", data: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.scope: CloudScope = scope
        self.data = dict(data or {})
        self.exit_code = 1 if scope in ("conflict", "stockout", "unavailable", "internal") else 2


class MetricsError(ArrcocError):
    """The metrics of a run cannot be read."""


def render(error: ArrcocError) -> str:
    """The error for a terminal: the message, where it was written, what to do next; each on its own line."""
    lines = [error.message]
    if error.where:
        lines.append(f"  {error.where}")
    if error.remedy:
        lines.extend(f"  → {line}" for line in error.remedy.splitlines())
    return "\n".join(lines)


def _rebuild(cls: type[ArrcocError], state: dict[str, object]) -> ArrcocError:
    """Unpickle: errors cross process borders with their data."""
    error = cls.__new__(cls)
    error.args = (state["message"],)
    error.__dict__.update(state)
    return error
