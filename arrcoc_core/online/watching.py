"""The part of the follow child that is about runs on W&B servers: what it is told, put to a `Poller`.

The poller and all it needs are imported with the first such run: most children never have one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arrcoc_core.online.polling import Poller

BEHIND_S = 1.0
"""Between two lines about a run that is behind."""


class OnlineWatches:
    def __init__(self, say: Callable[[dict[str, Any]], None]) -> None:
        self._say = say
        self._poller: Poller | None = None
        self._said = time.monotonic()

    @property
    def pause_s(self) -> float:
        """How long nothing need be done here."""
        return 60.0 if self._poller is None else BEHIND_S

    def obey(self, command: dict[str, Any]) -> None:
        online: dict[str, Any] | None = command.get("online")
        if "watch" in command and online:
            self._watch(Path(command["watch"]), online, command)
        elif self._poller is not None and ("watch" in command or "unwatch" in command):
            self._poller.unwatch(Path(command.get("watch") or command["unwatch"]))
        elif self._poller is not None and "pictures" in command:
            self._poller.want_pictures(Path(command["run"]), [Path(name) for name in command["pictures"]])

    def say_behind(self) -> None:
        """A line for each run that is behind, once a second."""
        if self._poller is None or time.monotonic() - self._said < BEHIND_S:
            return
        self._said = time.monotonic()
        for line in self._poller.behind():
            self._say(line)

    def close(self) -> None:
        """End the poller's threads, if there are any."""
        if self._poller is not None:
            self._poller.close()

    def _watch(self, directory: Path, online: dict[str, Any], command: dict[str, Any]) -> None:
        from arrcoc_core.online.addresses import parse_run_path
        from arrcoc_core.online.polling import Poller
        from arrcoc_core.online.servers import Server

        if self._poller is None:
            self._poller = Poller(self._say)
        only = bool(online.get("only"))
        self._poller.watch(
            directory,
            Server(Path(online["root"]), online.get("endpoints")),
            parse_run_path(online["path"]),
            visible=bool(command.get("visible", True)),
            expected=(bool(command.get("live", False)) and not only) or bool(online.get("expected")),
            mirrored=not only,
            system=bool(online.get("system")),
            console=bool(online.get("console")),
        )
