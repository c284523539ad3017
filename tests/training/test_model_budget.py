"""How many tokens a question keeps: a number, a share, a relevance mass."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from arrcoc_core import Tokens
from arrcoc_core.errors import ConfigError
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.budget import Budget
from training.model.processing import Processor
from training.shaping import Sizing
from training.tiny.synthetic import picture

PRESENT = torch.tensor([[True] * 8, [True] * 5 + [False] * 3])
SCORES = torch.tensor([0.4, 0.3, 0.2, 0.06, 0.01, 0.01, 0.01, 0.01]).log().repeat(2, 1)


def counts(budget: Budget) -> list[int]:
    return budget.counts(SCORES, PRESENT).tolist()


def test_a_number_is_the_same_for_all_and_a_share_goes_by_each_rows_own_tokens() -> None:
    assert counts(Budget.of(Tokens(keep=3, share=0.0, mass=0.0))) == [3, 3]
    assert counts(Budget(keep=1, share=0.5)) == [4, 3]
    assert counts(Budget(keep=1, share=0.01)) == [1, 1] and counts(Budget(keep=1, share=1.0)) == [8, 5]


def test_a_mass_keeps_the_fewest_that_hold_it_and_never_more_than_the_bound() -> None:
    assert counts(Budget(keep=8, mass=0.39)) == [1, 1]
    assert counts(Budget(keep=8, mass=0.8)) == [3, 3]
    assert counts(Budget(keep=2, mass=0.8)) == [2, 2]
    assert counts(Budget(keep=8, mass=0.9999999)) == [8, 5]  # nor more than there are
    assert counts(Budget(keep=1, share=0.25, mass=0.8)) == [2, 1]
    shuffled = SCORES.flip(1).masked_fill(~PRESENT, 50.0)  # whatever stands in the padding
    assert Budget(keep=8, mass=0.5).counts(shuffled, PRESENT).tolist() == [2, 1]


def test_more_than_a_picture_has_is_refused_with_its_question_and_both_numbers() -> None:
    with pytest.raises(
        ConfigError, match=r"cannot keep 6 visual tokens for the question 'two\?': .* has only 5"
    ) as caught:
        Budget(keep=6).counts(SCORES, PRESENT, ["one?", "two?"])
    assert "at most 5" in caught.value.remedy and "share" in caught.value.remedy
    with pytest.raises(ConfigError, match="for question 1 of the batch"):
        Budget(keep=6).counts(SCORES, PRESENT)


def test_a_trained_selector_answers_at_the_budget_it_was_trained_for(tmp_path: Path) -> None:
    model = ArrCocQwen.from_base("tiny")
    model.processor = Processor(Sizing("square", 64), 64, 64, Budget(keep=32, share=0.5, mass=0.3))
    model.save_pretrained(tmp_path)
    loaded = ArrCocQwen.from_pretrained(tmp_path)
    assert loaded.processor == model.processor
    shown = picture("validation", 0, 0).pixels
    few = len(loaded.answer(shown, "which colour is the circle").kept)
    assert 1 <= few < 32 and len(loaded.answer(shown, "which colour is the circle", keep=40).kept) == 40
