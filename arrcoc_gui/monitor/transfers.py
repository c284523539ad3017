"""Uploads that the app runs for a person, each in a child process: `arrcoc upload` to the Hub, `arrcoc sync` to W&B.

One of each kind a run at a time. What they tell goes into `Transfer`s, which the header shows; both can be stopped and
begun again: what has been sent is not sent twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import QObject, Signal

from arrcoc_core.formatting import percent, plural, size
from arrcoc_gui.cloud.trouble import Trouble
from arrcoc_gui.cloud_task import CloudTask, Ending

Kind = Literal["upload", "sync"]
_STAGES = {"looking": "looking at what is there", "checking": "checking that all has arrived"}
WHERE: Mapping[Kind, str] = {"upload": "to the Hub", "sync": "to W&B"}


@dataclass(frozen=True)
class Transfer:
    """One that goes on, or how it ended. `state`: going, done, stopped or failed.

    `done` and `total`: bytes of an upload to the Hub, rows of one to W&B.
    """

    kind: Kind
    state: Literal["going", "done", "stopped", "failed"] = "going"
    done: int = 0
    total: int = 0
    detail: str = ""
    trouble: Trouble | None = None

    @property
    def going_on(self) -> bool:
        return self.state == "going"

    @property
    def fraction(self) -> float | None:
        """0 to 1; None while the size is not known."""
        return min(1.0, self.done / self.total) if self.total else None

    def told(self, line: Mapping[str, Any]) -> Transfer:
        """With what a line of the command says."""
        names = ("done_bytes", "total_bytes") if self.kind == "upload" else ("rows", "total")
        done, total = (int(line.get(name) or 0) for name in names)
        detail = str(line.get("detail") or "") or _STAGES.get(str(line.get("state")), "")
        return replace(self, done=done, total=total, detail=detail)

    def words(self) -> str:
        """ "Uploading to the Hub: 3.1 MB of 12.4 MB (25 %)"."""
        where = WHERE[self.kind]
        if self.state == "going":
            if self.fraction is None or self.detail:
                return f"Uploading {where}: {self.detail or _STAGES['looking']}"
            return f"Uploading {where}: {self._amount()} ({percent(self.fraction)})"
        if self.state == "done":
            return f"Uploaded {where}{f': {self._amount()}' if self.total else ''}"
        if self.state == "stopped":
            return f"The upload {where} was stopped; begun again, it goes on from there"
        return f"The upload {where} failed: {self.trouble.message if self.trouble else self.detail}"

    def _amount(self) -> str:
        if self.kind == "sync":
            return f"{self.done:,} of {plural(self.total, 'row')}"
        return f"{size(self.done)} of {size(self.total)}"


class Transfers(QObject):
    """`changed` carries the id of the run whose transfer has moved or ended."""

    changed = Signal(str)
    ended = Signal(str, object)  # run id, Transfer

    def __init__(self, root: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._root = root
        self._tasks: dict[tuple[str, Kind], CloudTask] = {}
        self._shown: dict[str, Transfer] = {}

    def of_run(self, run_id: str) -> Transfer | None:
        """The one that goes on, or the last one that was begun here; None where there was none."""
        return self._shown.get(run_id)

    def going_on(self, run_id: str) -> bool:
        found = self.of_run(run_id)
        return found is not None and found.going_on

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    def begin(self, run_id: str, kind: Kind) -> None:
        """Begin, unless something of this run goes on."""
        if self.going_on(run_id):
            return
        task = CloudTask(self._root, [kind, run_id], self)
        self._tasks[run_id, kind] = task
        self._shown[run_id] = Transfer(kind)
        task.said.connect(lambda line: self._said(run_id, line))
        task.ended.connect(lambda ending: self._over(run_id, kind, ending))
        task.start()
        self.changed.emit(run_id)

    def cancel(self, run_id: str) -> None:
        """Stop what goes on of this run."""
        for (of, _), task in self._tasks.items():
            if of == run_id:
                task.cancel()

    def dismiss(self, run_id: str) -> None:
        """Forget one that has ended."""
        if not self.going_on(run_id) and self._shown.pop(run_id, None) is not None:
            self.changed.emit(run_id)

    def shutdown(self) -> None:
        """For the end of the app: what goes on is stopped; it can be begun again at any time."""
        for task in self._tasks.values():
            task.drop()
        self._tasks.clear()

    def _said(self, run_id: str, line: dict[str, Any]) -> None:
        self._shown[run_id] = self._shown[run_id].told(line)
        self.changed.emit(run_id)

    def _over(self, run_id: str, kind: Kind, ending: Ending) -> None:
        self._tasks.pop((run_id, kind)).deleteLater()
        state = "done" if ending.ok else "stopped" if ending.cancelled else "failed"
        self._shown[run_id] = replace(self._shown[run_id], state=state, trouble=ending.trouble)
        self.changed.emit(run_id)
        self.ended.emit(run_id, self._shown[run_id])
