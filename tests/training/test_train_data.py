"""Training and evaluation on pictures and people's answers in files, with the tiny base."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from arrcoc_core.defaults import DEFAULTS
from arrcoc_core.metrics import open_metrics
from training.batches import Collate
from training.data import open_samples
from training.devices import World
from training.evaluation import Evaluator
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.budget import Budget
from training.passes import Passes
from training.progress import Clock, Story
from training.reports import Reports, written_otherwise
from training.tally import metric_name
from training.tiny import synthetic
from training.tracking import NoTracker


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Records of synthetic pictures, one question about each, to which eight of ten people say what is right."""
    file = tmp_path / "people.jsonl"
    lines = []
    for split, count in (("train", 16), ("validation", 8)):
        for k in range(count):
            shown = synthetic.picture(split, 3, k)  # type: ignore[arg-type]
            Image.fromarray(shown.pixels).save(tmp_path / f"{split}-{k}.png")
            asked = synthetic.questions(shown.things)[k % synthetic.QUESTIONS]
            record = {
                "split": split,
                "image": f"{split}-{k}.png",
                "question": asked.text,
                "answers": [{"answer": answer} for answer in ["nothing"] + [asked.answer] * 8 + ["a lot"]],
                "question_type": asked.kind,
                "answer_type": "other" if k % 2 else "yes/no",
            }
            lines.append(json.dumps(record))
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_people_are_answered_in_own_words(people: Path) -> None:
    model = ArrCocQwen.from_base("tiny", dtype=torch.float32)
    _, held_out = open_samples(DEFAULTS.data, str(people), 8, 8)
    collate = Collate(model.base.tokenizer, 64)
    whole = Evaluator(Passes(model), held_out, collate, Budget(64), 1, World(), chunk=3)
    values, _ = whole.run()
    # With all tokens kept the selector does not matter, and the tiny base is right: so eight of ten people agree.
    assert values["eval/accuracy"] == values["eval/vqa_accuracy"] == values["eval/vqa_accuracy_full"] == 1.0
    assert all(values[f"eval/vqa_accuracy_{name}"] == 1.0 for name in ("random", "uniform", "teacher"))
    few = Evaluator(Passes(model), held_out, collate, Budget(1), 0, World(), chunk=3)
    values, _ = few.run()
    assert values["eval/vqa_accuracy"] < values["eval/vqa_accuracy_full"] == 1.0
    by_type = [values[f"eval/vqa_accuracy/{kind}"] for kind in ("yes_no", "other")]
    assert values["eval/vqa_accuracy"] == pytest.approx(sum(by_type) / 2)
    assert {name for name in values if name.startswith("eval/vqa_accuracy_by_question/")} == {
        "eval/vqa_accuracy_by_question/colour_of_shape",
        "eval/vqa_accuracy_by_question/shape_of_colour",
    }
    lines = ("full", "random", "uniform", "teacher")
    assert set(few.references) == {f"eval/{kind}accuracy_{name}" for kind in ("", "vqa_") for name in lines}
    assert few.references["eval/vqa_accuracy_random"] < 1.0
    assert not set(few.references) & {"eval/vqa_accuracy", *(f"eval/vqa_accuracy/{k}" for k in ("yes_no", "other"))}


def test_answers_that_are_written_otherwise_than_the_data_are_warned_of_once(people: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in people.read_text(encoding="utf-8").splitlines()]
    for line in lines:  # the exact answer, which the base would not give
        line["multiple_choice_answer"] = "nothing"
    people.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    model = ArrCocQwen.from_base("tiny", dtype=torch.float32)
    _, held_out = open_samples(DEFAULTS.data, str(people), 8, 8)
    evaluator = Evaluator(Passes(model), held_out, Collate(model.base.tokenizer, 64), Budget(4), 0, World())
    said: list[str] = []
    story = Story(tmp_path, silent=True)
    story.say = said.append  # type: ignore[method-assign]
    unused: Any = None
    reports = Reports(story, NoTracker(), evaluator, Clock(10, 5), unused, unused, 10)
    for step in (0, 5, 10):
        reports.evaluate(step)
    (warning,) = [line for line in said if line.startswith("WARNING")]
    assert said.index(warning) == 1  # right behind the first look
    assert "100.0% of the answers are right by the VQA accuracy, and only 0.0%" in warning and "data.prompt" in warning
    assert any("VQA accuracy" in line and line.startswith("step 0/10") for line in said)
    assert any(line.startswith("by the VQA accuracy: full 100.0%, random ") for line in said)


@pytest.mark.parametrize(("exact", "by_people", "warned"), [(0.2, 0.5, True), (0.3, 0.5, False), (0.0, None, False)])
def test_when_answers_count_as_written_otherwise(exact: float, by_people: float | None, warned: bool) -> None:
    values = {"eval/accuracy_full": exact} | ({"eval/vqa_accuracy_full": by_people} if by_people is not None else {})
    assert bool(written_otherwise(values)) is warned


def test_one_question_with_a_single_answer_counts_as_one_of_all(people: Path) -> None:
    lines = [json.loads(line) for line in people.read_text(encoding="utf-8").splitlines()]
    first = next(line for line in lines if line["split"] == "validation")
    first["answers"] = first["answers"][1:2]
    first["multiple_choice_answer"] = "nothing"  # which the base, that sees all tokens, does not say
    people.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    model = ArrCocQwen.from_base("tiny", dtype=torch.float32)
    _, held_out = open_samples(DEFAULTS.data, str(people), 8, 8)
    evaluator = Evaluator(Passes(model), held_out, Collate(model.base.tokenizer, 64), Budget(64), 0, World(), chunk=1)
    values, _ = evaluator.run()
    # The seven others count as the people say, this one as what it is: wrong.
    assert values["eval/vqa_accuracy"] == values["eval/vqa_accuracy_full"] == values["eval/accuracy"] == 7 / 8
    kinds = [value for name, value in values.items() if name.startswith("eval/vqa_accuracy/")]
    assert kinds and set(kinds) == {1.0}
    assert [name for name in values if name.startswith("eval/accuracy/")] == [
        f"eval/accuracy/{metric_name(first['question_type'])}"
    ]


@pytest.mark.long
def test_a_bad_picture_loses_nothing_and_cached_features_change_nothing(
    people: Path, tmp_path: Path, make_run: Callable[..., Path], start_trainer: Callable[..., Any]
) -> None:
    of_people = (f"data.dataset={people}", "data.max_train_samples=0", "train.epochs=3", "evaluation.samples=8")
    plain = make_run(*of_people)
    trainer = start_trainer(plain)
    assert trainer.wait() == 0, trainer.said
    cached = make_run(
        *of_people, "data.num_workers=1", "data.feature_cache_gb=0.1", "checkpoints.save_every_n_steps=50"
    )
    last = people.parent / "train-15.png"
    sound = last.read_bytes()
    last.write_bytes(sound[: len(sound) // 2])
    trainer = start_trainer(cached, XDG_CACHE_HOME=str(tmp_path))
    assert trainer.wait() == 2
    assert "train-15.png" in trainer.said and "truncated" in trainer.said and "Traceback" not in trainer.said
    last.write_bytes(sound)
    trainer = start_trainer(cached, attempt=2, XDG_CACHE_HOME=str(tmp_path))
    assert trainer.wait() == 0, trainer.said
    assert "feature cache: " in trainer.said and "feature cache: 0 of" not in trainer.said
    results = [(run / "result" / "selector.safetensors").read_bytes() for run in (plain, cached)]
    assert results[0] == results[1]
    losses = [[row.get("train/loss") for row in open_metrics(run).rows()] for run in (plain, cached)]
    assert losses[0] == losses[1]
