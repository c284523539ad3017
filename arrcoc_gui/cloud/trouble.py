"""An error as a person mends it: message, cause, numbered fixes, each with a command that can be copied.

    Trouble.of(held["error"])          what a command printed as JSON
    Trouble.of_text(stderr, "…")       what it wrote on standard error

Text that comes from a child process goes through `redact`: the values of secrets are never shown.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arrcoc_core.settings_keys import looks_secret

RUNNABLE = (("arrcoc", "setup"), ("arrcoc", "infra"), ("arrcoc", "sandbox", "start"), ("gcloud",))
"""Beginnings of the commands that the app may run for a person who agrees."""

WRITABLE = ("HF_HUB_REPO_ID", "WANDB_ENTITY")
"""Settings that the app may write for a person who agrees: a name, never a place or a key."""

_SETTING = re.compile(rf"\b({'|'.join(WRITABLE)})=([\w.-]+(?:/[\w.-]+)?)")
_SECRET_SHAPES = re.compile(
    r"hf_[A-Za-z0-9]{16,}|ya29\.[\w.-]+|(?<=Bearer )\S+|\b[0-9a-f]{40}\b"
    r"|-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----"
)
_SHORTEST_SECRET = 8
_TAIL = 12  # lines of standard error that are shown


@dataclass(frozen=True)
class Fix:
    """One step of a repair. `safe`: free, and it can be taken back."""

    text: str
    command: str = ""
    safe: bool = True

    @property
    def runnable(self) -> bool:
        """Whether the app may offer to run it."""
        words = self.words
        known = any(tuple(words[: len(start)]) == start for start in RUNNABLE)
        if not known or words[0] != "gcloud":
            return known
        # gcloud knows no sandbox: it would act on the real account.
        return not os.environ.get("ARRCOC_CLOUD_ENDPOINTS") and shutil.which("gcloud") is not None

    @property
    def setting(self) -> tuple[str, str] | None:
        """The key and the value that it says to write into `.training`, where the app may do that."""
        found = _SETTING.search(self.text) if not self.command else None
        return (found[1], found[2].rstrip(".")) if found is not None else None

    @property
    def typed(self) -> str:
        """The command as it has to be typed in a terminal, which knows nothing of the app's sandbox switch."""
        if os.environ.get("ARRCOC_CLOUD_ENDPOINTS") and self.command.startswith("arrcoc "):
            return self.command.replace("arrcoc ", "arrcoc --sandbox ", 1)
        return self.command

    @property
    def words(self) -> list[str]:
        """The command as a list of arguments; empty where it is no single command."""
        if not self.command or re.search(r"[|&;<>`$\n]", self.command):
            return []
        try:
            return shlex.split(self.command)
        except ValueError:  # an unclosed quote: it is for reading only
            return []


@dataclass(frozen=True)
class Trouble:
    """`scope` is the core's word for what it is about ("auth", "quota", …), or ""."""

    message: str
    cause: str = ""
    fixes: tuple[Fix, ...] = ()
    scope: str = ""

    @classmethod
    def of(cls, held: Mapping[str, Any] | str | None) -> Trouble | None:
        """From JSON; None for none."""
        if not held:
            return None
        if isinstance(held, str):
            return cls(redact(held))
        fixes = tuple(_fix(item) for item in held.get("fixes") or ())
        if not fixes and held.get("remedy"):
            fixes = fixes_of(str(held["remedy"]))
        return cls(
            message=redact(str(held.get("message") or "It failed without saying why.")),
            cause=redact(str(held.get("cause") or "")),
            fixes=fixes,
            scope=str(held.get("scope") or ""),
        )

    @classmethod
    def of_text(cls, text: str, otherwise: str) -> Trouble:
        """From the end of what a command wrote on standard error; `otherwise` is said where it wrote nothing."""
        lines = [line for line in redact(text).splitlines() if line.strip()]
        start = next((i for i, line in enumerate(lines) if line.startswith("error: ")), None)
        if start is None:
            return cls(otherwise, "\n".join(lines[-_TAIL:]))
        remedies = [line.strip().removeprefix("→").strip() for line in lines[start:] if line.strip().startswith("→")]
        said = [line.strip() for line in lines[start:] if not line.strip().startswith("→")]
        return cls(said[0].removeprefix("error: "), "\n".join(said[1:]), fixes_of("\n".join(remedies)))

    def as_text(self) -> str:
        """All of it, for the clipboard."""
        return "\n".join([self.message, *([self.cause] if self.cause else []), *self._steps()])

    @property
    def remedy(self) -> str:
        """The steps alone, for a banner."""
        return "\n".join(self._steps())

    def _steps(self) -> list[str]:
        lines: list[str] = []
        for number, fix in enumerate(self.fixes, 1):
            lines.append(f"{number}. {fix.text}" if fix.text else f"{number}. {fix.typed}")
            if fix.command and fix.text:
                lines.append(f"   {fix.typed}")
        return lines


def fixes_of(remedy: str) -> tuple[Fix, ...]:
    """The lines of a remedy as fixes: "a command   what it does", or words."""
    fixes: list[Fix] = []
    for line in (line.strip() for line in remedy.splitlines()):
        if not line:
            continue
        head, _, rest = line.partition("   ")
        rest = rest.strip()
        if _is_command(head):
            fixes.append(Fix(rest, head))
        elif _is_command(rest):
            fixes.append(Fix(head.rstrip(":"), rest))
        else:
            fixes.append(Fix(line))
    return tuple(fixes)


def redact(text: str) -> str:
    """The text without the values of secrets: those of this process's environment, and what looks like one."""
    for name, value in os.environ.items():
        if looks_secret(name) and len(value) >= _SHORTEST_SECRET and not os.path.exists(value):
            text = text.replace(value, "(secret)")
    return _SECRET_SHAPES.sub("(secret)", text)


def _fix(item: Mapping[str, Any] | str) -> Fix:
    if isinstance(item, str):
        return fixes_of(item)[0] if item.strip() else Fix(item)
    return Fix(str(item.get("text") or ""), str(item.get("command") or ""), bool(item.get("safe", True)))


def _is_command(text: str) -> bool:
    return text.split(" ", 1)[0] in {"arrcoc", "gcloud", "cp", "python", "make", "unset", "export", "wandb", "hf"}
