"""`arrcoc explain RUN PICTURE… QUESTION`: the answer of a run's selector, and a figure of why it reads what it reads.

RUN may also be a folder with a selector, or a repository of the Hub. The work needs torch, so `training.explain` does
it in a process of its own. Exit code 2: something given cannot be used.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from arrcoc_core.errors import UnknownRunError


def explain(arguments: argparse.Namespace) -> int:
    from arrcoc_core.settings import find_root

    return subprocess.run(command_of(arguments), cwd=find_root(), check=False).returncode


def command_of(arguments: argparse.Namespace) -> list[str]:
    """The command line of `training.explain`, with whole paths: it does not run in the folder of who asks."""
    pictures = [str(Path(picture).resolve()) for picture in arguments.pictures]
    given = {"--keep": arguments.keep, "--max-answer-tokens": arguments.max_answer_tokens, "--device": arguments.device}
    options = [f"{name}={value}" for name, value in given.items() if value is not None]
    return [
        *(sys.executable, "-m", "training.explain", *options, "--out", str(Path(arguments.out).resolve())),
        *("--", _place(arguments.run), *pictures, arguments.question),
    ]


def _place(name: str) -> str:
    """The directory of the run that is called so; else a folder, or what may be a repository."""
    from arrcoc_core.api import get_run

    try:
        return str(get_run(name).directory)
    except UnknownRunError:
        if Path(name).is_dir():
            return str(Path(name).resolve())
        if name.count("/") == 1:
            return name
        raise
