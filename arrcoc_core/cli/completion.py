"""`arrcoc completion SHELL`: a script that completes commands, options, experiments and runs.

The script asks `arrcoc completion --names KIND` for the names at the moment of completion; that stays silent when
there is no project, so that Tab never prints an error.
"""

from __future__ import annotations

import argparse
from typing import cast

from arrcoc_core.cli.terminal import say
from arrcoc_core.errors import ArrcocError, ConfigError

NEWEST_RUNS = 50


def completion(arguments: argparse.Namespace) -> int:
    if arguments.names:
        for name in _names(arguments.names):
            say(name)
        return 0
    if not arguments.shell:
        raise ConfigError("Which shell?", remedy="arrcoc completion bash (or zsh, fish, tcsh)")

    import shtab

    from arrcoc_core.cli.parser import build_parser

    parser = build_parser()
    _mark(parser)
    say(shtab.complete(parser, shell=arguments.shell))
    return 0


def _mark(parser: argparse.ArgumentParser) -> None:
    """Tell shtab which arguments are names; argparse keeps its actions in a private list that shtab reads as well."""
    import shtab

    for action in parser._actions:  # pyright: ignore[reportPrivateUsage]
        kind = getattr(action, "names_kind", None)
        if kind is not None:
            action.complete = shtab.cmd(f"arrcoc completion --names {kind}")  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(action, argparse._SubParsersAction):  # pyright: ignore[reportPrivateUsage]
            children = cast("dict[str, argparse.ArgumentParser]", action.choices)  # pyright: ignore[reportUnknownMemberType]
            for child in children.values():
                _mark(child)


def _opened() -> list[str]:
    """Runs of W&B that were read here before: nobody is asked anything while Tab waits."""
    from arrcoc_core.online.cards import FILE
    from arrcoc_core.settings import find_root, state_dir

    folder = state_dir(find_root()) / "online"
    newest = sorted(folder.glob(f"*/*/*/{FILE}"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent.relative_to(folder).as_posix() for path in newest[:NEWEST_RUNS]]


def _names(kind: str) -> list[str]:
    found: list[str] = []
    try:
        if kind in ("experiment", "any"):
            from arrcoc_core.discovery import discover
            from arrcoc_core.settings import find_root

            entries = discover(find_root()).entries
            found += [name for entry in entries for name in (entry.name, entry.sweep) if name]
        if kind in ("run", "any"):
            from arrcoc_core.api import runs

            listed = runs(limit=NEWEST_RUNS)
            found += ["latest", *(run.id for run in listed), *(run.experiment for run in listed), *_opened()]
    except ArrcocError:
        return []
    return list(dict.fromkeys(found))
