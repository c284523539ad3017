"""Synthetic pictures and questions: what is seen is a pure function of (split, seed, index).

A picture is 64 x 64 pixels on a grid of 4 x 4 cells. Six cells hold a thing, no two of one shape or one colour;
four hold clutter of the highest contrast, so that a selector which follows saliency alone is misled; six are
empty. A thing stays inside its cell, which is 2 x 2 visual tokens (8 px each): four tokens are enough to answer.

There are four kinds of question. Two are about content: the colour of a shape, the shape of a colour. Two are about
places: the colour and the shape at a row and a column, which pixels alone do not tell. The easy set asks the first two
only, the hard one all four.

Splits are separate random streams, so that no picture of one is a picture of another: "base" trains the frozen
base, "train" the selector, "validation" only evaluates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Split = Literal["base", "train", "validation"]
Kind = Literal["colour of shape", "shape of colour", "colour at place", "shape at place"]

IMAGE_SIZE = 64  # px, both sides
CELLS = 4  # a side
CELL = IMAGE_SIZE // CELLS  # px
THINGS = 6
CLUTTER = 4
CONTENT: tuple[Kind, ...] = ("colour of shape", "shape of colour")
PLACES: tuple[Kind, ...] = ("colour at place", "shape at place")
EASY, HARD = CONTENT, CONTENT + PLACES
QUESTIONS = len(EASY) * THINGS  # a picture of the easy set

SHAPES = ("circle", "square", "triangle", "cross", "ring", "star", "bar", "diamond")
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 30),
    "green": (30, 170, 40),
    "blue": (40, 60, 220),
    "yellow": (230, 210, 30),
    "purple": (150, 40, 180),
    "cyan": (40, 200, 210),
    "orange": (240, 130, 20),
    "white": (245, 245, 245),
}
COLOUR_NAMES = tuple(COLOURS)
NUMBERS = ("one", "two", "three", "four")  # of rows from the top, of columns from the left

_STREAMS: dict[str, int] = {"base": 1, "train": 2, "validation": 3}
_SIZES = (13, 14)  # px, side of a thing; smaller than a cell, so that its place inside varies
_CLUTTER_SIZE = 14
_GRAIN = 512  # px, side of the sheet of noise
_RAMP = np.linspace(-1, 1, IMAGE_SIZE, dtype=np.float32)
_RGB = np.array(list(COLOURS.values()), np.float32)


@dataclass(frozen=True, slots=True)
class Thing:
    """One coloured shape; `row` and `column` count cells, `top`, `left` and `size` are pixels."""

    shape: str
    colour: str
    row: int
    column: int
    top: int
    left: int
    size: int


@dataclass(frozen=True, slots=True)
class Picture:
    """`pixels`: uint8 [64, 64, 3], RGB."""

    pixels: NDArray[np.uint8]
    things: tuple[Thing, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """`text` is what the model reads, `answer` the one word that is right, `thing` the one asked about."""

    kind: Kind
    text: str
    answer: str
    thing: Thing


def picture(split: Split, seed: int, index: int) -> Picture:
    """Picture number `index` of a stream, always the same for the same three values.

    Raises `ValueError` for a split that does not exist or a negative seed or index.
    """
    if split not in _STREAMS:
        raise ValueError(f"no split {split!r}: choose from {', '.join(_STREAMS)}")
    rng = np.random.default_rng((_STREAMS[split], seed, index))
    canvas = _background(rng)
    cells = rng.permutation(CELLS * CELLS)[: THINGS + CLUTTER]
    things = _draw_things(canvas, cells[:THINGS], rng)
    _draw_clutter(canvas, cells[THINGS:], rng)
    return Picture(np.clip(canvas, 0, 255).astype(np.uint8), things)


def questions(things: tuple[Thing, ...], kinds: tuple[Kind, ...] = EASY) -> tuple[Question, ...]:
    """Every question of `kinds` about a picture's things, one of each kind for each thing, in a fixed order."""
    return tuple(_about(thing, kind) for thing in things for kind in kinds)


def region(thing: Thing) -> tuple[float, float, float, float]:
    """(top, left, bottom, right) of a thing as shares of its picture."""
    top, left, size = thing.top, thing.left, thing.size
    return top / IMAGE_SIZE, left / IMAGE_SIZE, (top + size) / IMAGE_SIZE, (left + size) / IMAGE_SIZE


def pick(seed: int, index: int, draw: int = 0) -> int:
    """Which of an easy picture's 12 questions to ask at the `draw`-th visit (an epoch, say): a pure function."""
    return int(np.random.default_rng((seed, index, draw)).integers(QUESTIONS))


def cell_labels(things: tuple[Thing, ...]) -> NDArray[np.int64]:
    """[2, 16] (shape, colour) of each cell: 0 for nothing or clutter, else 1 + its place in the list of names."""
    labels = np.zeros((2, CELLS * CELLS), np.int64)
    for thing in things:
        cell = thing.row * CELLS + thing.column
        labels[:, cell] = 1 + SHAPES.index(thing.shape), 1 + COLOUR_NAMES.index(thing.colour)
    return labels


def _about(thing: Thing, kind: Kind) -> Question:
    place = f"row {NUMBERS[thing.row]} column {NUMBERS[thing.column]}"
    text = {
        "colour of shape": f"which colour is the {thing.shape}",
        "shape of colour": f"which shape is {thing.colour}",
        "colour at place": f"which colour is at {place}",
        "shape at place": f"which shape is at {place}",
    }[kind]
    return Question(kind, text, thing.colour if kind.startswith("colour") else thing.shape, thing)


def _background(rng: np.random.Generator) -> NDArray[np.float32]:
    """A dim colour with a slope of brightness each way and grain; float32 [64, 64, 3] in 0..255."""
    base = rng.uniform(60, 110, 3).astype(np.float32)
    across, down = rng.uniform(-25, 25, 2).astype(np.float32)
    y, x = rng.integers(_GRAIN - IMAGE_SIZE, size=2)
    light = _grain()[y : y + IMAGE_SIZE, x : x + IMAGE_SIZE] + down * _RAMP[:, None] + across * _RAMP
    return light[..., None] + base


def _draw_things(canvas: NDArray[np.float32], cells: NDArray[np.int64], rng: np.random.Generator) -> tuple[Thing, ...]:
    shapes = rng.permutation(len(SHAPES))[:THINGS].tolist()
    colours = rng.permutation(len(COLOUR_NAMES))[:THINGS].tolist()
    sizes = rng.integers(_SIZES[0], _SIZES[-1] + 1, THINGS)
    corners = np.stack(np.divmod(cells, CELLS), 1) * CELL
    corners += (rng.random((THINGS, 2)) * (CELL - sizes + 1)[:, None]).astype(np.int64)
    shades = _RGB[colours] + 8 * rng.standard_normal((THINGS, 3), dtype=np.float32)
    things = []
    for shape, colour, cell, size, (top, left), shade in zip(
        shapes, colours, cells.tolist(), sizes.tolist(), corners.tolist(), shades, strict=True
    ):
        window = canvas[top : top + size, left : left + size]
        window += _sprite(SHAPES[shape], size) * (shade - window)
        row, column = divmod(cell, CELLS)
        things.append(Thing(SHAPES[shape], COLOUR_NAMES[colour], row, column, top, left, size))
    return tuple(things)


def _draw_clutter(canvas: NDArray[np.float32], cells: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Checkerboards, stripes and noise between black and white: more contrast than any thing has."""
    size = _CLUTTER_SIZE
    tints = rng.uniform(0.7, 1, (CLUTTER, 3)).astype(np.float32)
    patterns = rng.integers(len(_patterns()) + 1, size=CLUTTER).tolist()
    for cell, tint, pattern in zip(cells.tolist(), tints, patterns, strict=True):
        patch = _patterns()[pattern - 1] if pattern else 255 * rng.random((size, size, 1), dtype=np.float32)
        row, column = divmod(cell, CELLS)
        top, left = row * CELL + 1, column * CELL + 1
        np.multiply(patch, tint, out=canvas[top : top + size, left : left + size])


@cache
def _grain() -> NDArray[np.float32]:
    """A sheet of noise larger than a picture; each picture shows a piece of it (drawing it anew is slow)."""
    return 6 * np.random.default_rng(0).standard_normal((_GRAIN, _GRAIN), dtype=np.float32)


@cache
def _patterns() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Checks and stripes, float32 [size, size, 1] in 0..255."""
    half = np.arange(_CLUTTER_SIZE) // 2
    checks = (half[:, None] + half[None, :]) % 2 * 230 + 10
    stripes = np.broadcast_to(half % 2 * 230 + 10, (_CLUTTER_SIZE, _CLUTTER_SIZE))
    return checks.astype(np.float32)[..., None], stripes.astype(np.float32)[..., None]


@cache
def _sprite(shape: str, size: int, oversampling: int = 4) -> NDArray[np.float32]:
    """How much of each pixel a shape covers: float32 [size, size, 1] in 0..1."""
    n = size * oversampling
    axis = (np.arange(n) + 0.5) / n * 2 - 1
    x, y = np.meshgrid(axis, axis)
    radius = np.hypot(x, y)
    inside = {
        "circle": lambda: radius <= 1,
        "square": lambda: np.maximum(abs(x), abs(y)) <= 0.8,
        "triangle": lambda: abs(x) <= (y + 1) / 2,
        "cross": lambda: np.minimum(abs(x), abs(y)) <= 0.28,
        "ring": lambda: (radius <= 1) & (radius >= 0.5),
        "star": lambda: _in_star(x, y, radius),
        "bar": lambda: abs(y) <= 0.42,
        "diamond": lambda: abs(x) / 0.7 + abs(y) <= 1,
    }[shape]()
    covered = inside.reshape(size, oversampling, size, oversampling).mean((1, 3))
    return covered.astype(np.float32)[..., None]


def _in_star(x: NDArray[np.float64], y: NDArray[np.float64], radius: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Five tips at radius 1, five notches at 0.4; by symmetry only the half-sector beside one tip is tested."""
    sector = 2 * np.pi / 5
    angle = np.arctan2(x, -y) % sector
    angle = np.minimum(angle, sector - angle)
    notch_x, notch_y = 0.4 * np.cos(sector / 2), 0.4 * np.sin(sector / 2)
    return radius * (np.cos(angle) * notch_y + np.sin(angle) * (1 - notch_x)) <= notch_y
