"""The second half of `make run`: the app with `quickstart` selected, or the same in the terminal.

Standard library only: it also decides, before the set-up, whether Qt is wanted at all.

    python3 scripts/run.py            set up what is missing, then run
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv/bin/python"


def main():
    window = has_display()
    setup = [sys.executable, str(ROOT / "scripts/setup.py"), "run" if window else "terminal"]
    code = subprocess.run(setup, check=False).returncode
    if code:
        return code
    if window:
        return subprocess.run(
            [str(PYTHON), "-m", "arrcoc_gui", "--experiment", "quickstart"], cwd=ROOT, check=False
        ).returncode
    print("No display here: quickstart runs in this terminal. Ctrl-C leaves it running.\n", flush=True)
    command = [str(PYTHON), "-m", "arrcoc_core.cli", "launch", "quickstart", "--watch"]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    print(
        "\nThe window: run `make run` on a machine with a screen, over `ssh -X`, or `xvfb-run make run` for tests."
        "\nAgain in the terminal: .venv/bin/arrcoc monitor"
    )
    return code


def has_display():
    """True if a window can be opened: a display that is named *and* answers (a stale DISPLAY is common over ssh)."""
    if sys.platform == "darwin":
        return not os.environ.get("SSH_CONNECTION")
    if os.environ.get("QT_QPA_PLATFORM") in ("offscreen", "minimal"):
        return True
    runtime, wayland = os.environ.get("XDG_RUNTIME_DIR", ""), os.environ.get("WAYLAND_DISPLAY")
    if wayland and Path(runtime, wayland).exists():
        return True
    host, _, number = os.environ.get("DISPLAY", "").rpartition(":")
    if not number:
        return False
    screen = number.split(".")[0]
    if host in ("", "unix"):
        return answers(socket.AF_UNIX, f"/tmp/.X11-unix/X{screen}") or answers(
            socket.AF_UNIX, f"\0/tmp/.X11-unix/X{screen}"
        )
    return screen.isdigit() and answers(socket.AF_INET, (host, 6000 + int(screen)))


def answers(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
