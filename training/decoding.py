"""Pictures as data sets hold them, decoded: always RGB and the right way up, or an error that says which one is bad."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from arrcoc_core.errors import ConfigError, DataError, RunError

_REMEDY = (
    "Repair or replace the file and start again: the run goes on from its last checkpoint. With "
    'data.bad_pictures="skip" a new run asks a neighbouring question instead.'
)
_ORIENTATION = 0x0112  # EXIF tag
_GONE = (400, 401, 403, 404, 410, 451)  # HTTP: this one is not given out, and will not be tomorrow either


def read_picture(held: Any, named: str, folder: Path | None = None) -> tuple[Image.Image, int]:
    """A picture and what it is known by: a number that is the same for the same file.

    `held`: encoded bytes, a path (below `folder` where it is not whole), a mapping with either under `bytes` and
    `path`, as `datasets` gives them undecoded, or a decoded picture. `named` is what an error calls it. Raises
    DataError for a file that is not there, that is no picture, or that ends too early; RunError where a place on the
    network cannot be reached, which says nothing of the picture.
    """
    if isinstance(held, Image.Image):
        return upright(held), _number(held.tobytes())
    encoded, where = _encoded(held, named, folder)
    try:
        picture = Image.open(io.BytesIO(encoded))
        picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"the picture of {named}{where} cannot be decoded: {error}", remedy=_REMEDY) from error
    return upright(picture), _number(encoded)


def upright(picture: Image.Image) -> Image.Image:
    """RGB, and turned as its EXIF says: cameras store what they saw, and beside it how they were held."""
    if picture.getexif().get(_ORIENTATION) is not None:
        picture = ImageOps.exif_transpose(picture)
    return picture if picture.mode == "RGB" else picture.convert("RGB")  # which would copy one that is


def as_rgb(picture: Any) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] of a PIL picture, or of an array that is RGB already, grey ([H, W] or [H, W, 1]) or RGBA.

    ConfigError for anything else.
    """
    if isinstance(picture, Image.Image):
        return np.asarray(upright(picture))
    shape = picture.shape if isinstance(picture, np.ndarray) else ()
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and 0 not in shape:
        if shape[2:] == (3,):
            return picture
        if len(shape) == 2 or shape[2:] == (1,):
            return np.repeat(picture.reshape(*shape[:2], 1), 3, axis=2)
        if shape[2:] == (4,):
            return np.ascontiguousarray(picture[..., :3])
    given = f"an array {picture.dtype} {shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
    raise ConfigError(
        f"a picture was given as {given}",
        remedy="Give a PIL image, or an array uint8 [H, W, 3] with values up to 255.",
    )


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
    if not isinstance(path, str | os.PathLike):
        raise DataError(
            f"the picture of {named} is of the type {type(path).__name__}",
            remedy="It is a path, the bytes of a file, a record with either under path or bytes, or an image.",
        )
    if "://" in str(path):  # beside the rows of a data set that is streamed
        return _fetched(str(path), named), f" ({path})"
    file = Path(path) if folder is None else folder / path
    try:
        return file.read_bytes(), f" ({file})"
    except OSError as error:
        raise DataError(f"the picture of {named} cannot be read: {file}: {error.strerror}", remedy=_REMEDY) from error


def _fetched(address: str, named: str) -> bytes:
    import fsspec

    try:
        with fsspec.open(address, "rb") as file:
            return file.read()  # type: ignore[union-attr]
    except Exception as error:  # each kind of place raises errors of its own
        said = f"the picture of {named} cannot be read: {address}: {type(error).__name__}: {error}"
        if isinstance(error, ImportError):
            raise ConfigError(said, remedy="Install what it asks for, or take a copy of the pictures.") from error
        gone = getattr(error, "status", 0) in _GONE
        if gone or isinstance(error, FileNotFoundError | PermissionError | ValueError):
            raise DataError(said, remedy=_REMEDY) from error
        raise RunError(
            said, remedy="Check the connection and start again: the run goes on from its last checkpoint."
        ) from error


def _number(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
