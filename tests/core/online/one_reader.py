"""A reader with a connection of its own, for tests that take one look after another."""

from __future__ import annotations

from pathlib import Path

from arrcoc_core.online.addresses import RunPath
from arrcoc_core.online.reader import Look, Reader
from arrcoc_core.online.run import read_once
from arrcoc_core.online.servers import Connection, Server


class OneReader:
    """Reads a run a look at a time; counts what that costs."""

    def __init__(self, server: Server, path: RunPath, directory: Path, *, mirrored: bool = False) -> None:
        self.connection = Connection(server)
        self.reader = Reader(path, directory, mirrored=mirrored)
        self.directory = directory

    def look(self) -> Look:
        return read_once(self.connection, self.reader)

    def all(self) -> list[Look]:
        looks = [self.look()]
        while looks[-1].more:
            looks.append(self.look())
        return looks
