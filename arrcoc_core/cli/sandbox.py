"""`arrcoc sandbox start|stop|status|reset`, and the flag `--sandbox` of every command.

The sandbox is a process of its own that serves Google Cloud's interfaces on this machine (docs/sandbox.md). A command
under `--sandbox` starts it where it is down and sees nothing of the real account.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.cli.terminal import Typed, paint, say, say_json

if TYPE_CHECKING:
    from arrcoc_core.sandbox import Sandbox


def sandbox(arguments: argparse.Namespace) -> int:
    acts = {"start": _start, "stop": _stop, "status": _status, "reset": _reset}
    acts[arguments.act](arguments, sandbox_folder())
    return 0


def sandbox_folder() -> Path:
    """The folder of CLOUD_ENDPOINTS where it is set, else `sandbox` among the project's state."""
    from arrcoc_core.settings import find_root, load_settings, state_dir

    root = find_root()
    chosen = str(load_settings(root).get("CLOUD_ENDPOINTS"))
    return Path(chosen).expanduser().resolve() if chosen else state_dir(root) / "sandbox"


def enter() -> Sandbox:
    """Let this process and its children use the sandbox instead of Google Cloud; starts it where it is down."""
    from arrcoc_core.sandbox import start

    folder = sandbox_folder()
    made = start(folder)
    Typed.sandbox = True
    os.environ["ARRCOC_CLOUD_ENDPOINTS"] = str(folder)
    # No proxy stands between this machine and itself.
    os.environ["NO_PROXY"] = ",".join(filter(None, (os.environ.get("NO_PROXY", ""), "127.0.0.1")))
    return made


def _start(arguments: argparse.Namespace, folder: Path) -> None:
    from arrcoc_core.sandbox import start, status

    before = status(folder)
    start(folder, speed=arguments.speed, scenario=arguments.scenario)
    held = status(folder)
    if arguments.json:
        _as_json(held, started=held["pid"] != before.get("pid"))
        return
    again = "runs already" if held["pid"] == before.get("pid") else "runs"
    say(f"{paint('The sandbox', 'bold')} {again}: nothing in it is real or costs anything.")
    say(_facts(held))
    say()
    say("  arrcoc --sandbox setup        makes the project in it")
    say("  arrcoc --sandbox launch NAME  launches into it")
    say("  arrcoc sandbox stop           ends it; what is in it stays")


def _stop(arguments: argparse.Namespace, folder: Path) -> None:
    from arrcoc_core.sandbox import status, stop

    ended = stop(folder)
    if arguments.json:
        _as_json(status(folder), stopped=ended)
    else:
        say("The sandbox has ended; what is in it stays." if ended else "No sandbox runs.")


def _status(arguments: argparse.Namespace, folder: Path) -> None:
    from arrcoc_core.sandbox import status

    held = status(folder)
    if arguments.json:
        _as_json(held)
    elif not held["running"]:
        say("No sandbox runs. arrcoc sandbox start   starts one.")
    else:
        say(_facts(held))


def _reset(arguments: argparse.Namespace, folder: Path) -> None:
    from arrcoc_core.sandbox import reset, status

    reset(folder)
    if arguments.json:
        _as_json(status(folder))
    else:
        say("The sandbox is empty again, and does not run.")


def _as_json(held: dict[str, Any], **more: bool) -> None:
    say_json({**held, "endpoints": held["folder"], **more})


def _facts(held: dict[str, Any]) -> str:
    lines = [f"  folder    {held['folder']}", f"  address   {held['url']}", f"  speed     {held['speed']:g}"]
    for fault in held["scenario"]:
        values = {name: value for name, value in fault.items() if name not in ("fault", "taken") and value is not None}
        inside = ", ".join(f"{name}={value!r}" for name, value in values.items())
        lines.append(f"  fault     {fault['fault']}({inside}), came {fault['taken']} times")
    return "\n".join(lines)
