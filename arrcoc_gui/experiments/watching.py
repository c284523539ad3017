"""Tells when files that the page shows have changed: a file system watcher with a short wait, so that one save is one
reload."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

WAIT_MS = 150


class FilesWatcher(QObject):
    """Emits `changed` once after a burst of changes. Editors replace files: `watch` after each reload sees them
    anew.
    """

    changed = Signal(list)  # paths as str

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._paths: set[str] = set()
        self._watcher = QFileSystemWatcher(self)
        self._watcher.fileChanged.connect(self._note)
        self._watcher.directoryChanged.connect(self._note)
        self._wait = QTimer(self, interval=WAIT_MS, singleShot=True)
        self._wait.timeout.connect(self._tell)

    def watch(self, paths: Iterable[Path]) -> None:
        """Watch these files and folders, and no others."""
        wanted = {str(path) for path in paths}
        watched = {*self._watcher.files(), *self._watcher.directories()}
        if watched - wanted:
            self._watcher.removePaths(sorted(watched - wanted))
        if wanted - watched:
            self._watcher.addPaths(sorted(wanted - watched))

    def stop(self) -> None:
        """Watch nothing any more."""
        self._wait.stop()
        self.watch(())

    def _note(self, path: str) -> None:
        self._paths.add(path)
        self._wait.start()

    def _tell(self) -> None:
        paths, self._paths = sorted(self._paths), set()
        self.changed.emit(paths)
