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
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, TypeVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs, ValidationError
from typing_extensions import dataclass_transform

if TYPE_CHECKING:
    from arrcoc_core.errors import ExperimentError

V = TypeVar("V", bound="Value")

Whole = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]


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


class Source(NamedTuple):
    """Where a resolved value comes from.

    kind: `here`, `but`, `sweep` (detail: file:line), `set` (the argument), `.training` (KEY, line N), `environment`
    (the variable) or `default` (nothing).
    """

    kind: str
    detail: str


class Value:
    """Base of the experiment types. `but` gives a copy with some fields changed, checked like the original."""

    if TYPE_CHECKING:
        __pydantic_validator__: ClassVar[Any]
        __dataclass_fields__: ClassVar[dict[str, Any]]
    else:
        # Each class declares its own typed `but` for the type checker; this one runs.
        def but(self, **changes):
            return changed(self, changes, *here("but", sys._getframe(1)))

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
    made: Any = dataclass(cls, frozen=True, kw_only=True, repr=False, config=_CONFIG)
    made.__init__ = _init
    return made


def written(of: Value) -> Mapping[str, Site]:
    """Which fields were set, and by which call; fields left out are not in it."""
    return of.__dict__["_written"]


def owner(of: Value) -> tuple[str, int]:
    """File and line of the module-level statement that made this value.

    A helper function in another file does not own what it makes; the file that calls it does.
    """
    return of.__dict__["_owner"]


def field_names(cls: type[Value]) -> tuple[str, ...]:
    """The fields in the order they are declared."""
    return tuple(cls.__dataclass_fields__)


def here(kind: str, frame: FrameType) -> tuple[Site, tuple[str, int]]:
    """The site of a call, and the nearest module-level line above it."""
    file = frame.f_code.co_filename
    at: FrameType | None = frame
    while at is not None:
        if at.f_code.co_name == "<module>":
            return Site(kind, file, frame.f_lineno), (at.f_code.co_filename, at.f_lineno)
        at = at.f_back
    return Site(kind, file, frame.f_lineno), (file, frame.f_lineno)


def changed(of: V, changes: Mapping[str, Any], site: Site, place: tuple[str, int]) -> V:
    """A checked copy of `of` with `changes`, which were written at `site`, under the module-level line `place`."""
    state = of.__dict__
    fields = {name: state[name] for name in of.__dataclass_fields__ if state[name] is not INHERIT}
    fields.update(changes)
    sites = {**state["_written"], **dict.fromkeys(changes, site)}
    return rebuilt(type(of), fields, sites, place, site)


def rebuilt(
    cls: type[V], fields: Mapping[str, Any], sites: Mapping[str, Site], place: tuple[str, int], site: Site
) -> V:
    """A checked value whose origin is already known; an error is reported at `site`."""
    made = cls.__new__(cls)
    _fill(made, (), dict(fields), site)
    made.__dict__["_written"] = sites
    made.__dict__["_owner"] = place
    return made


def unchecked(cls: type[V], fields: Mapping[str, Any], sites: Mapping[str, Site], place: tuple[str, int]) -> V:
    """A value whose fields have all been checked before, or were stored by an older version: every field is given."""
    made = cls.__new__(cls)
    made.__dict__.update(fields, _written=sites, _owner=place)
    return made


_CONFIG = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


def _init(self: Value, *args: Any, **fields: Any) -> None:
    site, place = here("here", sys._getframe(1))  # pyright: ignore[reportPrivateUsage]
    _fill(self, args, fields, site)
    self.__dict__["_written"] = {name: site for name, held in fields.items() if held is not INHERIT}
    self.__dict__["_owner"] = place


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
