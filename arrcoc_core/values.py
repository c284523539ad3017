"""What makes the experiment types values: frozen, keyword-only, strict, and aware of where they were written.

`@value` turns a class with annotated fields into a frozen pydantic dataclass that accepts keyword arguments only,
refuses unknown ones and converts nothing (an int is fine where a float is asked for). A field left out holds
`INHERIT`, and `resolve` fills it. Each value remembers, outside of equality and hash, by which call each of its
fields was set: that is what errors, the "source of every value" and the owner of an experiment are read from.

A wrong value fails in the call that writes it, as an `ExperimentError` with the field, the value, what is allowed,
and the file and line.
"""

import sys
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs, ValidationError
from typing_extensions import dataclass_transform

if TYPE_CHECKING:
    from arrcoc_core.errors import ExperimentError

V = TypeVar("V", bound="Value")


class _Inherit:
    """The one value that means "left out": the field comes from `.training` or the built-in default."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "INHERIT"

    def __reduce__(self) -> str:
        return "INHERIT"


INHERIT: Any = _Inherit()
"""Stands in a field that was left out. Typed Any, so that `keep: int = INHERIT` stays an int to the type checker."""


class Site(NamedTuple):
    """The call that set a field: how (`here`, `but`, `sweep`, `set`), and in which file and line."""

    kind: str
    file: str
    line: int


class Value:
    """Base of the experiment types. `but` gives a copy with some fields changed, checked like the original."""

    _OWNED: ClassVar[bool] = False

    if TYPE_CHECKING:
        __pydantic_validator__: ClassVar[Any]
        __dataclass_fields__: ClassVar[dict[str, Any]]
    else:
        # Each class declares its own typed `but` for the type checker; this one runs.
        def but(self, **changes):
            return changed(self, changes, "but", sys._getframe(1))

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={held!r}"
            for name, field in self.__dataclass_fields__.items()
            if (held := getattr(self, name)) is not INHERIT and held != field.default
        )
        return f"{type(self).__name__}({shown})"


@dataclass_transform(kw_only_default=True, frozen_default=True)
def value(cls: type[V]) -> type[V]:
    """Class decorator: see the module."""
    made = dataclass(cls, frozen=True, kw_only=True, repr=False, config=_CONFIG)
    made.__init__ = _init
    return made


def written(of: Value) -> Mapping[str, Site]:
    """Which fields were set, and by which call; fields left out are not in it."""
    return of.__dict__["_written"]


def owner(of: Value) -> tuple[str, int]:
    """File and line of the module-level statement that made this experiment."""
    return of.__dict__["_owner"]


def field_names(cls: type[Value]) -> tuple[str, ...]:
    """The fields in the order they are declared."""
    return tuple(cls.__dataclass_fields__)


def changed(of: V, changes: Mapping[str, Any], kind: str, frame: FrameType) -> V:
    """A checked copy of `of` with `changes`; `kind` and `frame` say how and where they were written."""
    state = of.__dict__
    fields = {name: state[name] for name in of.__dataclass_fields__ if state[name] is not INHERIT}
    fields.update(changes)
    made = type(of).__new__(type(of))
    site = Site(kind, frame.f_code.co_filename, frame.f_lineno)
    _fill(made, (), fields, site)
    made.__dict__["_written"] = {**written(of), **dict.fromkeys(changes, site)}
    if made._OWNED:
        made.__dict__["_owner"] = _module_line(frame)
    return made


def rebuilt(cls: type[V], fields: dict[str, Any], sites: dict[str, Site], place: tuple[str, int] = ("", 0)) -> V:
    """A checked value whose origin is already known (read back from JSON)."""
    made = cls.__new__(cls)
    _fill(made, (), fields, next(iter(sites.values()), Site("here", "", 0)))
    made.__dict__["_written"] = sites
    if cls._OWNED:
        made.__dict__["_owner"] = place
    return made


def filled(of: V, inherited: Mapping[str, Any]) -> V:
    """`of` with the fields that were left out taken from `inherited`, which has been checked before.

    Only `resolve` calls it, once for each section of each point of a sweep: it does not check again.
    """
    state = of.__dict__
    if INHERIT not in state.values():
        return of
    made = type(of).__new__(type(of))
    made.__dict__.update(
        {name: inherited[name] if held is INHERIT else held for name, held in state.items()}
    )
    return made


_CONFIG = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


def _init(self: Value, *args: Any, **fields: Any) -> None:
    frame = sys._getframe(1)
    site = Site("here", frame.f_code.co_filename, frame.f_lineno)
    _fill(self, args, fields, site)
    self.__dict__["_written"] = {name: site for name in fields if fields[name] is not INHERIT}
    if self._OWNED:
        self.__dict__["_owner"] = _module_line(frame)


def _fill(of: Value, args: tuple[Any, ...], fields: dict[str, Any], site: Site) -> None:
    try:
        of.__pydantic_validator__.validate_python(ArgsKwargs(args, fields), self_instance=of)
    except ValidationError as error:
        given = {name: held for name, held in fields.items() if held is not INHERIT}
        if len(given) < len(fields):
            return _fill(of, args, given, site)
        raise _explained(type(of), error, site) from None


def _explained(cls: type[Value], error: ValidationError, site: Site) -> "ExperimentError":
    # Loaded only when something is wrong: the happy path of `import arrcoc_core` stays small.
    from arrcoc_core.explaining import explain

    return explain(cls, error, site)


def _module_line(frame: FrameType) -> tuple[str, int]:
    """The nearest module-level line above this call: a helper function in another file does not own what it makes."""
    at: FrameType | None = frame
    while at is not None:
        if at.f_code.co_name == "<module>":
            return at.f_code.co_filename, at.f_lineno
        at = at.f_back
    return frame.f_code.co_filename, frame.f_lineno
