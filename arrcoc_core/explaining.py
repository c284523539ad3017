"""From a failed check to one sentence: which field, which value, what is allowed, in which file and line.

Loaded only when something is wrong.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import ErrorDetails, ValidationError

from arrcoc_core.errors import ExperimentError
from arrcoc_core.values import Site, Value, field_names

REASONS = {
    "Model.freeze_base": (
        "must be True: only the selector learns; the base's parameters are shared, unchanged, by every run",
        "Leave freeze_base out (or True).",
    ),
    "Model.revision": ("must be a revision on the Hub, such as a commit, or empty", ""),
    "Hub.repo": ('must be owner/name, such as "me/arr-coc", or empty', ""),
    "Experiment.compute": ("must be Local(...), Vertex(...) or WandbLaunch(...)", ""),
    "Experiment.name": (
        "must start with a letter or digit and hold only letters, digits and . _ / , + = - (at most 120)",
        "",
    ),
}
"""Fields whose rule deserves better words than its type: what is allowed, and what to do."""

TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "True or False",
    "string_type": "text in quotes",
    "tuple_type": 'a tuple, such as ("a", "b")',
}


def explain(cls: type[Value], error: ValidationError, site: Site) -> ExperimentError:
    """The error of one constructor or `but` call; several wrong fields make one message with a line for each."""
    found = [_one(cls, detail) for detail in error.errors(include_url=False)]
    # A union reports each member's complaint; the first one for a field says enough.
    by_field: dict[str, tuple[str, str]] = {}
    for field, message, remedy in found:
        by_field.setdefault(field, (message, remedy))
    field = next(iter(by_field))
    return ExperimentError(
        "\n".join(message for message, _ in by_field.values()),
        field=field,
        remedy="\n".join(dict.fromkeys(remedy for _, remedy in by_field.values() if remedy)),
        file=site.file or None,
        line=field_line(site.file, site.line, field) if site.file else None,
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that `name` was probably meant to be, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.55)
    return close[0] if close else ""


def field_line(file: str, line: int, field: str) -> int:
    """The line on which `field=` stands in the call that starts on `line`; `line` itself if that cannot be told."""
    return field_lines(file).get((line, field), line)


def field_lines(file: str) -> Mapping[tuple[int, str], int]:
    """(first line of a call, keyword) -> the keyword's line, for every call of a source file that can be parsed."""
    import ast
    import tokenize

    try:
        with tokenize.open(file) as source:
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        return {}
    return {
        (node.lineno, keyword.arg): keyword.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg
    }


def show(given: object) -> str:
    """A value in a message: its repr, cut where it is long."""
    text = repr(given)
    return text if len(text) <= 80 else text[:77] + "..."


def _one(cls: type[Value], detail: ErrorDetails) -> tuple[str, str, str]:
    """(field, message, remedy) of one complaint of pydantic's."""
    kind, given = detail["type"], detail["input"]
    field = str(detail["loc"][0]) if detail["loc"] else ""
    label = f"{cls.__name__}.{field}"
    known = field_names(cls)
    if kind == "unexpected_keyword_argument":
        meant = nearest(field, known)
        remedy = f"Did you mean {meant!r}?" if meant else ""
        return field, f"{cls.__name__} has no field {field!r}. Its fields: {', '.join(known)}.", remedy
    if kind == "unexpected_positional_argument":
        return field, f"{cls.__name__} takes named fields only, such as {known[0]}=...; got {show(given)}.", ""
    if kind in ("missing", "missing_keyword_only_argument"):
        return field, f"{cls.__name__} needs {field!r}.", f"Write {field}=... in {cls.__name__}(...)."
    if label in REASONS:
        allowed, remedy = REASONS[label]
        return field, f"{label} {allowed}; got {show(given)}.", remedy
    remedy = ""
    context: dict[str, Any] = detail.get("ctx", {})
    if kind == "literal_error" and isinstance(given, str):
        import typing

        choices = [str(choice) for choice in typing.get_args(cls.__dataclass_fields__[field].type)]
        meant = nearest(given, choices)
        remedy = f"Did you mean {meant!r}?" if meant else ""
    return field, f"{label} must be {_allowed(cls, field, kind, context)}; got {show(given)}.", remedy


def _allowed(cls: type[Value], field: str, kind: str, context: dict[str, Any]) -> str:
    limits = _limits(cls, field)
    match kind:
        case "literal_error":
            return str(context["expected"])
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            return limits
        case "string_too_short":
            return "text that is not empty"
        case "dataclass_type" | "dataclass_exact_type":
            return f"{context['class_name']}(...)"
        case _ if kind in TYPES:
            return TYPES[kind] + (f", {limits}" if limits else "")
        case _:
            return f"a valid value ({kind.replace('_', ' ')})"


def _limits(cls: type[Value], field: str) -> str:
    """ "at least 1", "above 0 and at most 1", or nothing: read from the field's own annotation."""
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    metadata = getattr(cls.__dataclass_fields__[field].type, "__metadata__", ()) if field in field_names(cls) else ()
    parts: list[str] = []
    for info in metadata:
        for rule in getattr(info, "metadata", ()):
            for key, word in words.items():
                if hasattr(rule, key):
                    parts.append(f"{word} {getattr(rule, key)}")
    return " and ".join(parts)
