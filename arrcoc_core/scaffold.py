"""`arrcoc new NAME --from quickstart`: five typed lines to start from, and the editor on them."""

import keyword
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from arrcoc_core.discovery import Discovery, Entry, discover
from arrcoc_core.errors import ConfigError, DuplicateExperimentError
from arrcoc_core.settings import find_root

TEMPLATE = '''"""What {name} changes about {base}, and why."""

from {module} import {variable}

{target} = {expression}.but(
    name="{name}",
    tokens={expression}.tokens.but(keep={keep}),
)
'''


def new_experiment(
    root: Path | None, name: str, from_: str = "quickstart", discovery: Discovery | None = None
) -> tuple[Path, int]:
    """Write `experiments/NAME.py`, a variation of `from_`, and give it with the line of the value to change.

    Nothing is overwritten. Raises ConfigError for a name that cannot be a Python variable, DuplicateExperimentError
    for one that is taken, UnknownExperimentError where there is no `from_`.
    """
    root = root or find_root()
    target = name.replace("-", "_")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) or keyword.iskeyword(target):
        raise ConfigError(
            f"{name!r} cannot name an experiment file.",
            remedy="Start with a letter; use letters, digits, _ and - only, such as keep_8.",
        )
    file = root / "experiments" / f"{target}.py"
    if file.exists():
        raise DuplicateExperimentError(
            f"There is already a file {file.name}.", remedy="Choose another name.", file=str(file)
        )
    discovery = discovery or discover(root)
    taken = [entry for entry in discovery.entries if name in (entry.name, entry.sweep)]
    if taken:
        raise DuplicateExperimentError(
            f"There is already an experiment {name!r}.",
            remedy="Choose another name.",
            file=str(root / taken[0].file),
            line=taken[0].line,
        )
    text = _text(name, target, discovery.find(from_))
    # "x": another program may have made the file since.
    with file.open("x", encoding="utf-8") as new:
        new.write(text)
    line = next(number for number, row in enumerate(text.splitlines(), start=1) if "tokens=" in row)
    return file, line


def _text(name: str, target: str, base: Entry) -> str:
    variable = re.split(r"[\[.]", base.variable)[0]
    if not all(part.isidentifier() for part in base.module.split(".")):
        raise ConfigError(
            f"{base.file} cannot be imported: its name is not a Python name.",
            remedy="Rename the file, or start from another experiment.",
            file=base.file,
        )
    keep = base.experiment.tokens.keep if base.experiment else None
    return TEMPLATE.format(
        name=name,
        target=target,
        base=base.name,
        module=base.module,
        variable=variable,
        expression=base.variable,
        keep=keep * 2 if isinstance(keep, int) else 8,
    )


def editor_command(file: Path, line: int) -> list[str] | None:
    """The command that opens `file` at `line`: ARRCOC_EDITOR, $VISUAL, VS Code, PyCharm; None where there is none."""
    for variable in ("ARRCOC_EDITOR", "VISUAL"):
        words = shlex.split(os.environ.get(variable, ""))
        if words and shutil.which(words[0]):
            return _at_line(words, file, line)
    for name in ("code", "cursor", "codium", "pycharm", "charm"):
        if shutil.which(name):
            return _at_line([name], file, line)
    return None


def open_in_editor(file: Path, line: int = 1) -> bool:
    """Open the user's editor and return at once, or, for an editor in this terminal, when it is closed.

    False where there is no editor, or it cannot be started: print `file:line` then.
    """
    command = editor_command(file, line)
    if command is None:
        return False
    try:
        if Path(command[0]).name in _IN_TERMINAL:
            # An editor in the terminal needs one; the app and a script without one have none to give.
            return sys.stdin.isatty() and subprocess.run(command, check=False).returncode == 0
        editor = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # Collects the process when the editor is closed; a window may stay open longer than this program runs.
        threading.Thread(target=editor.wait, daemon=True).start()
    except OSError:
        return False
    return True


_IN_TERMINAL = frozenset({"vi", "vim", "nvim", "nano", "micro", "hx", "helix", "ne", "joe", "kak"})
_PLUS_LINE = frozenset({*_IN_TERMINAL, "emacs", "emacsclient", "gvim", "kate", "gedit", "mcedit"}) - {
    "hx",
    "helix",
    "micro",
}
_JETBRAINS = frozenset({"pycharm", "charm", "idea", "pycharm-community", "pycharm-professional"})
_VSCODE = frozenset({"code", "code-insiders", "cursor", "codium", "windsurf"})


def _at_line(words: list[str], file: Path, line: int) -> list[str]:
    """An editor's own way to say file and line; `{file}` and `{line}` in the command are filled in."""
    if any("{file}" in word for word in words):
        return [word.replace("{file}", str(file)).replace("{line}", str(line)) for word in words]
    name = Path(words[0]).name.removesuffix(".sh")
    if name in _VSCODE:
        return [*words, "--goto", f"{file}:{line}"]
    if name in _JETBRAINS:
        return [*words, "--line", str(line), str(file)]
    if name in _PLUS_LINE:
        return [*words, f"+{line}", str(file)]
    return [*words, f"{file}:{line}"]
