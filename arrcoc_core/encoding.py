"""Experiments as plain data for JSON, and back: strict on what people write, lenient on what was stored.

Fields that hold INHERIT are left out. Reading never fails on what a version before or after this one may have
written: an unknown field is dropped, a value that is no longer allowed is kept as it is, and both leave a note.
"""

from collections.abc import Mapping
from typing import Any, cast

from arrcoc_core.errors import ExperimentError
from arrcoc_core.experiment import SECTIONS, TARGETS, Experiment, Vertex
from arrcoc_core.values import INHERIT, Site, Value, field_names, rebuilt, unchecked, written

SCHEMA = 1
"""Version of what `encode` writes. Reading knows every version up to it and notes a later one."""

Plain = dict[str, Any]


def encode(of: Value) -> Plain:
    """The set fields as dicts, lists, strings, numbers and booleans."""
    plain: Plain = {}
    for name, held in of.__dict__.items():
        if held is INHERIT or name[0] == "_":
            continue
        if isinstance(held, Value):
            held = encode(held)
        elif isinstance(held, tuple):
            held = list(cast(tuple[object, ...], held))
        plain[name] = held
    return plain


def encode_sites(of: Value, prefix: str = "") -> dict[str, Site]:
    """Dotted path -> the call that set it."""
    sites = {prefix + name: site for name, site in written(of).items()}
    for name, held in of.__dict__.items():
        if isinstance(held, Value):
            sites.update(encode_sites(held, f"{prefix}{name}."))
    return sites


def decode(
    plain: Mapping[str, Any], *, sites: Mapping[str, Site] | None = None, place: tuple[str, int] = ("", 0)
) -> tuple[Experiment, tuple[str, ...]]:
    """The experiment and the notes on what could not be taken over as it was stored."""
    notes: list[str] = []
    reader = _Reader(sites or {}, place, notes)
    experiment = reader.read(Experiment, plain, "")
    return experiment, tuple(notes)


class _Reader:
    def __init__(self, sites: Mapping[str, Site], place: tuple[str, int], notes: list[str]) -> None:
        self.sites = sites
        self.place = place
        self.notes = notes

    def read(self, cls: type[Value], plain: Mapping[str, Any], prefix: str) -> Any:
        known = field_names(cls)
        fields: dict[str, Any] = {}
        for name, held in plain.items():
            if name not in known:
                self.notes.append(f"{prefix}{name} is not known to this version and was left out")
                continue
            inner = self._inner(cls, name, held)
            if inner is not None:
                held = self.read(inner, held, f"{prefix}{name}.")
            elif isinstance(held, list):
                held = tuple(cast(list[object], held))
            elif name == "compute":
                self.notes.append(f"compute {held!r} is not known to this version and was left out")
                continue
            fields[name] = held
        sites = {name: self.sites[prefix + name] for name in fields if prefix + name in self.sites}
        try:
            return rebuilt(cls, fields, sites, self.place, _NOWHERE)
        except ExperimentError as error:
            self.notes.append(error.message)
        whole = {name: fields.get(name, cls.__dataclass_fields__[name].default) for name in known}
        if cls is Experiment and "name" not in fields:
            whole["name"] = "unnamed"
        return unchecked(cls, whole, sites, self.place)

    def _inner(self, cls: type[Value], name: str, held: object) -> type[Value] | None:
        """The class of a field that is a value itself."""
        if not isinstance(held, dict):
            return None
        if cls is Experiment and name in SECTIONS:
            return SECTIONS[name]
        if cls is Experiment and name == "compute":
            return TARGETS.get(str(cast(Plain, held).get("kind")))
        return Vertex if name == "vertex" else None


_NOWHERE = Site("here", "", 0)
