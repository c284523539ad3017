"""What a logged picture shows."""

from __future__ import annotations

import numpy as np

from training.pictures import GAP, SIDE, composite


def test_picture_left_map_right_with_the_kept_patches_outlined() -> None:
    picture = np.full((64, 64, 3), 100, np.uint8)
    relevance = np.zeros((8, 8), np.float32)
    relevance[2, 5] = 1
    image = np.asarray(composite(picture, relevance, [2 * 8 + 5]))
    assert image.shape == (256, 528, 3)
    assert (image[:, :SIDE] == 100).all()
    right = image[:, SIDE + GAP :]
    top, left = 2 * 32, 5 * 32
    assert (right[top, left : left + 32] == 255).all() and (right[top : top + 32, left] == 255).all()
    assert right[top + 16, left + 16].sum() > right[0, 0].sum()  # the relevant patch is the brighter one


def test_a_map_without_differences_and_a_grid_that_is_not_square() -> None:
    image = composite(np.zeros((60, 90, 3), np.uint8), np.ones((2, 3), np.float32), [0, 5])
    assert image.size == (528, 256)
