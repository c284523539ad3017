"""The official VQA accuracy, on cases worked out by hand from its rules."""

from __future__ import annotations

import pytest

from training.vqa_accuracy import normalised, vqa_accuracy


@pytest.mark.parametrize(
    ("agreeing", "accuracy"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (5, 1.0), (9, 1.0), (10, 1.0)]
)
def test_of_ten_people_four_have_to_agree(agreeing: int, accuracy: float) -> None:
    people = ["red"] * agreeing + [f"other {k}" for k in range(10 - agreeing)]
    assert vqa_accuracy("red", people) == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("given", "same_as"),
    [
        ("A dog.", "dog"),
        ("The  Red\nCar", "red car"),
        ("two", "2"),
        ("none", "0"),
        ("Ten o'clock", "10 o'clock"),
        ("oclock", "o'clock"),
        ("dont", "don't"),
        ("wouldnt've", "wouldn't've"),
        ("1,000", "1000"),
        ("3.5", "3.5"),
        ("u.s.", "us"),
        ("t-shirt", "t shirt"),  # a mark between letters becomes a space
        ("yes, it is", "yes it is"),  # one next to a space goes
        ("black/white", "black white"),
        ("(left)", "left"),
        ("what?", "what"),
        ("", ""),
    ],
)
def test_answers_are_compared_in_one_form(given: str, same_as: str) -> None:
    assert normalised(given) == same_as


def test_what_people_said_loses_its_punctuation_only_where_they_differ() -> None:
    assert vqa_accuracy("t-shirt", ["t-shirt"] * 9 + ["shirt"]) == 1.0
    assert vqa_accuracy("t-shirt", ["t-shirt"] * 10) == 0.0  # odd, but the official rule
    assert vqa_accuracy("the dog", ["the dog"] * 9 + ["dog"]) == pytest.approx(0.3)  # their articles stay


def test_few_people_can_never_give_a_whole_point() -> None:
    assert vqa_accuracy("red", ["red"]) == 0.0
    assert vqa_accuracy("red", ["red", "red", "red"]) == pytest.approx(2 / 3)
