"""A Dockerfile as far as it makes files and settings: every instruction but RUN, which is noted and not run.

Instructions, stages, variables, globs and errors follow Docker's reference. Where a stage has run something, a later
`COPY --from` of a path that it does not have is believed: the command may have made it.
"""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from arrcoc_core.sandbox.images import Config


class BuildError(Exception):
    """What docker says when it gives up."""


class Instruction(NamedTuple):
    line: int
    word: str
    rest: str


@dataclass
class Stage:
    name: str
    tree: Path
    config: Config = field(default_factory=Config)
    has_run: bool = False
    variables: dict[str, str] = field(default_factory=dict[str, str])
    """ARG and ENV, for what comes after them."""


Say = Callable[[str], None]
Pull = Callable[[str, Path], Config | None]
"""Put an image's files into a folder; None for one that is somewhere else, such as python:3.11."""

_FLAG = re.compile(r"--([a-z-]+)(?:=(\S*))?\s+")
_VARIABLE = re.compile(r"\\\$|\$(?:\{(\w+)(?::([-+])([^}]*))?\}|(\w+))")
_IGNORED = {"EXPOSE", "VOLUME", "SHELL", "STOPSIGNAL", "HEALTHCHECK", "MAINTAINER"}
_KNOWN = _IGNORED | {
    *("FROM", "ARG", "ENV", "WORKDIR", "COPY", "ADD", "RUN", "USER", "ENTRYPOINT", "CMD", "LABEL"),
}


def build(
    context: Path,
    dockerfile: Path,
    work: Path,
    *,
    target: str = "",
    arguments: Mapping[str, str] | None = None,
    pull: Pull,
    say: Say,
) -> Stage:
    """The last stage, or the one called `target`; its tree is below `work`. BuildError with docker's own words."""
    if not dockerfile.is_file():
        raise BuildError(
            f"unable to prepare context: unable to evaluate symlinks in Dockerfile path: {dockerfile.name}"
        )
    instructions = read_instructions(dockerfile.read_text(encoding="utf-8"))
    files = Context(context)
    stages: list[Stage] = []
    outer = dict(arguments or {})
    for number, instruction in enumerate(instructions, start=1):
        say(f"Step {number}/{len(instructions)} : {instruction.word} {instruction.rest}")
        if instruction.word == "FROM":
            if stages and stages[-1].name == target.lower() != "":
                break
            stages.append(_from(instruction, stages, work, outer, pull))
        elif not stages:
            if instruction.word != "ARG":
                raise BuildError(f"dockerfile parse error line {instruction.line}: no build stage in current context")
            _declare(instruction, outer, arguments or {})
        else:
            _apply(instruction, stages, files, arguments or {}, outer, say)
    if not stages:
        raise BuildError("the Dockerfile has no FROM")
    if target and stages[-1].name != target.lower():
        raise BuildError(f'target stage "{target}" could not be found')
    return stages[-1]


def read_instructions(text: str) -> list[Instruction]:
    """Its instructions with their continued lines joined. BuildError for a word that Docker does not know."""
    found: list[Instruction] = []
    held, first = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#") or not (held or line.strip()):
            continue
        first = first if held else number
        stripped = line.rstrip()
        if stripped.endswith("\\"):
            held += stripped[:-1].strip() + " "
            continue
        word, _, rest = (held + stripped.strip()).partition(" ")
        held = ""
        if word.upper() not in _KNOWN:
            raise BuildError(f"dockerfile parse error line {first}: unknown instruction: {word.upper()}")
        if "<<" in rest and re.search(r"<<-?['\"]?\w+", rest):
            raise BuildError(f"line {first}: here-documents are not served by the sandbox")
        if not rest.strip():
            raise BuildError(f"dockerfile parse error line {first}: {word.upper()} requires at least one argument")
        found.append(Instruction(first, word.upper(), rest.strip()))
    return found


class Context:
    """The files that COPY may see: without what .dockerignore names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = folder / ".dockerignore"
        lines = ignored.read_text(encoding="utf-8").splitlines() if ignored.is_file() else []
        self._rules = [line.strip() for line in lines if line.strip() and not line.startswith("#")]

    def copy(self, source: str, target: Path, *, into: bool) -> None:
        """Copy what `source` (a path or a pattern) matches; of a folder, its content."""
        plain = source.lstrip("/").removeprefix("./")
        if ".." in PurePosixPath(plain).parts:
            raise BuildError(f"COPY failed: forbidden path outside the build context: {source} ()")
        matches = [self.folder] if plain in ("", ".") else sorted(self.folder.glob(plain.rstrip("/")))
        matches = [path for path in matches if self._seen(path)]
        if not matches:
            raise BuildError(
                f"COPY failed: file not found in build context or excluded by .dockerignore: stat {plain}: "
                "file does not exist"
            )
        for path in matches:
            copy_path(path, target, into=into or len(matches) > 1, wanted=self._seen)

    def _seen(self, path: Path) -> bool:
        name = path.relative_to(self.folder).as_posix()
        seen = True
        for rule in self._rules:
            pattern = rule.removeprefix("!").strip("/")
            patterns = [pattern, pattern.removeprefix("**/")]
            if pattern.startswith("**/"):
                patterns.append(f"*/{pattern.removeprefix('**/')}")
            if any(fnmatch.fnmatchcase(name, each) or fnmatch.fnmatchcase(name, f"{each}/*") for each in patterns):
                seen = rule.startswith("!")
        return seen


def copy_path(path: Path, target: Path, *, into: bool, wanted: Callable[[Path], bool] = lambda _: True) -> None:
    if path.is_dir():
        for inner in sorted(path.rglob("*")):
            if inner.is_file() and wanted(inner):
                place = target / inner.relative_to(path)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(inner, place)
        target.mkdir(parents=True, exist_ok=True)
        return
    place = target / path.name if into or target.is_dir() else target
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, place)


def _from(instruction: Instruction, stages: list[Stage], work: Path, outer: Mapping[str, str], pull: Pull) -> Stage:
    rest = _FLAG.sub("", f"{instruction.rest} ").strip()
    match = re.fullmatch(r"(\S+)(?:\s+[Aa][Ss]\s+(\S+))?", rest)
    if match is None:
        raise BuildError(f"dockerfile parse error line {instruction.line}: FROM requires either one or three arguments")
    image = _filled(match[1], outer)
    if not image:
        raise BuildError(f"dockerfile parse error line {instruction.line}: base name ({match[1]}) should not be blank")
    tree = work / f"stage{len(stages)}"
    stage = Stage((match[2] or str(len(stages))).lower(), tree)
    earlier = next((held for held in stages if held.name == image.lower()), None)
    if earlier is not None:
        shutil.copytree(earlier.tree, tree)
        stage.config = replace(earlier.config, env=dict(earlier.config.env))
        stage.has_run = earlier.has_run
    else:
        tree.mkdir(parents=True)
        config = pull(image, tree)
        stage.has_run = config is None  # its own files are not here: what it holds is believed
        stage.config = config or Config()
    stage.variables.update(stage.config.env)
    return stage


def _apply(
    instruction: Instruction,
    stages: list[Stage],
    files: Context,
    arguments: Mapping[str, str],
    outer: Mapping[str, str],
    say: Say,
) -> None:
    stage, word, rest = stages[-1], instruction.word, instruction.rest
    config = stage.config
    if word == "RUN":
        say(" ---> noted, not run in the sandbox")
        stage.has_run = True
    elif word == "ARG":
        _declare(instruction, stage.variables, {**outer, **arguments})
    elif word == "ENV":
        for key, value in _pairs(instruction, stage.variables).items():
            config.env[key] = stage.variables[key] = value
    elif word == "LABEL":
        config.labels.update(_pairs(instruction, stage.variables))
    elif word == "WORKDIR":
        config.workdir = str(PurePosixPath(config.workdir) / _filled(rest, stage.variables))
        (stage.tree / config.workdir.lstrip("/")).mkdir(parents=True, exist_ok=True)
    elif word == "USER":
        config.user = _filled(rest, stage.variables)
    elif word == "ENTRYPOINT":
        config.entrypoint, config.cmd = _command(rest), []
    elif word == "CMD":
        config.cmd = _command(rest)
    elif word in ("COPY", "ADD"):
        _copy(instruction, stages, files)


def _copy(instruction: Instruction, stages: list[Stage], files: Context) -> None:
    stage, rest, flags = stages[-1], instruction.rest, dict[str, str]()
    while match := _FLAG.match(rest):
        flags[match[1]], rest = match[2] or "", rest[match.end() :]
    parts = [_filled(part, stage.variables) for part in _words(rest)]
    if len(parts) < 2:
        raise BuildError(f"dockerfile parse error line {instruction.line}: COPY requires at least two arguments")
    *sources, last = parts
    target = stage.tree / str(PurePosixPath(stage.config.workdir) / last).lstrip("/")
    into = last.endswith("/") or len(sources) > 1
    origin = flags.get("from")
    for source in sources:
        if origin is None:
            files.copy(source, target, into=into)
            continue
        earlier = next((held for held in stages[:-1] if held.name == origin.lower()), None)
        if earlier is None:
            if origin.isdigit() or "/" not in origin:
                raise BuildError(f"invalid from flag value {origin}: no such stage")
            continue  # another image, which is not here
        path = earlier.tree / source.lstrip("/")
        if path.exists():
            copy_path(path, target, into=into)
        elif not earlier.has_run:
            raise BuildError(f"COPY failed: stat {source}: file does not exist")


def _declare(instruction: Instruction, variables: dict[str, str], given: Mapping[str, str]) -> None:
    for part in _words(instruction.rest):
        name, _, default = part.partition("=")
        if name in given:
            variables[name] = given[name]
        elif default or name not in variables:
            variables[name] = _filled(default, variables)


def _pairs(instruction: Instruction, variables: Mapping[str, str]) -> dict[str, str]:
    words = _words(instruction.rest)
    if "=" not in words[0]:  # the old form: ENV NAME all the rest
        name, _, value = instruction.rest.partition(" ")
        return {name: _filled(value.strip(), variables)}
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise BuildError(f'dockerfile parse error line {instruction.line}: can\'t find = in "{word}"')
        found[name] = _filled(value, variables)
    return found


def _words(text: str) -> list[str]:
    """Its words, quotes removed; the JSON form where it is one. `$` is left for `_filled`."""
    if text.startswith("["):
        return _command(text)
    parts = re.findall(r'(?:[^\s"\']|"(?:[^"\\]|\\.)*"|\'[^\']*\')+', text)
    return [re.sub(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'', lambda m: m[1] if m[1] is not None else m[2], p) for p in parts]


def _command(text: str) -> list[str]:
    if text.startswith("["):
        try:
            held: Any = json.loads(text)
            return [str(part) for part in held]
        except ValueError:
            pass
    return ["/bin/sh", "-c", text]


def _filled(text: str, variables: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[0].startswith("\\"):
            return "$"
        held = variables.get(match[1] or match[4], "")
        if match[2] == "-":
            return held or match[3]
        return match[3] if match[2] == "+" and held else held if match[2] != "+" else ""

    return _VARIABLE.sub(value, text)
