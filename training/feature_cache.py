"""What the frozen vision encoder and the texture array made of pictures, on disk, so that it is computed once.

An entry is known by a hash over everything it follows from: the base's parameters, precision, device and versions, how
its image processor is set, the source of the modules that look at a picture (`LOOKS`), and the picture's pixels. One
picture is one file, written under another name and then renamed, so that a kill leaves none that is half there; one
that cannot be read is made again. A picture is encoded alone, so that what is kept does not hang on its neighbours in a
batch. On a CPU that is bitwise what a batch gives; on a GPU, whose libraries choose their kernels by size, the last
bits may differ.

Entries lie in `$XDG_CACHE_HOME/arrcoc/features` (else `~/.cache/...`), one folder for each base, and serve later runs,
too. When the budget is used up no more are written: of pictures that come in another order each epoch, those that are
there are as good as any. Folders of other bases are removed, the longest unused first, when they are in the way.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from training.model import pruning, seeing, texture
from training.model.seeing import Seen

_ENDING = ".safetensors"
_GRID = "grid"
LOOKS = (pruning, seeing, texture)


def identity_of(base_sha256: str, bf16: bool, device: str, processor: str, looks: Sequence[ModuleType] = LOOKS) -> str:
    """What all entries of one folder have in common, as 16 hex digits. `processor`: the image processor's settings."""
    held = [base_sha256, bf16, device, processor, torch.__version__, transformers.__version__]
    held += [hashlib.sha256(inspect.getsource(module).encode()).hexdigest() for module in looks]
    return hashlib.sha256(repr(held).encode()).hexdigest()[:16]


def default_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "arrcoc" / "features"


class FeatureCache:
    """`look` as the model's, which it asks for what is not there.

    `limit`: bytes that may be on disk, by all of the `ranks` that write there. What was there when one began counts for
    all of them; the room that is left is shared out evenly.
    """

    def __init__(
        self,
        look: Callable[[Sequence[NDArray[np.uint8]]], Seen],
        identity: str,
        limit: float,
        device: torch.device,
        say: Callable[[str], None],
        folder: Path | None = None,
        ranks: int = 1,
    ) -> None:
        self._look, self._device, self._say, self._limit, self._ranks = look, device, say, limit, ranks
        whole = folder or default_folder()
        self._folder = whole / identity
        self._full = False
        self._others: list[tuple[Path, int]] = []  # the longest unused first
        self.nbytes = self._written = 0
        self.hits = self.misses = 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            os.utime(self._folder)
            self._clear()
            others = sorted(whole.iterdir(), key=lambda place: place.stat().st_mtime)
            self._others = [(place, _size(place)) for place in others if place.is_dir() and place != self._folder]
            self.nbytes = _size(self._folder) + sum(size for _, size in self._others)
        except OSError as error:
            self._stop(f"cannot be written in {whole}: {error.strerror}")

    @torch.no_grad()
    def look(self, pictures: Sequence[NDArray[np.uint8]]) -> Seen:
        """One row for each picture (uint8 [H, W, 3], of any sizes)."""
        return Seen.join([self._one(picture) for picture in pictures])

    def _one(self, picture: NDArray[np.uint8]) -> Seen:
        digest = hashlib.blake2b(repr(picture.shape).encode(), digest_size=20)
        digest.update(np.ascontiguousarray(picture))
        file = self._folder / f"{digest.hexdigest()}{_ENDING}"
        seen = self._read(file)
        if seen is not None:
            self.hits += 1
            return seen
        self.misses += 1
        seen = self._look([picture])
        self._write(file, seen)
        return seen

    def _read(self, file: Path) -> Seen | None:
        try:
            held = load_file(file, device=str(self._device))
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError) as error:
            self._say(f"an entry of the feature cache cannot be read and is made again: {file.name}: {error}")
            return None
        rows, columns = held.pop(_GRID).tolist()
        return Seen.from_tensors(held, [((rows, columns),)])

    def _write(self, file: Path, seen: Seen) -> None:
        if self._full:
            return
        ((grid,),) = seen.grids
        held = {name: tensor.contiguous() for name, tensor in seen.tensors().items()} | {_GRID: torch.tensor(grid)}
        size = sum(tensor.numel() * tensor.element_size() for tensor in held.values())
        if not self._has_room(size):
            self._stop(f"has used its {self._limit / 1e9:g} GB (data.feature_cache_gb)")
            return
        unfinished = file.with_suffix(f".{os.getpid()}.tmp")
        try:
            save_file(held, unfinished)
            unfinished.replace(file)
            self.nbytes += size
            self._written += size
        except (OSError, SafetensorError) as error:
            unfinished.unlink(missing_ok=True)
            self._stop(f"cannot be written any more: {error}")

    def _stop(self, why: str) -> None:
        self._full = True
        self._say(f"the feature cache {why}; training goes on, and other pictures are encoded each time")

    def _clear(self) -> None:
        """Remove what a process that has ended left unfinished."""
        for left in self._folder.glob("*.tmp"):
            if not Path(f"/proc/{left.suffixes[-2][1:]}").exists():
                left.unlink(missing_ok=True)

    def _has_room(self, size: int) -> bool:
        """Whether so many bytes may be added, once folders of other bases have gone as far as they had to."""
        by_others = (self._ranks - 1) * (self._written + size)  # who write as much as this one, as far as it knows
        while self.nbytes + size + by_others > self._limit and self._others:
            place, held = self._others.pop(0)
            shutil.rmtree(place, ignore_errors=True)  # another run may be at it, too, or write there meanwhile
            self.nbytes -= held
        return self.nbytes + size + by_others <= self._limit


def _size(folder: Path) -> int:
    return sum(entry.stat().st_size for entry in os.scandir(folder) if entry.name.endswith(_ENDING))
