"""Write arrcoc_core/sandbox/field_behavior.json: which fields Google's services require, set or never change.

    npm pack @google-cloud/aiplatform …      any release of Google's that ships the .proto files, unpacked
    python scripts/field_behavior.py FOLDER… folders of unpacked packages

The installed Python libraries have the messages and not their `google.api.field_behavior`, so it comes from .proto
files. Only messages that a request served by the sandbox can hold are kept. Where no folder has a service's .proto
files (IAM admin and Logging ship them nowhere handy), the first words of the fields' descriptions in the installed
library are taken, which say the same: "Required.", "Output only.", "Immutable.".
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "arrcoc_core" / "sandbox" / "field_behavior.json"
LETTERS = {"REQUIRED": "R", "OUTPUT_ONLY": "O", "IMMUTABLE": "I", "INPUT_ONLY": "N"}
WORDS = (("Required.", "R"), ("Output only.", "O"), ("Immutable.", "I"), ("Input only.", "N"))
_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[A-Za-z_][\w.]*|[-+]?\d[\w.]*|\S""", re.DOTALL
)
Table = dict[str, dict[str, str]]


def main() -> int:
    folders = [Path(name) for name in sys.argv[1:]]
    if not folders:
        print(__doc__)
        return 2
    sys.path.insert(0, str(ROOT))
    read: Table = {}
    sources: list[str] = []
    for folder in folders:
        files = sorted(folder.rglob("*.proto"))
        if not files:
            print(f"{folder}: no .proto files", file=sys.stderr)
            continue
        for file in files:
            for message, fields in read_proto(file.read_text(encoding="utf-8")):
                read.setdefault(message, {}).update(fields)
        sources.append(_version(folder))
    classes = dict(served_messages())
    described = {name: _described(kind) for name, kind in classes.items() if name not in read}
    found = {name: read[name] if name in read else described[name] for name in classes}
    kept = {name: dict(sorted(fields.items())) for name, fields in sorted(found.items()) if fields}
    by_text = sorted(name for name, fields in described.items() if fields)
    rows = [f"  {json.dumps(name)}: {json.dumps(fields)}" for name, fields in kept.items()]
    head = {
        "as_of": datetime.now(UTC).date().isoformat(),
        "sources": sources,
        "from descriptions": sorted({name.rpartition(".")[0] for name in by_text}),
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    TARGET.write_text("\n".join(["{", *lines, ' "messages": {', ",\n".join(rows), " }", "}"]) + "\n", encoding="utf-8")
    print(f"{len(kept)} messages of {len(classes)}, {len(by_text)} by their descriptions -> {TARGET.relative_to(ROOT)}")
    return 0


def read_proto(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """(full message name, field -> letters) of every message in a .proto file; fields without a letter are left out."""
    tokens = [token for token in _TOKEN.findall(text) if not token.startswith(("//", "/*"))]
    package = ""
    found: dict[str, dict[str, str]] = {}
    scopes: list[tuple[str, str]] = []  # (kind of block, name)
    statement: list[str] = []
    depth = 0  # inside [ … ] and the braces of an option's value
    for token in tokens:
        if depth or token == "[":
            depth += (token in "[{") - (token in "]}")
            statement.append(token)
        elif token == "{":
            kind, name = (statement + ["", ""])[:2]
            scopes.append((kind, name))
            if kind == "message":
                found.setdefault(_full(package, scopes), {})
            statement = []
        elif token == "}":
            scopes.pop()
            statement = []
        elif token == ";":
            if statement[:1] == ["package"]:
                package = statement[1]
            elif scopes and scopes[-1][0] in ("message", "oneof"):
                _field(statement, found[_full(package, scopes)])
            statement = []
        else:
            statement.append(token)
    yield from found.items()


def _full(package: str, scopes: list[tuple[str, str]]) -> str:
    return ".".join([package, *(name for kind, name in scopes if kind == "message")])


def _field(statement: list[str], fields: dict[str, str]) -> None:
    """`repeated string names = 2 [(google.api.field_behavior) = REQUIRED]`: the name stands before the first `=`."""
    if "=" not in statement or statement[0] in ("option", "reserved", "extensions"):
        return
    name = statement[statement.index("=") - 1]
    text = " ".join(statement)
    said = " ".join(re.findall(r"google\.api\.field_behavior \) = ([A-Z_]+|\[[^\]]*\])", text))
    letters = "".join(letter for word, letter in LETTERS.items() if re.search(rf"\b{word}\b", said))
    if letters:
        fields[name] = letters


def served_messages() -> Iterator[tuple[str, Any]]:
    """(full name, class) of every message that the request of a served method can hold."""
    import importlib

    from arrcoc_core.sandbox.routes import define
    from arrcoc_core.sandbox.services import SERVICES

    seen: set[str] = set()
    for entry in SERVICES:
        module, name = entry.split(":")
        service = getattr(importlib.import_module(f"arrcoc_core.sandbox.{module}"), name)
        for method in define(service.clients).methods.values():
            if hasattr(service, method.handler):
                kind = method.request
                descriptor = kind.pb(kind()).DESCRIPTOR if hasattr(kind, "pb") else kind.DESCRIPTOR
                yield from _reachable(descriptor, inspect.getmodule(kind), seen)


def _reachable(descriptor: Any, module: Any, seen: set[str]) -> Iterator[tuple[str, Any]]:
    if descriptor.full_name in seen or descriptor.full_name.startswith("google.protobuf."):
        return
    seen.add(descriptor.full_name)
    if not descriptor.GetOptions().map_entry:
        yield descriptor.full_name, _class(descriptor, module)
    for field in descriptor.fields:
        if field.message_type is not None:
            yield from _reachable(field.message_type, module, seen)


def _class(descriptor: Any, module: Any) -> Any:
    """The library's class of a message: its documentation says what the annotations would."""
    package = sys.modules.get(getattr(module, "__package__", "") or "")
    found = getattr(package, descriptor.name, None) or getattr(module, descriptor.name, None)
    return found if hasattr(found, "pb") else None


def _described(kind: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, text in re.findall(r"^ {8}(\w+) \(.*?\):\n {12}(.*)$", kind.__doc__ or "", re.MULTILINE) if kind else ():
        letters = "".join(letter for word, letter in WORDS if text.startswith(word))
        if letters:
            found[name.rstrip("_")] = letters
    return found


def _version(folder: Path) -> str:
    for parent in (folder, *folder.rglob("package.json")):
        file = parent if parent.name == "package.json" else parent / "package.json"
        if file.is_file():
            held = json.loads(file.read_text(encoding="utf-8"))
            return f"{held['name']} {held['version']}"
    return folder.name


if __name__ == "__main__":
    sys.exit(main())
