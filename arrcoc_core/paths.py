"""The one path grammar and the one checker: `tokens.keep` in a sweep, in `--set tokens.keep=4` and in `.training`.

A path is a field of `Experiment` or a section and a field of it, joined by a dot. Every value that reaches an
experiment by a path is checked by the same rules as one written in its constructor.
"""

import typing
from collections.abc import Mapping
from typing import Any, Literal, cast

from arrcoc_core.errors import ExperimentError
from arrcoc_core.experiment import SECTIONS, TARGETS, Experiment
from arrcoc_core.values import INHERIT, Site, Value, changed, field_names, owner, rebuilt

SWITCHES: Mapping[str, bool] = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""What True and False are called in text."""

TOP_FIELDS = ("name", "tags", "notes")


def known_paths() -> tuple[str, ...]:
    """Every path that can be set, in the order of the fields."""
    inside = [f"{section}.{name}" for section, cls in SECTIONS.items() for name in field_names(cls)]
    targets = [f"compute.{name}" for cls in TARGETS.values() for name in field_names(cls) if name != "kind"]
    return (*TOP_FIELDS, *inside, *dict.fromkeys(targets))


def with_path(
    experiment: Experiment, path: str, new: object, site: Site, place: tuple[str, int] | None = None
) -> Experiment:
    """A copy with one value changed. ExperimentError for an unknown path or a value that is not allowed."""
    return with_paths(experiment, {path: new}, site, place)


def with_paths(
    experiment: Experiment, values: Mapping[str, object], site: Site, place: tuple[str, int] | None = None
) -> Experiment:
    """A copy with several values changed at once, in any order."""
    place = place or owner(experiment)
    top: dict[str, Any] = {}
    sections: dict[str, dict[str, Any]] = {}
    for path, new in values.items():
        section, _, name = path.partition(".")
        if name and section in SECTIONS and name in SECTIONS[section].__dataclass_fields__:
            sections.setdefault(section, {})[name] = new
        elif path in TOP_FIELDS:
            top[path] = new
        else:
            check_path(path, site)
            sections.setdefault(section, {})[name] = new
    for section, fields in sections.items():
        held = getattr(experiment, section)
        if section == "compute":
            held = _target_with(held, tuple(fields), site)
        top[section] = changed(held, fields, site, place)
    return changed(experiment, top, site, place)


def check_path(path: str, site: Site) -> None:
    """ExperimentError, naming the nearest known path, unless `path` is one."""
    if path in known_paths():
        return
    # A section's name alone, such as "tokens", is a path to someone who has not seen the grammar yet.
    inside = [known for known in known_paths() if known.startswith(f"{path}.")]
    if inside:
        message, remedy = f"{path!r} is a section.", f"Name a field of it: {', '.join(inside)}."
    else:
        from arrcoc_core.explaining import nearest

        meant = nearest(path, known_paths())
        message = f"No field is called {path!r}."
        remedy = f"Did you mean {meant!r}?" if meant else f"Known: {', '.join(known_paths())}."
    raise ExperimentError(message, field=path, remedy=remedy, file=site.file or None, line=site.line or None)


def check_value(path: str, new: object, site: Site) -> Any:
    """The checked value of a field by its path (a whole number becomes a float where the field is one)."""
    check_path(path, site)
    cls, name = _field(path)
    fields = {"name": "unnamed", name: new} if cls is Experiment else {name: new}
    return getattr(rebuilt(cls, fields, {}, ("", 0), site), name)


def parse_assignment(text: str) -> tuple[str, Any]:
    """`tokens.keep=64` -> ("tokens.keep", 64), checked."""
    path, equals, value_text = text.partition("=")
    path = path.strip()
    site = Site("set", f"--set {text}", 0)
    if not equals:
        raise ExperimentError(
            f"{text!r} is not an assignment.", remedy="Write FIELD=VALUE, such as tokens.keep=4.", file=site.file
        )
    check_path(path, site)
    return path, check_value(path, parse_text(path, value_text.strip()), site)


def with_assignments(experiment: Experiment, assignments: typing.Sequence[str]) -> Experiment:
    """`--set` arguments applied in order, each remembered as the source of its value."""
    for text in assignments:
        path, new = parse_assignment(text)
        experiment = with_path(experiment, path, new, Site("set", f"--set {text}", 0))
    return experiment


def parse_text(path: str, text: str) -> object:
    """The text of one value in the type of its field; the text itself where it is not of that type.

    Whether it is allowed is not decided here but by the one checker, which then names what is.
    """
    kinds = _kinds(path)
    if tuple in kinds:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if bool in kinds:
        return SWITCHES.get(text.lower(), text)
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError:
                # "1e3" is a whole number to a person; "1.5" is not, and the checker says so.
                return _number(text)
    return text


def _number(text: str) -> object:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _kinds(path: str) -> frozenset[type]:
    """The plain types behind a field's annotation: {int}, {str}, {bool}, {float} or {tuple}."""
    cls, name = _field(path)
    annotation: Any = cls.__dataclass_fields__[name].type
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = annotation.__origin__
    origin: Any = typing.get_origin(annotation)
    if origin is Literal:
        return frozenset(type(choice) for choice in cast(tuple[object, ...], typing.get_args(annotation)))
    return frozenset({origin or annotation})


def _field(path: str) -> tuple[type[Value], str]:
    """The class and the name of the field behind a known path."""
    section, _, name = path.rpartition(".")
    if not section:
        return Experiment, name
    return (SECTIONS[section] if section in SECTIONS else _target_of(name)), name


def _target_of(*names: str) -> type[Value]:
    """The first target that has all these fields."""
    for cls in TARGETS.values():
        if all(name in cls.__dataclass_fields__ for name in names):
            return cls
    raise ExperimentError(f"No compute target has all of: {', '.join(names)}.", field="compute")


def _target_with(held: Any, names: tuple[str, ...], site: Site) -> Value:
    """The compute value to change: the one there is, or, where it was left out, the target that has these fields."""
    if held is INHERIT:
        return rebuilt(_target_of(*names), {}, {}, ("", 0), site)
    target: Value = held
    known = field_names(type(target))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ExperimentError(
            f"{type(target).__name__} has no field {unknown[0]!r}. Its fields: {', '.join(known)}.",
            field=f"compute.{unknown[0]}",
            remedy=f"Set compute={_target_of(*names).__name__}(...) instead.",
            file=site.file or None,
            line=site.line or None,
        )
    return target
