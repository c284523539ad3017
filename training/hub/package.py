"""The files of one upload: what lies in the result's folder, with the card and the curves made from its record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training.hub.card import CURVES, make_card
from training.hub.curves import draw_curves
from training.hub.record import FILE as RECORD
from training.hub.record import Record
from training.model.files import CONFIG, PROCESSOR, WEIGHTS

CARD = "README.md"
PICTURES = "pictures"
_FROM_FOLDER = (WEIGHTS, CONFIG, PROCESSOR, RECORD)


@dataclass(frozen=True)
class Package:
    """`files`: path in the repository -> its content, or the file that holds it."""

    files: dict[str, bytes | Path]
    repo: str
    tags: tuple[str, ...]
    """What this state of the repository is called: the run's id, or with "-best" behind it."""
    title: str
    """First line of the commit."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(len(held) if isinstance(held, bytes) else held.stat().st_size for held in self.files.values())

    def is_stale(self, path: str) -> bool:
        """Whether a file that lies in the repository is one of ours that this upload has no more. A file that somebody
        else has put there is not, and stays."""
        ours = (CARD, CURVES, *_FROM_FOLDER)
        return path not in self.files and (path in ours or path.startswith(f"{PICTURES}/"))


def make_package(
    record: Record, folder: Path, repo: str, *, best: bool = False, also_best: bool = False, wandb: str = ""
) -> Package:
    """`folder` holds the selector of `record`. `best`: it is the best so far of a run that goes on; `also_best`: it is
    its end and its best."""
    curves = draw_curves(record)
    card = make_card(record, repo, best=best, wandb=wandb, has_curves=bool(curves))
    files: dict[str, bytes | Path] = {CARD: card.encode()}
    if curves:
        files[CURVES] = curves
    named = [*_FROM_FOLDER, *(shown.file for shown in record.pictures)]
    files |= {path: folder / path for path in named if (folder / path).is_file()}
    at = f", best so far at step {record.step}" if best else ""
    tags = (*(() if best else (record.run,)), *((f"{record.run}-best",) if best or also_best else ()))
    return Package(files, repo, tags, f"{record.name}: {record.run}{at}")
