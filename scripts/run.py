"""The second half of `make run`: the app with `quickstart` selected, or the same in the terminal.

Standard library only: it also decides, before the set-up, whether Qt is wanted at all.

    python3 scripts/run.py            set up what is missing, then run
"""

import subprocess
import sys
from pathlib import Path

import setup

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv/bin/python"


def main():
    if sys.version_info[:2] not in setup.VERSIONS:
        # The core may not load in this one: another takes over, or the set-up says what to install.
        try:
            python = setup.find_python()
        except setup.SetupError as error:
            print(f"[setup] {error}", file=sys.stderr)
            return 2
        return subprocess.run([python, str(ROOT / "scripts/run.py")], check=False).returncode
    sys.path.insert(0, str(ROOT))
    from arrcoc_core.cli.display import has_display  # standard library only, as all that it imports

    window = has_display()
    prepare = [sys.executable, str(ROOT / "scripts/setup.py"), "run" if window else "terminal"]
    code = subprocess.run(prepare, check=False).returncode
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


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
