"""`python -m training.explain`: an answer, its weights, and a figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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


def test_a_picture_that_is_none_is_said_with_its_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "half.jpg").write_bytes(b"\xff\xd8\xff")
    assert main([str(place), str(place / "half.jpg"), "which shape is red"]) == 2
    assert "half.jpg cannot be read as a picture" in capsys.readouterr().err
