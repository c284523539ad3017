"""The synthetic set: pure, answerable, and no picture in two splits."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from training.tiny import synthetic
from training.tiny.synthetic import CELL, CELLS, QUESTIONS, cell_labels, pick, picture, questions
from training.tiny.tokenizer import make_tokenizer


def test_a_picture_depends_on_split_seed_and_index_alone() -> None:
    first = picture("train", 3, 41)
    picture("train", 3, 42)
    again = picture("train", 3, 41)
    assert np.array_equal(first.pixels, again.pixels) and first.things == again.things
    for other in (picture("train", 4, 41), picture("train", 3, 42), picture("validation", 3, 41)):
        assert not np.array_equal(first.pixels, other.pixels)


def test_no_picture_occurs_in_two_splits_or_twice_in_one(full: bool) -> None:
    count = 4096 if full else 512
    streams = [("base", 0, 4 * count), ("train", 0, count), ("train", 1, count), ("validation", 0, 1024)]
    digests = [
        hashlib.sha256(picture(split, seed, index).pixels.tobytes()).digest()
        for split, seed, size in streams
        for index in range(size)
    ]
    assert len(set(digests)) == len(digests)


def test_things_differ_and_stay_in_their_cells() -> None:
    for index in range(50):
        things = picture("base", 0, index).things
        assert len({t.shape for t in things}) == len({t.colour for t in things}) == len(things) == synthetic.THINGS
        for thing in things:
            assert thing.row * CELL <= thing.top <= thing.top + thing.size <= (thing.row + 1) * CELL
            assert thing.column * CELL <= thing.left <= thing.left + thing.size <= (thing.column + 1) * CELL


def test_a_thing_has_its_colour_where_it_is() -> None:
    shown = picture("validation", 0, 7)
    for thing in shown.things:
        if thing.shape in ("circle", "square", "cross", "bar", "diamond"):  # those that cover their centre well
            centre = shown.pixels[thing.top + thing.size // 2, thing.left + thing.size // 2].astype(int)
            nearest = min(synthetic.COLOURS, key=lambda name: abs(centre - synthetic.COLOURS[name]).sum())
            assert nearest == thing.colour


def test_every_question_has_one_answer_in_words_the_tokenizer_knows() -> None:
    tokenizer = make_tokenizer()
    asked = questions(picture("train", 0, 0).things)
    assert len(asked) == QUESTIONS == len({question.text for question in asked})
    for question in asked:
        assert tokenizer.unk_token_id not in tokenizer(question.text).input_ids
        assert len(tokenizer(question.answer).input_ids) == 1
        assert question.answer == (
            question.thing.colour if question.kind == "colour of shape" else question.thing.shape
        )


def test_cell_labels_name_what_is_there() -> None:
    things = picture("train", 0, 5).things
    labels = cell_labels(things)
    assert (labels > 0).sum() == 2 * len(things)
    for thing in things:
        shape, colour = labels[:, thing.row * CELLS + thing.column]
        assert synthetic.SHAPES[shape - 1] == thing.shape and synthetic.COLOUR_NAMES[colour - 1] == thing.colour


def test_the_question_of_a_visit_is_pure_and_changes_with_it() -> None:
    visits = [pick(0, 9, draw) for draw in range(200)]
    assert visits == [pick(0, 9, draw) for draw in range(200)]
    assert set(visits) == set(range(QUESTIONS))


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(ValueError, match=r"no split 'test'.*base, train, validation"):
        picture("test", 0, 0)  # type: ignore[arg-type]
