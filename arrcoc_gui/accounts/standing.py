"""What `arrcoc accounts --json` prints, as lines for people: plain values, no Qt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from arrcoc_core.accounts.logins import hub_login
from arrcoc_gui.cloud.resources import look_of
from arrcoc_gui.cloud.trouble import Trouble
from arrcoc_gui.widgets.shapes import StateLook

TITLES = {"wandb-account": "W&B", "hub-account": "Hub"}
_ENDED = frozenset({"ok", "skipped", "failed", "unknown", "missing", "different", "foreign"})
_THERE = StateLook("signed in", "tick", "good")
_NOT_THERE = StateLook("not signed in", "circle", "muted")
_NOT_USED = StateLook("not used", "bars", "muted")


@dataclass(frozen=True)
class AccountLine:
    """One account. `words`: "ada, logs to lab"; `where`: its server. `command`: what signs in, or repairs it."""

    title: str
    look: StateLook
    words: str
    where: str = ""
    command: str = ""

    @property
    def good(self) -> bool:
        return self.look.role == "good"

    def in_words(self) -> str:
        repair = f", {self.command}" if self.command else ""
        return f"{self.title}: {self.words}{f' at {self.where}' if self.where else ''}{repair}"


def account_lines(lines: Iterable[Mapping[str, Any]]) -> list[AccountLine]:
    """One line for each account that has been looked at, in the order of TITLES."""
    newest = {str(line.get("resource")): line for line in lines if line.get("state") in _ENDED}
    return [_line(title, newest[key]) for key, title in TITLES.items() if key in newest]


def mode_words(lines: Iterable[Mapping[str, Any]]) -> str:
    """Why runs do not log online: "Runs log offline: no key for …"; "" where they do, and while it is not known."""
    told = next((line for line in lines if line.get("type") == "wandb_mode"), None)
    return f"Runs log {told.get('why')}." if told is not None and told.get("mode") != "online" else ""


def _line(title: str, line: Mapping[str, Any]) -> AccountLine:
    state, detail = str(line.get("state")), str(line.get("detail") or "")
    where, _, words = detail.partition(": ") if "://" in detail else ("", "", detail)
    trouble = Trouble.of(line.get("error"))
    command = next((fix.typed for fix in trouble.fixes if fix.command), "") if trouble is not None else ""
    if state == "skipped" and words.startswith("no "):  # no key, no token
        command = command or (hub_login(where, None) if title == "Hub" else "")
        return AccountLine(title, _NOT_THERE, words, where, command)
    if state == "skipped":
        return AccountLine(title, _NOT_USED, words, where, command)
    if trouble is not None and state != "ok":
        return AccountLine(title, look_of(state), trouble.message, "", command)
    return AccountLine(title, _THERE if state == "ok" else look_of(state), words, where, command)
