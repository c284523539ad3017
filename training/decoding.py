"""Pictures as data sets hold them, decoded: always RGB and the right way up, or an error that says which one is bad."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from arrcoc_core.errors import DataError

_REMEDY = (
    "Repair or replace the file and start again: the run goes on from its last checkpoint. With "
    'data.bad_pictures="skip" a new run asks a neighbouring question instead.'
)
_ORIENTATION = 0x0112  # EXIF tag


def read_picture(held: Any, named: str, folder: Path | None = None) -> tuple[Image.Image, int]:
    """A picture and what it is known by: a number that is the same for the same file.

    `held`: encoded bytes, a path (below `folder` where it is not whole), a mapping with either under `bytes` and
    `path`, as `datasets` gives them undecoded, or a decoded picture. `named` is what an error calls it. Raises
    DataError for a file that is not there, that is no picture, or that ends too early.
    """
    if isinstance(held, Image.Image):
        return _rgb(held), _number(held.tobytes())
    encoded, where = _encoded(held, named, folder)
    try:
        picture = Image.open(io.BytesIO(encoded))
        picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"the picture of {named}{where} cannot be decoded: {error}", remedy=_REMEDY) from error
    if picture.getexif().get(_ORIENTATION) is not None:
        picture = ImageOps.exif_transpose(picture)
    return _rgb(picture), _number(encoded)


def _rgb(picture: Image.Image) -> Image.Image:
    return picture if picture.mode == "RGB" else picture.convert("RGB")  # which would copy one that is


def _encoded(held: Any, named: str, folder: Path | None) -> tuple[bytes, str]:
    """The bytes of a picture's file, and where they are from, for a message."""
    path = held
    if isinstance(held, Mapping):
        path = held.get("path")
        if held.get("bytes") is not None:
            return held["bytes"], f" ({path})" if path else ""
    if isinstance(held, bytes):
        return held, ""
    if not path:
        raise DataError(f"{named} has no picture", remedy=_REMEDY)
    if "://" in str(path):  # beside the rows of a data set that is streamed
        import fsspec

        with fsspec.open(str(path), "rb") as file:
            return file.read(), f" ({path})"  # type: ignore[union-attr]
    file = Path(path) if folder is None else folder / path
    try:
        return file.read_bytes(), f" ({file})"
    except OSError as error:
        raise DataError(f"the picture of {named} cannot be read: {file}: {error.strerror}", remedy=_REMEDY) from error


def _number(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
