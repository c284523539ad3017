"""Loads one experiment file in a process of its own and reports what is in it. Run by `loading.py`, never by people.

    python -m arrcoc_core.discovery_child ROOT FILE RESULT_FD FAULT_FD TIMEOUT_S

The report goes through its own descriptor as eight bytes of length and one JSON object, so that nothing the file
prints can get into it. Where the file hangs or crashes the interpreter, the descriptor FAULT_FD gets the line on which
it did. Standard output, error and input lead nowhere.

Found is every module-level `Experiment` and `Sweep`, and those in module-level lists and tuples. One belongs to the
file whose own module-level line made it: importing it elsewhere does not list it twice.
"""

import faulthandler
import importlib
import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import FileFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, cast

from arrcoc_core.encoding import Plain, encode, encode_sites
from arrcoc_core.errors import ArrcocError
from arrcoc_core.experiment import Experiment
from arrcoc_core.explaining import field_lines
from arrcoc_core.values import Site, owner
from arrcoc_core.variations import Sweep

MEMORY_LIMIT = 2 << 30
"""Bytes of data a file may allocate while it loads: it ends as a MemoryError, not as a machine that swaps."""


def main(arguments: Sequence[str]) -> None:
    root, file = Path(arguments[0]), Path(arguments[1])
    result_fd, fault_fd, timeout_s = int(arguments[2]), int(arguments[3]), float(arguments[4])
    faulthandler.enable(file=fault_fd, all_threads=False)
    faulthandler.dump_traceback_later(timeout_s, exit=True, file=fault_fd)
    _limit_memory()
    me = os.getpid()
    report = load(root, file)
    if os.getpid() == me:  # not a copy that the file forked off
        text = json.dumps(report).encode()
        with open(result_fd, "wb") as channel:
            channel.write(len(text).to_bytes(8, "big") + text)
    # Threads that the file started, and its exit handlers, are not waited for.
    os._exit(0)


def load(root: Path, file: Path) -> Plain:
    """What `file` (absolute, inside `root`/experiments) holds, or the error it ends with, as plain data."""
    sys.path.insert(0, str(root))
    sys.path_hooks.insert(0, _fresh_finder(root / "experiments"))
    sys.path_importer_cache.clear()
    try:
        module = _import(root, file)
        found = _Found(root, file)
        found.collect(vars(module))
    except BaseException as error:  # noqa: BLE001  SystemExit and KeyboardInterrupt are rows with errors, too
        failed = _error(root, file, error)
        return {"error": failed, "entries": [], "sweeps": [], "sites": [], "depends": _depends(root, file)}
    return {
        "error": None,
        "entries": found.entries,
        "sweeps": found.sweeps,
        "sites": list(found.sites),
        "depends": _depends(root, file),
    }


class _Fresh(SourceFileLoader):
    """Compiles from the source each time: bytecode is matched by whole seconds, and two saves fit into one."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _fresh_finder(folder: Path) -> Any:
    def hook(path: str) -> FileFinder:
        if Path(path) != folder and folder not in Path(path).parents:
            raise ImportError(path)
        return FileFinder(path, (_Fresh, [".py"]))

    return hook


def _import(root: Path, file: Path) -> ModuleType:
    parts = file.relative_to(root).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    if all("." not in part for part in parts):
        return importlib.import_module(name)
    # A dot in a file's name is no package: such a file is loaded, but cannot be imported by another.
    spec = importlib.util.spec_from_file_location(name, file, loader=_Fresh(name, str(file)))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Found:
    """The experiments and sweeps of one file, in the order of its variables."""

    def __init__(self, root: Path, file: Path) -> None:
        self.root = root
        self.file = str(file)
        self.entries: list[Plain] = []
        self.sweeps: list[Plain] = []
        self.sites: dict[tuple[str, str, int], int] = {}
        """(kind, file relative to the root, line of the field) -> its number: points of a sweep share nearly all."""
        self._numbers: dict[tuple[Site, str], int] = {}
        self._seen: set[int] = set()

    def collect(self, variables: Mapping[str, object]) -> None:
        # Sweeps first: a point that also has a variable of its own stays a point of its sweep.
        for variable, held in variables.items():
            for expression, one in _opened(variable, held):
                if isinstance(one, Sweep):
                    self._add_sweep(expression, one)
        for variable, held in variables.items():
            for expression, one in _opened(variable, held):
                if isinstance(one, Experiment):
                    self._add(expression, one, None)
        self.entries.sort(key=lambda entry: entry["line"])

    def _add_sweep(self, expression: str, found: Sweep) -> None:
        if id(found) in self._seen or not any(owner(point)[0] == self.file for point in found):
            return
        self._seen.add(id(found))
        for index, point in enumerate(found):
            self._add(f"{expression}[{index}]", point, found.name)
        base = {"experiment": encode(found.base), "sites": self._sites(found.base)}
        grid = {path: list(values) for path, values in found.grid.items()}
        points = [point.name for point in found]
        self.sweeps.append({"name": found.name, "base": base, "grid": grid, "points": points})

    def _add(self, expression: str, found: Experiment, sweep: str | None) -> None:
        file, line = owner(found)
        if id(found) in self._seen or file != self.file:
            return
        self._seen.add(id(found))
        self.entries.append(
            {
                "name": found.name,
                "line": line,
                "variable": expression,
                "sweep": sweep,
                "experiment": encode(found),
                "sites": self._sites(found),
            }
        )

    def _sites(self, of: Experiment) -> dict[str, int]:
        """Path -> the number of its site."""
        numbers: dict[str, int] = {}
        for path, site in encode_sites(of).items():
            name = path.rpartition(".")[2]
            number = self._numbers.get((site, name))
            if number is None:
                exact = site.kind, relative(site.file, self.root), _exact_line(site, name)
                number = self._numbers[site, name] = self.sites.setdefault(exact, len(self.sites))
            numbers[path] = number
        return numbers


def _exact_line(site: Site, name: str) -> int:
    """The line on which a field stands in the call that set it."""
    lines = _lines.get(site.file)
    if lines is None:
        lines = _lines[site.file] = field_lines(site.file)
    return lines.get((site.line, name), site.line)


_lines: dict[str, Mapping[tuple[int, str], int]] = {}


def _opened(expression: str, held: object, depth: int = 0) -> Iterator[tuple[str, object]]:
    """A variable itself, and what is in it where it is a list or tuple."""
    yield expression, held
    if isinstance(held, list | tuple) and depth < 3:
        for index, one in enumerate(cast(Sequence[object], held)):
            yield from _opened(f"{expression}[{index}]", one, depth + 1)


def relative(file: str, root: Path) -> str:
    """A file relative to the project where it lies in it."""
    path = Path(file)
    return path.relative_to(root).as_posix() if root in path.parents else file


def _depends(root: Path, file: Path) -> list[str]:
    """The project's own modules that were imported, relative: when one of them changes, this file is loaded again."""
    found = {relative(str(file), root)}
    for module in list(sys.modules.values()):
        origin = getattr(module, "__file__", None)
        if isinstance(origin, str) and root in Path(origin).parents:
            path = Path(origin).relative_to(root)
            if not path.parts[0].startswith(".") and path.parts[0] != "arrcoc_core":
                found.add(path.as_posix())
    return sorted(found)


def _error(root: Path, file: Path, error: BaseException) -> Plain:
    """One failed load: message, remedy, and the deepest line of the project's experiments that it came from."""
    own = root / "experiments"
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in _walk(error.__traceback__)
        if own in Path(frame.f_code.co_filename).parents
    ]
    where, line = frames[-1] if frames else (str(file), 1)
    remedy = ""
    lasting = False
    match error:
        case ArrcocError():
            message, remedy, lasting = error.message, error.remedy, True
            if error.file:
                where, line = error.file, error.line or 1
        case SyntaxError():
            message, lasting = f"{type(error).__name__}: {error.msg}", True
            if error.filename:
                where, line = error.filename, error.lineno or 1
        case SystemExit():
            message = f"The file ends the interpreter while it loads: sys.exit({error.code!r})."
            remedy = 'Put what is not a declaration under: if __name__ == "__main__":'
        case _:
            message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    text = "".join(traceback.format_exception(type(error), error, _from(own, error.__traceback__), limit=-30))
    return {
        "message": message[:2000],
        "remedy": remedy,
        "file": relative(where, root),
        "line": line,
        "traceback": text[-20_000:],
        "lasting": lasting,
    }


def _walk(trace: TracebackType | None) -> Iterator[tuple[Any, int]]:
    while trace is not None:
        yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next


def _from(own: Path, trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first line of the user's own: the import machinery above it explains nothing."""
    at = trace
    while at is not None:
        if own in Path(at.tb_frame.f_code.co_filename).parents:
            return at
        at = at.tb_next
    return trace


def _limit_memory() -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or hard > MEMORY_LIMIT:
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, hard))


if __name__ == "__main__":
    main(sys.argv[1:])
