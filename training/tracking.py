"""Metrics and pictures through wandb, one row a step, keyed by `trainer/step`.

In every mode the growing `.wandb` file beside the run is the local store that the app, the command line and scripts
read. A kill swallows what wandb had not written yet. So a checkpoint carries the rows logged since the checkpoint
before it, and those of the last minute besides; a resumed run logs them again in its own segment, and the reader, which
keeps the last row of each step, finds every step once and none missing. Where the file is on a machine that may be
taken away, rows count as written only once they were streamed to a safe place: STREAMED then names a file whose
modification time says up to when that is so.

Online (WANDB_MODE=online, see wandb_run.py) the rows go to the W&B server as well, a second after they were logged, and
a resumed run goes on with the same run there. A kill swallows what the server had not got, so the rows of the last ten
minutes are logged again: an outage of that length costs nothing.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.signals import STOPPED_EXIT_CODE
from training.wandb_run import finished, leave_place, start, start_online

if TYPE_CHECKING:
    import wandb
    from PIL import Image

STEP = "trainer/step"
STREAMED = "ARRCOC_STREAMED"
_KEPT_FOR_S = 60.0  # far longer than wandb takes to write a row, also on a crowded machine
_KEPT_ONLINE_S = 600.0  # the longest outage of a W&B server that a killed run survives whole
_FINISH_S = 120.0  # how long the end of a training waits for the server to have everything

# The supervisor sets these too; set here, the trainer works alone. A value that is already there stays.
_ENVIRONMENT = {
    "WANDB_MODE": "offline",
    "WANDB_PROJECT": "arr-coc-0-1",
    # wandb 0.31 changed its default address, so it is always said.
    "WANDB_BASE_URL": "https://api.wandb.ai",
    # Seconds between two writes of the .wandb file; wandb's own 15 s would make a live chart impossible.
    "WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL": "0.1",
    # Seconds between two uploads of rows; whole ones, so this is the shortest.
    "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1",
    "WANDB_SILENT": "true",
}


@dataclass(frozen=True)
class Picture:
    """One logged picture: its metric name (`pictures/0`), a PNG, and its caption."""

    key: str
    png: bytes
    caption: str

    @staticmethod
    def encode(key: str, image: Image.Image, caption: str) -> Picture:
        data = io.BytesIO()
        image.save(data, "PNG", compress_level=1)
        return Picture(key, data.getvalue(), caption)


@dataclass(frozen=True)
class Row:
    """All that is logged of one optimizer step."""

    step: int
    values: dict[str, float]
    pictures: tuple[Picture, ...] = ()
    logged_at: float = field(default_factory=time.time, compare=False)


class Tracker:
    """A wandb run and the rows that the next checkpoint has to carry. Rows are logged in the order of their steps."""

    def __init__(
        self,
        run_id: str,
        directory: Path,
        config: Mapping[str, Any],
        *,
        say: Callable[[str], None] = print,
        stopped: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the segment of this attempt in `directory`/wandb. Takes a second; online, at most half a minute more.

        `stopped` is called, in a thread, when somebody stops the run on its page at W&B.
        """
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        os.environ.setdefault("WANDB_DIR", str(directory))
        self.online = os.environ["WANDB_MODE"] == "online"
        if self.online:
            run, why = start_online(run_id, config, stopped)
            if run is None:
                self.online = False
                say(f"not logging to W&B: {why}; this attempt logs beside the run, arrcoc sync {run_id} uploads it")
            self._run: wandb.Run = run or start(run_id, config, mode="offline")
            leave_place(directory, self._run, self.online, why)
        else:
            self._run = start(run_id, config)
        self._run.define_metric(STEP)
        self._run.define_metric("*", step_metric=STEP)
        self._say = say
        self._unsaved: list[Row] = []
        self._saved: list[Row] = []

    @property
    def url(self) -> str:
        """The run's page at W&B; "" where this attempt logs offline."""
        return str(self._run.url or "") if self.online else ""

    def log(self, row: Row) -> None:
        self._send(row)
        self._unsaved.append(row)

    def log_again(self, rows: Sequence[Row]) -> None:
        """After a resume: the rows the checkpoint carried, which the kill may have swallowed."""
        for row in rows:
            self._send(row)
        self._saved = list(rows)

    def rows_to_save(self) -> list[Row]:
        """What a checkpoint written now has to carry, oldest first."""
        horizon = _written_until() - (_KEPT_ONLINE_S if self.online else _KEPT_FOR_S)
        return [row for row in self._saved if row.logged_at >= horizon] + self._unsaved

    def mark_saved(self, rows: Sequence[Row]) -> None:
        """These rows are in a committed checkpoint; those logged meanwhile are not."""
        saved = {id(row) for row in rows}
        self._saved, self._unsaved = list(rows), [row for row in self._unsaved if id(row) not in saved]

    def finish(self, summary: Mapping[str, float], exit_code: int, *, within_s: float = _FINISH_S) -> None:
        """Close the segment. Online, that waits until the server has everything, but no longer than `within_s`."""
        self._run.summary.update(dict(summary))
        if self.online and exit_code == STOPPED_EXIT_CODE:
            self._run.mark_preempting()  # its page then says that it was interrupted, not that it failed
        if not self.online:
            self._run.finish(exit_code=exit_code)
        elif not finished(self._run, exit_code, within_s):
            self._say(f"W&B has not got everything in {within_s:.0f} s: arrcoc sync uploads the rest")

    def _send(self, row: Row) -> None:
        import wandb
        from PIL import Image

        pictures = {
            picture.key: wandb.Image(Image.open(io.BytesIO(picture.png)), caption=picture.caption, file_type="png")
            for picture in row.pictures
        }
        # commit=True: otherwise the row stays invisible until the next one
        self._run.log({STEP: row.step, **row.values, **pictures}, commit=True)


class NoTracker:
    """For the ranks other than the first: rows go nowhere."""

    url = ""

    def log(self, row: Row) -> None:
        """Nothing to do."""

    def log_again(self, rows: Sequence[Row]) -> None:
        """Nothing to do."""

    def rows_to_save(self) -> list[Row]:
        return []

    def mark_saved(self, rows: Sequence[Row]) -> None:
        """Nothing to do."""

    def finish(self, summary: Mapping[str, float], exit_code: int, *, within_s: float = 0.0) -> None:
        """Nothing to do."""


def _written_until() -> float:
    """The time up to which what was logged is safe, but for what wandb itself holds back."""
    streamed = os.environ.get(STREAMED)
    if not streamed:
        return time.time()
    try:
        return os.stat(streamed).st_mtime
    except FileNotFoundError:
        return float("-inf")


def pack_rows(rows: Sequence[Row]) -> dict[str, bytes]:
    """Rows as files: `rows.jsonl`, and one PNG for each picture."""
    files: dict[str, bytes] = {}
    lines: list[str] = []
    for row in rows:
        pictures: list[dict[str, str]] = []
        for picture in row.pictures:
            name = f"picture-{row.step:08d}-{picture.key.replace('/', '-')}.png"
            files[name] = picture.png
            pictures.append({"key": picture.key, "file": name, "caption": picture.caption})
        lines.append(json.dumps({"step": row.step, "values": row.values, "pictures": pictures}))
    files["rows.jsonl"] = "".join(f"{line}\n" for line in lines).encode()
    return files


def unpack_rows(files: Mapping[str, bytes]) -> list[Row]:
    """The inverse of `pack_rows`. Numbers come back exactly: JSON keeps all digits of a float."""
    rows: list[Row] = []
    for line in files["rows.jsonl"].decode().splitlines():
        held = json.loads(line)
        pictures = tuple(Picture(p["key"], files[p["file"]], p["caption"]) for p in held["pictures"])
        rows.append(Row(held["step"], held["values"], pictures))
    return rows
