"""`arrcoc gui`: hand over to the desktop app, or say what is missing."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys

from arrcoc_core.cli.display import has_display
from arrcoc_core.errors import ConfigError


def gui(arguments: argparse.Namespace) -> int:
    from arrcoc_core.settings import find_root

    root = find_root()
    if importlib.util.find_spec("PySide6") is None:
        raise ConfigError(
            "The desktop app needs PySide6.",
            remedy='python -m pip install -e ".[gui]"   (or: make run)',
        )
    if not has_display():
        raise ConfigError(
            "There is no display here, so no window can open.",
            remedy="Stay in the terminal: arrcoc launch quickstart --watch, then arrcoc monitor\n"
            "From another machine: ssh -X, or run it on a desktop\n"
            "On a server: Xvfb :1 & DISPLAY=:1 arrcoc gui, with a VNC viewer",
        )
    command = [sys.executable, "-m", "arrcoc_gui"]
    if arguments.experiment:
        command += ["--experiment", arguments.experiment]
    sys.stdout.flush()
    os.chdir(root)
    if os.name == "posix":
        os.execv(command[0], command)  # the app takes this process's place: signals and exit code are its own
    import subprocess

    return subprocess.run(command, check=False).returncode
