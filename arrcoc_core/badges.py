"""Has this already run? One word, for the list, the app and scripts.

`ran`: this config and code have succeeded, under whatever name. `running`: they are at it, or waiting to be.
`code changed`: this config has succeeded, with other code. `config changed`: an experiment of this name has
succeeded, with other values. `new`: none of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from arrcoc_core.records import FINAL

Badge = Literal["new", "ran", "running", "config changed", "code changed"]


class Launched(Protocol):
    """What of a run decides."""

    @property
    def experiment(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def state(self) -> str: ...


def badge(name: str, fingerprint: str, code: str, runs: Sequence[Launched]) -> Badge:
    """The word for an experiment as it is now: its config fingerprint, and the hash of the code."""
    same_config = [run for run in runs if run.fingerprint == fingerprint]
    same = [run for run in same_config if run.code == code]
    if any(run.state not in FINAL for run in same):
        return "running"
    if any(run.state == "succeeded" for run in same):
        return "ran"
    if any(run.state == "succeeded" for run in same_config):
        return "code changed"
    if any(run.experiment == name and run.state == "succeeded" for run in runs):
        return "config changed"
    return "new"
