"""Makes `.venv` ready for a job and says what it does: the first half of `make run` and `make test`.

    python3 scripts/setup.py run|test [--check]

It needs nothing but a Python of the standard library. Steps: find a Python 3.11-3.13, make `.venv`, install the
system libraries that Qt needs (Debian, as root; otherwise the exact line is printed and nothing is changed), and
install the pinned packages. What is to be downloaded is announced first. A stamp in `.venv` makes the second time
a matter of milliseconds. `--check` tells what would be done and changes nothing.
"""

import ctypes.util
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".arrcoc-setup.json"
LOCK = ROOT / "requirements.lock"
VERSIONS = ((3, 11), (3, 12), (3, 13))
# What each job needs. Without a display `make run` stays in the terminal and needs no Qt.
EXTRAS = {
    "terminal": ("cloud", "training"),
    "run": ("cloud", "gui", "training"),
    "test": ("cloud", "dev", "gui", "training"),
}

# What each extra starts with, and what its processes load later on. Nothing of it is written by pip: see `import_used`.
USED = {
    "core": ("arrcoc_core.api",),
    "training": ("training.model.arrcoc_qwen", "wandb", "pandas", "datasets", "accelerate"),
    "gui": ("PySide6.QtWidgets",),
    "cloud": (
        "google.cloud.aiplatform_v1",
        "google.cloud.artifactregistry_v1",
        "google.cloud.billing_v1",
        "google.cloud.cloudquotas_v1",
        "google.cloud.devtools.cloudbuild_v1",
        "google.cloud.iam_admin_v1",
        "google.cloud.logging_v2.services.logging_service_v2",
        "google.cloud.resourcemanager_v3",
        "google.cloud.secretmanager_v1",
        "google.cloud.service_usage_v1",
        "google.cloud.storage",
        "graphql",
    ),
    "dev": ("pytest", "pytestqt", "xdist", "hypothesis", "keyring", "pyqtgraph"),
}

# Debian package -> a shared library (or a program) whose presence shows that it is installed.
QT_LIBRARIES = {
    "libglib2.0-0": "glib-2.0",
    "libegl1": "EGL",
    "libgl1": "GL",
    "libdbus-1-3": "dbus-1",
    "libfontconfig1": "fontconfig",
    "libxkbcommon0": "xkbcommon",
}
X11_LIBRARIES = {
    "libxkbcommon-x11-0": "xkbcommon-x11",
    "libxcb-cursor0": "xcb-cursor",
    "libxcb-icccm4": "xcb-icccm",
    "libxcb-keysyms1": "xcb-keysyms",
    "libxcb-shape0": "xcb-shape",
    "libx11-xcb1": "X11-xcb",
}
PROGRAMS = {"xvfb": "Xvfb", "xauth": "xauth", "git": "git"}
FONT = ("fonts-dejavu-core", Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"))


class SetupError(Exception):
    """Something the person has to do first; the message says what."""


def main(arguments):
    job = arguments[0] if arguments else "run"
    if job not in EXTRAS:
        raise SetupError(f"unknown job {job!r}: python3 scripts/setup.py {'|'.join(EXTRAS)} [--check]")
    check = "--check" in arguments
    extras = EXTRAS[job]
    # `make run` after `make test` must not shrink what is there: extras only ever grow.
    extras = tuple(sorted(set(extras) | set(read_stamp().get("extras", ()))))
    if read_stamp() == stamp(extras) and not missing_system_packages(job):
        return
    started = time.monotonic()
    python = find_python()
    packages = missing_system_packages(job)
    announce(python, extras, packages)
    if packages and not can_install_system_packages():
        raise SetupError(
            "Qt needs system libraries that are missing here. Run this line, then the same command again:\n\n"
            f"    sudo apt-get install -y {' '.join(packages)}\n\n"
            "Nothing was changed."
        )
    if check:
        return
    step(1, "system libraries", "already there" if not packages else f"installing {len(packages)} with apt-get")
    if packages:
        install_system_packages(packages)
    step(2, "Python environment", "already there" if (VENV / "bin/python").exists() else f"making {VENV.name}")
    make_environment(python)
    step(3, "packages", "installing the pinned versions (this is the long one)")
    install_packages(extras)
    step(4, "check", "importing what was installed, which compiles it")
    import_used(extras)
    STAMP.write_text(json.dumps(stamp(extras)), encoding="utf-8")
    print(f"[setup] ready in {time.monotonic() - started:.0f} s; the next time this is skipped.\n", flush=True)


def read_stamp():
    """What the last successful set-up installed, or {}."""
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def stamp(extras):
    """Changes when anything that decides what is installed changes."""
    digest = hashlib.sha256()
    for path in (ROOT / "pyproject.toml", LOCK, Path(__file__)):
        digest.update(path.read_bytes())
    return {"extras": list(extras), "inputs": digest.hexdigest(), "root": str(ROOT)}


def find_python():
    """A Python 3.11-3.13: this one, or one on the PATH."""
    if sys.version_info[:2] in VERSIONS:
        return sys.executable
    for major, minor in VERSIONS:
        found = shutil.which(f"python{major}.{minor}")
        quiet = subprocess.DEVNULL  # a shim may be on the PATH without the version behind it
        if found and subprocess.run([found, "-c", ""], stdout=quiet, stderr=quiet, check=False).returncode == 0:
            return found
    raise SetupError(
        f"arrcoc needs Python 3.11, 3.12 or 3.13; this is {sys.version.split()[0]} and none of them is on the PATH.\n"
        "Install one (Debian: sudo apt-get install python3.11 python3.11-venv; macOS: brew install python@3.12), "
        "then run the same command again."
    )


def missing_system_packages(job):
    """Debian packages that Qt (and, for the tests, a virtual screen) needs and that are not there.

    Only Linux needs them: Qt's wheels bring everything on macOS.
    """
    if not sys.platform.startswith("linux") or job == "terminal":
        return []
    wanted = dict(QT_LIBRARIES)
    if job == "run" or os.environ.get("DISPLAY"):
        wanted.update(X11_LIBRARIES)
    missing = [package for package, library in wanted.items() if ctypes.util.find_library(library) is None]
    if job == "test":
        missing += [package for package, program in PROGRAMS.items() if shutil.which(program) is None]
        missing += [p for p, library in X11_LIBRARIES.items() if ctypes.util.find_library(library) is None]
    if not FONT[1].exists() and not any(Path("/usr/share/fonts").rglob("*.ttf")):
        missing.append(FONT[0])
    return sorted(set(missing))


def can_install_system_packages():
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def announce(python, extras, packages):
    """Says what will be downloaded before anything is."""
    sizes = download_sizes(extras)
    total = sum(sizes.values())
    largest = ", ".join(f"{name} {size:.0f} MB" for name, size in sorted(sizes.items(), key=lambda x: -x[1])[:3])
    print("[setup] arrcoc is set up in this folder; nothing outside it changes", end="")
    print(", but for the system libraries named below." if packages else ".")
    print(f"[setup] Python      {python}")
    print(f"[setup] packages    {len(sizes)} to check, at most {total:.0f} MB to download ({largest}), into .venv")
    if sys.platform.startswith("linux"):
        print("[setup]             (an index whose torch is the CUDA build adds about 3 GB of NVIDIA libraries)")
    if packages:
        print(f"[setup] system      {' '.join(packages)} (about {4 * len(packages)} MB)")
    print(flush=True)


def download_sizes(extras):
    """Megabytes per pinned package that these extras need, from the comments of requirements.lock."""
    sizes = {}
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        match = re.match(r"([\w.-]+)==\S+\s+# ([\d.]+) MB; (.*)", line)
        if match and set(match[3].split()) & {"core", *extras}:
            sizes[match[1]] = float(match[2])
    return sizes


def step(number, name, what):
    print(f"[setup] {number}/4 {name}: {what}", flush=True)


def install_system_packages(packages):
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], env=environment)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], env=environment)


def make_environment(python):
    if (VENV / "bin/python").exists():
        works = subprocess.run([str(VENV / "bin/python"), "-c", "import pip"], capture_output=True, check=False)
        if works.returncode == 0:
            return
        # A copied or moved folder leaves an environment that points elsewhere.
        shutil.rmtree(VENV)
    run([python, "-m", "venv", str(VENV)])


def install_packages(extras):
    run(
        # Of 18,000 modules few thousand are ever imported: Python compiles these then, and pip all of them on one core.
        [str(VENV / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        + ["--constraint", str(LOCK), "--editable", f"{ROOT}[{','.join(extras)}]"]
    )


def import_used(extras):
    """What is used of each extra, by which it is compiled as well: the first start takes no longer than the next.

    Runs write no bytecode, as their code is a snapshot, and a shell may forbid it to all that it starts: what is not
    compiled here, each of these processes compiles again, which takes two to four times as long as to load it. The
    cloud's clients are as much as all the rest, so they have a process of their own.
    """
    rest = [name for extra in ("core", *extras) if extra != "cloud" for name in USED[extra]]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["QT_QPA_PLATFORM"] = "offscreen"
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    started = [
        subprocess.Popen([str(VENV / "bin/python"), "-c", code, *names], env=environment)
        for names in (USED["cloud"], rest)
    ]
    for process in started:
        wait_for(process)


def run(command, env=None):
    """Runs one step; its own output is shown, and a failure stops here with the command to repeat."""
    wait_for(subprocess.Popen(command, env=env))


def wait_for(process):
    if process.wait():
        command = " ".join(process.args)
        raise SetupError(f"this command failed with exit code {process.returncode}:\n    {command}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SetupError as error:
        print(f"\n[setup] {error}", file=sys.stderr)
        sys.exit(2)
