"""The rules do what their sources say, on any grid, and the comparison counts what they got right."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from arrcoc_core.errors import ConfigError
from training.batches import Collate
from training.compare import BUDGETS, Terms, budgets_of, compare
from training.data import Sample, Synthetic
from training.model.arrcoc_qwen import ArrCocQwen, Reading
from training.model.budget import Budget
from training.model.prompts import Asked
from training.model.seeing import Seen
from training.model.selector import allocate
from training.passes import Passes
from training.selectors import RULES, View
from training.selectors.searching import search
from training.selectors.untrained import by_determinant, conditional_diversity, diversity
from training.shaping import Sizing
from training.trained import Trained


@pytest.fixture(scope="module")
def model() -> ArrCocQwen:
    return ArrCocQwen.from_base("tiny", seed=5)


@pytest.fixture(scope="module")
def view(model: ArrCocQwen) -> View:
    """Twelve questions; the last four are about two pictures each, so that rows differ in length."""
    samples = [Synthetic("validation", 16, Sizing("square", 64), together=1).get(k) for k in range(16)]
    batch = Collate(model.base.tokenizer, 64)(samples)
    about = [(k,) for k in range(8)] + [(8 + 2 * k, 9 + 2 * k) for k in range(4)]
    seen = model.look(batch.pictures).about(about)
    asked = model.ask(batch.questions[:12], batch.answers[:12], seen.grids)
    regions = torch.zeros_like(seen.present)
    regions[:, 3:7] = True
    questions = tuple(batch.questions[:12])
    return View(Passes(model), seen, asked, questions, torch.Generator().manual_seed(0), regions)


@dataclass
class Held:
    """Questions that are at hand."""

    all: list[Sample]
    together: int = 1
    window: int = 0

    def __len__(self) -> int:
        return len(self.all)

    def get(self, index: int, draw: int = 0) -> Sample:
        return self.all[index]


def upper_half(sample: Sample) -> Sample:
    return replace(sample, pictures=(np.ascontiguousarray(sample.pictures[0][:32]),))


@pytest.mark.parametrize("name", RULES)
def test_a_rule_scores_every_token_and_only_tokens_are_kept(view: View, name: str) -> None:
    scores = RULES[name](view)
    assert scores.shape == view.shape and scores.dtype == torch.float32
    assert scores[view.seen.present].isfinite().all()
    kept = allocate(scores, 5, view.seen.present)
    assert (kept & view.seen.present).sum(1).tolist() == [5] * 12


def test_the_oracle_takes_the_region_first(view: View) -> None:
    kept = allocate(RULES["oracle"](view), 6, view.seen.present)
    assert view.regions is not None and (kept & view.regions).sum(1).tolist() == [4] * 12


def test_diversity_takes_the_token_farthest_from_all_that_were_taken(view: View) -> None:
    """Against the definition, written down plainly, on one row."""
    row = 9
    there = int(view.seen.present[row].sum())
    directions = F.normalize(view.seen.tokens.embeddings[row, :there].float(), dim=-1)
    distance = 1 - directions @ directions.T
    chosen = [int((distance + 2 * torch.eye(there)).amin(1).argmax())]
    while len(chosen) < 10:
        nearest = distance[:, chosen].amin(1)
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    assert diversity(view)[row].topk(10).indices.tolist() == chosen


def test_tokens_are_taken_one_by_one_for_the_largest_determinant() -> None:
    """Against torch's own determinants of all that could be taken next, also in a row with padding."""
    features = torch.randn(3, 7, 9, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    kernel = features @ features.transpose(1, 2)
    present = torch.ones(3, 7, dtype=torch.bool)
    present[1, 5:] = False
    scores = by_determinant(kernel, present)
    for row, there in enumerate((7, 5, 7)):
        chosen: list[int] = []
        while len(chosen) < there:
            left = [k for k in range(there) if k not in chosen]
            chosen.append(max(left, key=lambda k: float(torch.logdet(kernel[row][[*chosen, k]][:, [*chosen, k]]))))
        assert scores[row].topk(there).indices.tolist() == chosen
    assert scores[1, 5:].tolist() == [0, 0]


def test_conditional_diversity_begins_with_the_token_least_like_the_words_and_takes_each_once(view: View) -> None:
    """As its authors' code does, to which relevance is minus the mean cosine; also with more tokens than dimensions."""
    scores = conditional_diversity(view)
    base = view.model.base
    for row in (2, 9):
        there = int(view.seen.present[row].sum())
        word_ids = torch.tensor(base.tokenizer(view.questions[row], add_special_tokens=False).input_ids)
        words = base.model.get_input_embeddings()(word_ids)
        tokens = view.seen.tokens.embeddings[row, :there]
        cosines = F.cosine_similarity(tokens[:, None], words[None], dim=-1).mean(1)
        assert scores[row].argmax() == cosines.argmin()
        assert scores[row, :there].unique().tolist() == list(range(129 - there, 129))


def test_only_the_questions_own_words_count_not_the_prompt_around_it(view: View) -> None:
    others = view.model.ask([f"say now : {text}" for text in view.questions], None, view.seen.grids)
    for name in ("cosine", "conditional diversity"):
        assert torch.equal(RULES[name](replace(view, asked=others)), RULES[name](view))


def test_a_search_finds_no_less_than_where_it_began(view: View) -> None:
    start = RULES["random"](view)
    alone = view.read(allocate(start, 3, view.seen.present)).right
    kept, right = search(view, [start], 3, 12)
    assert kept.sum(1).tolist() == [3] * 12 and not (kept & ~view.seen.present).any()
    assert (right | ~alone).all() and right.sum() > alone.sum()
    assert torch.equal(view.read(kept).right, right)


def test_budgets_are_shares_or_numbers() -> None:
    assert budgets_of(["1/16", "8", "1/2"], 64) == {32: Budget(32, 0.5), 8: Budget(8), 4: Budget(4, 1 / 16)}
    for wrong in ("1/0", "0", "65", "2/1", "many"):
        with pytest.raises(ConfigError, match="is no budget of 64 visual tokens"):
            budgets_of([wrong], 64)
    with pytest.raises(ConfigError, match="1/2 and 32 both keep 32 of 64 visual tokens"):
        budgets_of(["1/2", "1/4", "32"], 64)
    assert budgets_of(BUDGETS.split(","), 4) == {2: Budget(2, 0.5), 1: Budget(1, 0.25)}


def test_a_comparison_counts_right_answers_and_writes_what_it_says(model: ArrCocQwen, tmp_path: Path) -> None:
    samples = Synthetic("validation", 24, Sizing("square", 64), together=1)
    found = compare(
        Passes(model),
        [Trained("mine", ("run-1", "run-2"), (model.selector, model.selector))],
        samples,
        Collate(model.base.tokenizer, 64),
        Terms(("1/4", "1/16"), ("random", "teacher", "oracle"), seeds=2, tries=2),
    )
    assert found.budgets == (16, 4) and found.questions == 24 and found.full.mean() > 0.9
    assert found.line("random").right[4].shape == (2, 24) and found.line("teacher").right[4].shape == (1, 24)
    assert np.array_equal(*found.line("mine").right[4])  # the same selector twice
    best = found.line("best found").right[4][0]
    assert all((best >= line.right[4]).all() for line in found.lines)  # it starts from each of them
    assert found.against("teacher", "teacher", 4).mean == 0
    found.save(tmp_path)
    figures = json.loads((tmp_path / "compare.json").read_text())
    assert figures["accuracy"]["teacher"]["4"]["mean"] == pytest.approx(found.line("teacher").right[4].mean())
    with np.load(tmp_path / "compare.npz") as held:
        assert np.array_equal(held["random/16"], found.line("random").right[16])
    table = (tmp_path / "compare.md").read_text()
    assert "**mine** less each other" in table and "colour of shape, 4" in table
    assert (tmp_path / "compare.png").read_bytes().startswith(b"\x89PNG")


def test_a_share_is_of_each_questions_own_tokens(model: ArrCocQwen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four pictures of 64 tokens, four of half as many: an eighth is 8 or 4, not 8 for all."""
    kept: list[list[int]] = []
    read = Passes.read

    def noted(passes: Passes, seen: Seen, asked: Asked, which: torch.Tensor) -> Reading:
        kept.append(which.sum(1).tolist())
        return read(passes, seen, asked, which)

    monkeypatch.setattr(Passes, "read", noted)
    whole = Synthetic("validation", 8, Sizing("square", 64), together=1)
    samples = Held([whole.get(k) if k < 4 else upper_half(whole.get(k)) for k in range(8)])
    terms = Terms(("1/1", "3/4", "1/8"), ("teacher",), tries=0)
    found = compare(Passes(model), [], samples, Collate(model.base.tokenizer, 64), terms)
    assert kept == [[64] * 4 + [32] * 4, [64] * 4 + [32] * 4, [48] * 4 + [24] * 4, [8] * 4 + [4] * 4]
    assert found.budgets == (64, 48, 8) and found.figures()["total"] == 64
    assert all(f"{share} of each" in found.table() for share in ("1/1", "3/4", "1/8"))


def test_where_several_people_answered_the_vqa_accuracy_of_what_is_written_counts(model: ArrCocQwen) -> None:
    """The base answers right; of the people two said so, all said so, nobody did, and one was asked alone."""
    questions = Synthetic("validation", 4, Sizing("square", 64), together=1)
    said = [("it",) * 2 + ("else",) * 8, ("it",) * 10, ("else",) * 10, ()]
    samples = [
        replace(sample, answers=tuple(sample.answer if one == "it" else one for one in people))
        for sample, people in zip(map(questions.get, range(4)), said, strict=True)
    ]
    collate = Collate(model.base.tokenizer, 64)
    found = compare(Passes(model), [], Held(samples), collate, Terms(("64",), ("uniform",), tries=1))
    assert found.full[0].tolist() == pytest.approx([0.6, 1, 0, 1])
    assert all(line.right[64][0].tolist() == found.full[0].tolist() for line in found.lines)
    assert "VQA accuracy in %" in found.table() and found.figures()["measure"] == "VQA accuracy"


def test_what_is_best_by_the_peoples_answers_counts_where_the_search_found_another(model: ArrCocQwen) -> None:
    """The people saw what the base says that misses the tokens asked about; the search looks for the right answer."""
    questions = Synthetic("validation", 12, Sizing("square", 64), together=1)
    samples = [replace(questions.get(k), answers=("nothing",) * 10) for k in range(12)]
    terms = Terms(("1/16",), ("random", "teacher"), seeds=3, tries=4)
    found = compare(Passes(model), [], Held(samples), Collate(model.base.tokenizer, 64), terms, dataset="people")
    best = found.line("best found").right[4]
    assert best.mean() > 0.5 and all((best >= line.right[4]).all() for line in found.lines)
    assert "on people: 12 held-out questions" in found.table()


def test_terms_that_cannot_be_met_are_refused() -> None:
    with pytest.raises(ConfigError, match="there is no rule 'magic'"):
        Terms(rules=("magic",))
    for wrong in ({"seeds": 0}, {"tries": -1}):
        with pytest.raises(ConfigError, match=r"0 draws of the rules|-1 passes of the search"):
            Terms(**wrong)
