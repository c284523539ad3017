"""Finds the experiments of a project: `discover(root)`.

Every `experiments/**/*.py` is loaded in a child process of its own, two at a time (`loading.py`), and what it reported
is remembered under the contents of the file and of the project modules it imports: an unchanged file costs nothing
the second time. A broken file is an entry with its error; it never keeps the others from being found.
"""

import hashlib
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path
from typing import Any

from arrcoc_core.discovery_cache import Cache
from arrcoc_core.encoding import Plain, decode
from arrcoc_core.errors import DuplicateExperimentError, UnknownExperimentError
from arrcoc_core.experiment import Experiment
from arrcoc_core.loading import load_in_child
from arrcoc_core.settings import refuse_while_loading, state_dir
from arrcoc_core.values import Site
from arrcoc_core.variations import Sweep

FOLDER = "experiments"
AT_ONCE = 2


@dataclass(frozen=True)
class EntryError:
    """Why a file or an experiment cannot be used; `file` is relative to the project."""

    message: str
    file: str
    line: int
    traceback: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Entry:
    """One row of the list.

    `file` is relative to the project, in POSIX form; `line` is where the experiment is made. A file that could not be
    loaded is one entry, named like the file, without an experiment. `sweep` is the name of the sweep it is a point of;
    `variable` is the expression that gives it in its module, such as `quickstart` or `token_budget[2]`.
    """

    name: str
    file: str
    line: int
    experiment: Experiment | None
    error: EntryError | None = None
    sweep: str | None = None
    variable: str = ""

    @property
    def module(self) -> str:
        """What to import it from."""
        return self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@dataclass(frozen=True)
class Discovery:
    """Everything that was found, by file and line. `sweeps` holds the sweeps by name."""

    root: Path
    entries: tuple[Entry, ...]
    sweeps: Mapping[str, Sweep] = field(default_factory=dict[str, Sweep])

    @property
    def broken(self) -> tuple[Entry, ...]:
        """The entries with an error."""
        return tuple(entry for entry in self.entries if entry.error is not None)

    def find(self, name: str) -> Entry:
        """The one good entry of this name.

        Raises UnknownExperimentError where there is none, and DuplicateExperimentError where there are two; both name
        the broken files.
        """
        found = [entry for entry in self.entries if entry.name == name and entry.experiment is not None]
        if len(found) > 1:
            places = ", ".join(f"{entry.file}:{entry.line}" for entry in found)
            raise DuplicateExperimentError(
                f"Two experiments are called {name!r}: {places}.{self._broken_text(found)}",
                remedy="Give one of them another name.",
                file=str(self.root / found[1].file),
                line=found[1].line,
            )
        if not found:
            raise self._unknown(name)
        return found[0]

    def select(self, name: str) -> Experiment | Sweep:
        """The experiment or the sweep of this name; raises like `find`."""
        if name in self.sweeps and all(entry.name != name for entry in self.entries):
            for point in self.sweeps[name]:
                self.find(point.name)
            return self.sweeps[name]
        experiment = self.find(name).experiment
        assert experiment is not None
        return experiment

    def _unknown(self, name: str) -> UnknownExperimentError:
        from arrcoc_core.explaining import nearest

        here = [entry for entry in self.broken if entry.name == name and entry.error]
        if here and here[0].error:
            error = here[0].error
            return UnknownExperimentError(
                f"{name!r} cannot be loaded: {error.message}{self._broken_text(here)}",
                remedy=error.remedy,
                file=str(self.root / error.file),
                line=error.line,
            )
        if points := self.sweeps.get(name):
            return UnknownExperimentError(
                f"{name!r} is a sweep of {len(points)} experiments.",
                remedy=f"Name one of them, such as {points[0].name}.",
            )
        names = [entry.name for entry in self.entries if entry.experiment is not None]
        meant = nearest(name, [*names, *self.sweeps])
        shown = ", ".join(
            dict.fromkeys(
                [*(entry.name for entry in self.entries if not entry.sweep and entry.experiment), *self.sweeps]
            )
        )
        return UnknownExperimentError(
            f"No experiment is called {name!r}.{self._broken_text()}",
            remedy=f"Did you mean {meant!r}?" if meant else f"There are: {shown or 'none'}.",
        )

    def _broken_text(self, already: Iterable[Entry] = ()) -> str:
        others = [entry for entry in self.broken if entry not in tuple(already)]
        if not others:
            return ""
        return "\nBroken:" + "".join(f"\n  {entry.error}" for entry in others)


def experiment_files(root: Path) -> tuple[Path, ...]:
    """Every file that may hold experiments, absolute and sorted."""
    folder = root / FOLDER
    return tuple(
        sorted(
            path
            for path in folder.rglob("*.py")
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        )
    )


def discover(root: Path, *, timeout_s: float = 10, cache: bool = True) -> Discovery:
    """What `root`/experiments holds. `timeout_s` is each file's time to load; `cache=False` loads every file again."""
    refuse_while_loading("list experiments")
    root = root.resolve()
    files = experiment_files(root)
    known = Cache(state_dir(root) / "cache" / "discovery.json", root, _core_version())
    reports = {file: report for file in files if cache and (report := known.get(file, timeout_s)) is not None}
    missing = [file for file in files if file not in reports]
    if missing:
        started = time.time()
        with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(missing))) as pool:
            loaded = pool.map(load_in_child, repeat(root), missing, repeat(timeout_s))
            for file, report in zip(missing, loaded, strict=True):
                reports[file] = report
                known.put(file, report, timeout_s, started)
        known.save(files)
    entries: list[Entry] = []
    sweeps: dict[str, Sweep] = {}
    imported = _imported(root, reports)
    for file in files:
        report = reports[file]
        name = file.relative_to(root).as_posix()
        found = _entries(root, name, report) or _nothing_found(file, name, imported)
        entries.extend(found)
        sweeps.update(_sweeps(root, report, found))
    return Discovery(root, _without_duplicates(entries), sweeps)


def _entries(root: Path, file: str, report: Plain) -> list[Entry]:
    if report["error"]:
        plain = report["error"]
        error = EntryError(**{key: plain[key] for key in ("message", "file", "line", "traceback", "remedy")})
        return [Entry(Path(file).stem, file, error.line if error.file == file else 1, None, error)]
    found: list[Entry] = []
    sites = _sites(root, report)
    for plain in report["entries"]:
        experiment = _experiment(plain, sites, (str(root / file), plain["line"]))
        found.append(
            Entry(plain["name"], file, plain["line"], experiment, None, plain["sweep"], plain["variable"]),
        )
    return found


def _imported(root: Path, reports: Mapping[Path, Plain]) -> set[str]:
    """The files that another experiment file imports."""
    return {
        name
        for file, report in reports.items()
        for name in report.get("depends", ())
        if name != file.relative_to(root).as_posix()
    }


def _nothing_found(path: Path, file: str, imported: set[str]) -> list[Entry]:
    """A file without an experiment is a mistake, unless it is one of helpers (imported, or named `_…`) or empty."""
    if file in imported or path.name.startswith("_") or _is_empty(path):
        return []
    error = EntryError(
        "This file declares no experiment.",
        file,
        1,
        remedy="Make an Experiment or a sweep at module level; a file of helpers starts its name with _.",
    )
    return [Entry(path.stem, file, 1, None, error)]


def _is_empty(path: Path) -> bool:
    try:
        return not path.stat().st_size
    except FileNotFoundError:  # deleted since it was listed
        return True


def _sites(root: Path, report: Plain) -> list[Site]:
    return [Site(kind, str(root / file) if file else "", line) for kind, file, line in report["sites"]]


def _experiment(plain: Plain, sites: Sequence[Site], place: tuple[str, int]) -> Experiment:
    numbers: dict[str, int] = plain["sites"]
    own = {path: sites[number] for path, number in numbers.items()}
    experiment, _ = decode(plain["experiment"], sites=own, place=place)
    return experiment


def _sweeps(root: Path, report: Plain, entries: list[Entry]) -> dict[str, Sweep]:
    by_name = {entry.name: entry.experiment for entry in entries if entry.sweep}
    sweeps: dict[str, Sweep] = {}
    for plain in report["sweeps"]:
        grid: dict[str, tuple[Any, ...]] = {path: tuple(values) for path, values in plain["grid"].items()}
        points = tuple(point for name in plain["points"] if (point := by_name.get(name)) is not None)
        sweeps[plain["name"]] = Sweep(
            plain["name"], _experiment(plain["base"], _sites(root, report), ("", 0)), grid, points
        )
    return sweeps


def _without_duplicates(entries: list[Entry]) -> tuple[Entry, ...]:
    """Mark every experiment whose name another one has."""
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.experiment is not None:
            by_name.setdefault(entry.name, []).append(entry)
    marked: list[Entry] = []
    for entry in entries:
        others = [other for other in by_name.get(entry.name, ()) if other is not entry]
        if entry.experiment is not None and others:
            places = ", ".join(f"{other.file}:{other.line}" for other in others)
            message = f"The name {entry.name!r} is also taken at {places}."
            error = EntryError(message, entry.file, entry.line, remedy="Give one of them another name.")
            entry = replace(entry, error=error)
        marked.append(entry)
    return tuple(marked)


def _core_version() -> str:
    """Changes with the interpreter and with the modules that load and describe experiments."""
    here = Path(__file__).parent
    names = ("values", "experiment", "explaining", "paths", "variations", "encoding", "discovery_child", "loading")
    content = b"\0".join((here / f"{name}.py").read_bytes() for name in names)
    return hashlib.sha256(sys.version.encode() + content).hexdigest()
