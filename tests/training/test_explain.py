"""`python -m training.explain`: an answer, its weights, and a figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from arrcoc_core.errors import ConfigError
from training.decoding import as_rgb
from training.explain import main
from training.model.arrcoc_qwen import ArrCocQwen
from training.pictures import GAP, LINE, SIDE
from training.tiny.synthetic import picture


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's directory with its result and two pictures."""
    folder = tmp_path_factory.mktemp("run")
    ArrCocQwen.from_base("tiny").save_pretrained(folder / "result")
    for number in range(2):
        Image.fromarray(picture("validation", 0, number).pixels).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("count", [1, 2])
def test_the_figure_shows_pictures_three_ways_and_what_was_kept(
    place: Path, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [str(place / f"{number}.png") for number in range(count)]
    out = place / "why.png"
    assert main([str(place), *images, "which colour is the circle", "--keep", "5", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"read 5 of {64 * count} tokens; weights: propositional" in said
    figure = np.asarray(Image.open(out))
    step = SIDE + GAP
    assert figure.shape == (LINE + count * (step + LINE) + GAP, 5 * step + GAP, 3)
    shown = np.asarray(Image.open(images[0]).convert("RGB"))[10, 10]
    assert abs(figure[2 * LINE + 42, GAP + 42].astype(int) - shown).max() < 30  # the picture itself comes first
    last = figure[2 * LINE : 2 * LINE + SIDE, GAP + 4 * step : GAP + 4 * step + SIDE]
    third = figure[2 * LINE : 2 * LINE + SIDE, GAP + 3 * step : GAP + 3 * step + SIDE]
    if count == 1:
        assert (last == 255).all(-1).sum() > (third == 255).all(-1).sum() + 100  # outlines of what was kept


def test_a_picture_is_turned_as_its_exif_says(place: Path) -> None:
    upright = np.asarray(Image.open(place / "0.png").convert("RGB"))[:32]
    lying = Image.fromarray(np.ascontiguousarray(np.rot90(upright)))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter, to be turned back
    lying.save(place / "lying.png", exif=exif)
    model = ArrCocQwen.from_pretrained(place / "result")
    assert np.array_equal(as_rgb(Image.open(place / "lying.png")), upright)
    seen = model.explain(Image.open(place / "lying.png"), "which shape is red", 3)
    rows, columns = seen.pictures[0].scores.shape
    assert columns == 2 * rows
    assert (
        main([str(place), str(place / "lying.png"), "which shape is red", "--keep", "3", "--out", str(place / "l.png")])
        == 0
    )
    figure = np.asarray(Image.open(place / "l.png"))
    expected = Image.fromarray(upright).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    assert np.array_equal(figure[2 * LINE : 2 * LINE + SIDE, GAP : GAP + SIDE], np.asarray(expected))


def test_pictures_that_are_no_rgb_arrays(place: Path) -> None:
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    assert all((as_rgb(shape)[..., channel] == grey).all() for shape in (grey, grey[..., None]) for channel in range(3))
    rgba = np.dstack([grey, grey, grey, grey * 0])
    assert as_rgb(rgba).shape == (6, 8, 3)
    for wrong in (grey / 255, np.zeros((3, 6, 8), np.uint8), np.zeros((0, 8, 3), np.uint8), [[1]]):
        with pytest.raises(ConfigError, match="a picture was given as"):
            as_rgb(wrong)
    model = ArrCocQwen.from_pretrained(place / "result")
    with pytest.raises(ConfigError, match="there is no picture to ask 'what' about"):
        model.answer([], "what", 3)
    assert len(model.answer(Image.new("L", (64, 64)), "which shape is red", 3, max_tokens=1).text.split()) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--keep", "0"], "cannot keep 0 visual tokens"),
        (["--keep", "65"], "cannot keep 65 visual tokens"),
        (["--max-answer-tokens", "0"], "--max-answer-tokens 0"),
        (["--out", "/nowhere/why.png"], "there is no folder /nowhere"),
        (["--out", "why.what"], "why.what does not say of which kind"),
        (["--device", "tpu"], "there is no device 'tpu'"),
    ],
)
def test_options_that_cannot_be_are_said(
    place: Path, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(place), str(place / "0.png"), "which shape is red", *options]) == 2
    assert told in (said := capsys.readouterr().err) and "→" in said


def test_a_picture_that_is_none_is_said_with_its_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "half.jpg").write_bytes(b"\xff\xd8\xff")
    assert main([str(place), str(place / "half.jpg"), "which shape is red"]) == 2
    assert "half.jpg) cannot be decoded" in capsys.readouterr().err
