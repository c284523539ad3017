"""Settings: the account, the names, and the defaults of fields an experiment leaves out.

They come, later ones winning, from the built-in defaults, `.training` in the project root (KEY=VALUE lines, `#`
comments, quotes optional), the standard environment names of W&B and Google for accounts, and `ARRCOC_<KEY>`. No other
variable counts: a stray SEED in a shell never changes a result. Secrets are never in it.

Every key is in one table, `KEYS` (`settings_keys.py`); an unknown key or a bad value is a `SettingsError` with its
line, and the nearest known key or what is allowed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arrcoc_core.errors import ConfigError, ExperimentError, NoProjectError, SettingsError
from arrcoc_core.paths import check_value, parse_text
from arrcoc_core.settings_keys import KEYS, REFUSED, STANDARD_NAMES, Key, Setting, looks_secret
from arrcoc_core.values import Site, Source

SETTINGS_FILE = ".training"
STARTER_FILE = ".training.starter"
PREFIX = "ARRCOC_"
LOADING = "ARRCOC_DISCOVERING"
"""Set in a process that loads an experiment file for the list."""


@dataclass(frozen=True)
class Settings:
    """Values by key, each with its source. `exists` says whether there is a `.training`; `root` is the project."""

    values: Mapping[str, Setting]
    sources: Mapping[str, Source]
    exists: bool = False
    root: Path | None = None
    memo: dict[Any, Any] = field(default_factory=dict[Any, Any], repr=False, compare=False)
    """Room for what `resolve` derives from these settings once and uses for every experiment."""

    def get(self, key: str) -> Setting:
        """The value of a known key; "" where it is not set and has no default. KeyError for an unknown key."""
        return self.values[key]

    def source(self, key: str) -> Source:
        """Where the value of a key comes from: `.training` (file:line), `environment` (variable) or `default`."""
        return self.sources[key]


NAMES_OF_PEOPLE = ("WANDB_ENTITY", "HF_HUB_REPO_ID")
"""Whose things are: where endpoints bring an account of their own, these are its, or nobody's."""


def find_root(start: Path | None = None) -> Path:
    """The project root: the nearest folder with experiments/ and pyproject.toml, at or above `start`.

    `start` is the working directory where it is left out. Raises NoProjectError where there is no such folder.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "experiments").is_dir() and (folder / "pyproject.toml").is_file():
            return folder
    raise NoProjectError(
        f"No project at or above {here}: no folder there has both experiments/ and pyproject.toml.",
        remedy="Go to the folder of your clone first: cd arrcoc",
    )


def state_dir(root: Path) -> Path:
    """Where runs and caches live: `$ARRCOC_HOME`, else `.arrcoc` in the project root. It need not exist yet."""
    home = os.environ.get("ARRCOC_HOME")
    return Path(home).expanduser().resolve() if home else root / ".arrcoc"


def refuse_while_loading(act: str) -> None:
    """ConfigError where this process only loads an experiment file, to see what is in it.

    Without it, a file that launches while it is loaded would start a run at every look at the list.
    """
    if os.environ.get(LOADING):
        raise ConfigError(
            f"A file in experiments/ may not {act} while it is loaded.",
            remedy='Put it in a script outside of experiments/, or under: if __name__ == "__main__":',
        )


def load_settings(root: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of a project. Raises SettingsError for the first thing wrong in `.training` or the environment."""
    environment = os.environ if environment is None else environment
    file = root / SETTINGS_FILE
    values: dict[str, Setting] = {key.name: key.default for key in KEYS.values()}
    sources = dict.fromkeys(values, Source("default", ""))
    exists = file.exists() or file.is_symlink()
    if exists:
        for key, (value, line) in read_settings(file).items():
            values[key] = value
            sources[key] = Source(".training", f"{SETTINGS_FILE}:{line} {key}")
    for key, variable in _overrides(environment).items():
        values[key] = _checked(KEYS[key], environment[variable], Site("environment", variable, 0))
        sources[key] = Source("environment", variable)
    # The endpoints' own account comes last: with a sandbox, no name of the real account reaches anything.
    own = endpoints_settings(str(values["CLOUD_ENDPOINTS"]))
    if own is not None:
        for key in NAMES_OF_PEOPLE:
            values[key], sources[key] = KEYS[key].default, Source("default", "")
        for key, (value, line) in read_settings(own).items():
            values[key] = value
            sources[key] = Source(".training", f"{own}:{line} {key}")
    return Settings(values, sources, exists, root)


def endpoints_settings(folder: str) -> Path | None:
    """The `.training` of a folder of endpoints, where it has one."""
    file = Path(folder).expanduser() / SETTINGS_FILE
    return file if folder and file.exists() else None


def read_settings(file: Path) -> dict[str, tuple[Setting, int]]:
    """Key -> (checked value, line) of every key that has a value in a file like `.training`."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror or str(error)
        raise SettingsError(
            f"Cannot read {file.name}: {reason}.",
            remedy=f"Make it readable, or start again: cp {STARTER_FILE} {SETTINGS_FILE}",
            file=str(file),
        ) from None
    found: dict[str, tuple[Setting, int]] = {}
    first: dict[str, int] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        name, equals, rest = line.partition("=")
        name = name.strip()
        site = Site(".training", str(file), number)
        if not equals:
            raise _wrong(site, "", f"Line {number} of {file.name} is not KEY=VALUE.", "Put # before a comment.")
        _check_key(name, site, file.name)
        if name in first:
            message = f"{name} stands twice in {file.name}: in lines {first[name]} and {number}."
            raise _wrong(site, name, message, "Keep one of them.")
        first[name] = number
        value = _unquoted(rest.strip(), name, site)
        if value:
            found[name] = _checked(KEYS[name], value, site), number
    return found


def _check_key(name: str, site: Site, where: str) -> None:
    if name in KEYS:
        return
    if name in REFUSED or looks_secret(name):
        reason = REFUSED.get(name, "secrets are never kept in this file, which is copied and shared easily")
        raise _wrong(site, name, f"{name} does not belong in {where}: {reason}.", "Remove the line.")
    from arrcoc_core.explaining import nearest

    meant = nearest(name.upper(), KEYS)
    message = f"Unknown key {name!r} in line {site.line} of {where}."
    raise _wrong(site, name, message, f"Did you mean {meant}?" if meant else f"Known keys: see {STARTER_FILE}.")


def _unquoted(text: str, name: str, site: Site) -> str:
    """The value without quotes and without a comment after it."""
    if text[:1] in ("'", '"'):
        quote = text[0]
        inside, closed, after = text[1:].partition(quote)
        after = after.strip()
        if not closed or (after and not after.startswith("#")):
            message = f"{name} in line {site.line}: the quotes do not match."
            raise _wrong(site, name, message, f"Write {name}={quote}…{quote}")
        return inside.strip()
    for mark in (" #", "\t#"):
        text = text.split(mark, 1)[0]
    return "" if text.startswith("#") else text.strip()


def _checked(key: Key, text: str, site: Site) -> Setting:
    """The value of a key, by the rule of the field it fills, or of its own."""
    where = f"in line {site.line}" if site.line else "in the environment"
    if key.path:
        try:
            return check_value(key.path, parse_text(key.path, text), site)
        except ExperimentError as error:
            # The rule is the field's; the sentence is about the key that was written.
            _, _, allowed = error.message.partition(" must ")
            allowed = allowed.rpartition("; got ")[0].replace("True", "true").replace("False", "false")
            message = f"{key.name} {where} must {allowed}; got {text!r}."
            remedy = error.remedy if error.remedy.startswith("Did you mean") else f"{key.name}: {key.help}"
            raise _wrong(site, key.name, message, remedy) from None
    value = key.parse(text)
    if value is None:
        raise _wrong(
            site, key.name, f"{key.name} {where} must be {key.allowed}; got {text!r}.", f"{key.name}: {key.help}"
        )
    return value


def _overrides(environment: Mapping[str, str]) -> dict[str, str]:
    """Key -> the environment variable that overrides it; `ARRCOC_<KEY>` before a standard name."""
    found = {key: name for name, key in STANDARD_NAMES.items() if environment.get(name, "").strip()}
    for name in environment:
        key = name.removeprefix(PREFIX)
        if key == name or not environment[name].strip():
            continue
        if key in KEYS:
            found[key] = name
        elif key not in NOT_SETTINGS:
            _check_not_misspelt(key, name)
    return found


NOT_SETTINGS = frozenset({"HOME", "EDITOR", "RUN_ID", "ATTEMPT", "DISCOVERING"})
"""`ARRCOC_` variables that are not settings."""


def _check_not_misspelt(key: str, name: str) -> None:
    import difflib

    close = difflib.get_close_matches(key, list(KEYS), n=1, cutoff=0.8)
    if close:
        raise SettingsError(
            f"{name} in the environment is not a setting.",
            key=key,
            remedy=f"Did you mean {PREFIX}{close[0]}? Otherwise unset it.",
        )


def _wrong(site: Site, key: str, message: str, remedy: str) -> SettingsError:
    return SettingsError(message, key=key, remedy=remedy, file=site.file, line=site.line or None)
