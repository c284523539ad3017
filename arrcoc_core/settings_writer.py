"""Changing values in `.training` and nothing else in it: comments, order, spacing and line ends stay as they are.

A key that stands in the file keeps its line, its quotes and the comment behind it; one that does not is added at the
end. Without a file the starter is copied first. The file is replaced whole, so that a kill leaves the old or the new
one. With a sandbox it is the sandbox's own `.training` that is written, never the project's.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from arrcoc_core.errors import SettingsError
from arrcoc_core.settings import SETTINGS_FILE, STARTER_FILE, Settings
from arrcoc_core.settings_keys import KEYS

_LINE = re.compile(r"^(?P<head>\s*(?:export\s+)?(?P<key>[A-Za-z_][A-Za-z0-9_]*)\s*=)(?P<rest>.*)$")


def settings_file(root: Path, settings: Settings) -> Path:
    """The file that setup writes: the project's, or with a sandbox the one in the sandbox's folder."""
    folder = str(settings.get("CLOUD_ENDPOINTS"))
    return Path(folder).expanduser() / SETTINGS_FILE if folder else root / SETTINGS_FILE


def write_settings(file: Path, values: Mapping[str, str], *, starter: Path | None = None) -> bool:
    """Set these keys; whether the file changed. SettingsError for a value that is not allowed, before anything."""
    for key, value in values.items():
        check_setting(key, value)
    try:
        before = file.read_bytes().decode("utf-8") if file.exists() else None
        start = before if before is not None else _starter_text(starter)
        after = with_values(start, values)
        if after == before:
            return False
        _replace(file, after)
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror or str(error)
        raise SettingsError(
            f"{file} cannot be written: {reason}.",
            remedy=f"Put these lines into it by hand:\n{_lines(values)}",
            file=str(file),
        ) from error
    return True


def check_setting(key: str, value: str) -> None:
    """SettingsError where a key of the accounts and names may not have this value."""
    known = KEYS[key]
    if value and known.parse(value) is None:
        raise SettingsError(f"{key} must be {known.allowed}; got {value!r}.", key=key, remedy=f"{key}: {known.help}")


def with_values(text: str, values: Mapping[str, str]) -> str:
    """The text with these values in it. A value that is there already leaves its line untouched."""
    lines = text.splitlines(keepends=True)
    missing = dict(values)
    for index, line in enumerate(lines):
        body = line.rstrip("\r\n")
        match = _LINE.match(body.removeprefix("\ufeff"))
        if match is None or match["key"] not in missing:
            continue
        value = missing.pop(match["key"])
        mark = "\ufeff" if body.startswith("\ufeff") else ""
        lines[index] = mark + match["head"] + _rest(match["rest"], value) + line[len(body) :]
    if missing:
        end = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
        if lines and not lines[-1].endswith(("\n", "\r")):
            lines[-1] += end
        lines += [f"{key}={value}{end}" for key, value in missing.items()]
    return "".join(lines)


def _rest(rest: str, value: str) -> str:
    """What follows `KEY=`, with another value: quotes, a comment and the space around them stay."""
    held = rest.lstrip(" \t")
    space = rest[: len(rest) - len(held)]
    if not held or held.startswith("#"):
        return f"{value}{space or ' '}{held}" if held else f"{value}{space}"
    if held[0] in ("'", '"'):
        quote = held[0]
        _, closed, after = held[1:].partition(quote)
        return f"{space}{quote}{value}{quote}{after}" if closed else f"{space}{value}"
    comment = re.search(r"[ \t]+#.*$|[ \t]+$", held)
    return f"{space}{value}{comment[0] if comment else ''}"


def _starter_text(starter: Path | None) -> str:
    if starter is None or not starter.is_file():
        return ""
    return starter.read_bytes().decode("utf-8")


def starter_file(root: Path) -> Path:
    return root / STARTER_FILE


def _replace(file: Path, text: str) -> None:
    """Write whole: into a file beside it first. A link stays a link to the file that is written."""
    target = file.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    handle, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(text.encode("utf-8"))
            out.flush()
            os.fsync(out.fileno())
        os.chmod(partial, mode)
        os.replace(partial, target)
    except OSError:
        Path(partial).unlink(missing_ok=True)
        raise


def _lines(values: Mapping[str, str]) -> str:
    return "\n".join(f"{key}={value}" for key, value in values.items())
