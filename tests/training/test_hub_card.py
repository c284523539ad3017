"""The card, the curves and the record they are made of: the same numbers, the same bytes, the Hub's own format."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from PIL import Image
from result_maker import RUN, SUMMARY, fill, make_result

from arrcoc_core.errors import ConfigError
from training.hub.card import make_card
from training.hub.curves import draw_curves
from training.hub.history import MOST, History
from training.hub.package import make_package
from training.hub.record import Record, load_record
from training.model.arrcoc_qwen import ArrCocQwen
from training.tracking import Row


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_result(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def record(run: Path) -> Record:
    return load_record(run, run / "result")


def numbers_of(card: str) -> dict[str, float]:
    """Every number that the card's tables give exactly, by metric."""
    return {name: float(value) for name, value in re.findall(r"^\| (\S+/\S+) \| (\S+) \|$", card, re.MULTILINE)}


def test_the_numbers_of_the_card_are_those_of_the_run(record: Record) -> None:
    text = make_card(record, "me/arr-coc")
    assert numbers_of(text) == SUMMARY
    for name, value in SUMMARY.items():
        if name.startswith("eval/accuracy"):
            assert f"| {value * 100:.1f} % | {value!r} |" in text, name
    card = ModelCard(text)
    (result,) = card.data.eval_results or []
    assert result.metric_value == SUMMARY["eval/accuracy"]
    assert (card.data.license, card.data.library_name, card.data.model_name) == ("mit", "arrcoc", "arr-coc")
    assert card.data.pipeline_tag == "visual-question-answering"


def test_the_card_says_where_the_selector_comes_from(record: Record) -> None:
    text = make_card(record, "me/arr-coc", wandb="https://wandb.example/me/p/runs/x")
    for part in (
        "4 of 64 visual tokens",
        "(curves.png)",
        "pictures/1.png",
        f"from_pretrained('me/arr-coc', revision='{RUN}')",
        record.code,
        record.fingerprint,
        "[https://wandb.example/me/p/runs/x]",
        "$1.23",
        "The selector: MIT",
    ):
        assert part in text, part
    assert len(record.code) == 12
    assert "W&B" not in make_card(record, "me/arr-coc")
    assert "curves.png" not in make_card(record, "me/arr-coc", has_curves=False)
    assert "best evaluation so far" in make_card(record, "me/arr-coc", best=True)


def test_the_card_reports_the_vqa_accuracy_where_there_is_one(record: Record) -> None:
    by_people = {"eval/vqa_accuracy": 0.625, "eval/vqa_accuracy_full": 0.75, "eval/vqa_accuracy_random": 0.25}
    card = make_card(replace(record, summary={**record.summary, **by_people}), "me/selector")
    (result,) = ModelCard(card).data.eval_results  # type: ignore[union-attr]
    assert result.metric_value == 0.625 and result.metric_name.startswith("official VQA accuracy from")
    assert "62.5 % of the held-out questions are answered right (all tokens: 75.0 %), by the official VQA" in card
    assert "| random | 25.0 % | 0.25 |" in card and f"| {record.summary['eval/accuracy_random']!r} |" in card


def test_base_and_data_of_the_hub_are_named_with_their_revisions(record: Record) -> None:
    base, sha = "Qwen/Qwen3-VL-2B-Instruct", "0123456789" * 4
    experiment = {**record.experiment, "model": {**record.experiment["model"], "base": base}}
    of_hub = replace(record, experiment=experiment, base_revision="ab" * 20, dataset=f"me/questions@{sha}")
    text = make_card(of_hub, "me/arr-coc")
    assert f"| base revision | `{'ab' * 20}` |" in text and f"| data revision | `{sha}` |" in text
    card = ModelCard(text)
    assert card.data.base_model == base and card.data.datasets == ["me/questions"]
    assert (card.data.eval_results or [])[0].dataset_revision == sha
    assert "has a licence of its own" in text


def test_what_is_nobody_elses_business_is_not_told(tmp_path: Path) -> None:
    run = make_result(tmp_path, "notes=for us alone", "data.dataset=/home/somebody/pictures", "tags=secret,project")
    package = make_package(load_record(run, run / "result"), run / "result", "me/arr-coc")
    told = b"".join(held if isinstance(held, bytes) else held.read_bytes() for held in package.files.values())
    for word in (b"for us alone", b"somebody", b"secret", b"compute"):
        assert word not in told, word
    assert b"| data | pictures, splits train and validation |" in told


def test_what_comes_from_a_data_set_is_shown_and_does_nothing(record: Record) -> None:
    text = make_card(record, "me/arr-coc")
    assert r"Q: what \| is \<b\>0\</b\>?" in text and "<b>" not in text


def test_a_card_of_a_run_that_was_never_evaluated_is_a_card_all_the_same(record: Record) -> None:
    bare = replace(record, summary={}, curves={}, pictures=())
    assert ModelCard(make_card(bare, "me/arr-coc", has_curves=False)).data.eval_results is None
    assert draw_curves(bare) == b""


def test_the_same_run_gives_the_same_bytes(run: Path) -> None:
    first, again = (
        make_package(load_record(run, run / "result"), run / "result", "me/arr-coc", wandb="https://w")
        for _ in range(2)
    )
    assert first == again and first.tags == (RUN,) and first.size > 300_000
    assert set(first.files) == {
        "README.md",
        "curves.png",
        "selector.safetensors",
        "config.json",
        "processor.json",
        "run.json",
        "pictures/0.png",
        "pictures/1.png",
    }
    assert [path for path in ("pictures/7.png", "README.md", "mine.txt") if first.is_stale(path)] == ["pictures/7.png"]


def test_the_curves_are_a_picture_with_lines_in_it(record: Record) -> None:
    picture = Image.open(io.BytesIO(draw_curves(record)))
    assert picture.size == (1680, 640)
    colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20) or []}
    assert {(0, 114, 178), (0, 158, 115), (31, 35, 40)} <= colours  # selector, teacher, all tokens
    odd = replace(record, curves={"train/loss": [(1, float("nan"))], "eval/accuracy": [(3, 0.0)]}, summary={})
    assert draw_curves(odd)[:4] == b"\x89PNG"


def test_the_curves_are_those_of_the_vqa_accuracy_where_there_is_one(record: Record) -> None:
    by_people = {"eval/vqa_accuracy": 0.625, "eval/vqa_accuracy_full": 0.75}
    own = [(3, 0.5), (12, 0.625)]
    both = {**record.curves, "eval/vqa_accuracy": own, "eval/accuracy_shuffled_question": own}
    shown = replace(record, summary={**record.summary, **by_people}, curves=both)
    assert draw_curves(shown) != draw_curves(record)
    # Exact matches on the same axis would say nothing: not their curve, not their lines, not those of another question.
    alone = {name: value for name, value in shown.summary.items() if not name.startswith("eval/accuracy")}
    curves = {name: curve for name, curve in both.items() if not name.startswith("eval/accuracy")}
    assert draw_curves(shown) == draw_curves(replace(shown, summary=alone, curves=curves))


def test_a_history_keeps_some_of_many_points_and_the_last(record: Record) -> None:
    whole, resumed = History(), History()
    for step in range(1, 2001):
        row = Row(step, {"train/loss": float(step)})
        whole.add(row)
        resumed.add(row)
        if step % 190 == 0:
            resumed = History(json.loads(json.dumps(resumed.state())))
    curve = whole.curves()["train/loss"]
    assert curve == resumed.curves()["train/loss"]
    assert MOST / 2 <= len(curve) <= MOST + 1 and curve[0] == (1, 1.0) and curve[-1] == (2000, 2000.0)


def test_a_history_knows_the_best_and_what_was_shown_last() -> None:
    history = History()
    fill(history)
    assert history.best == 12 / 13 and len(history.pictures) == 2
    assert history.curves()["eval/accuracy"][0][0] == 3  # the first look at a few questions is none
    assert not history.add(Row(15, {"eval/accuracy": 0.5})) and history.add(Row(18, {"eval/accuracy": 0.99}))
    shown = Row(12, {}, history.pictures)
    again = History(history.state(), [Row(11, {}), shown])
    assert (again.best, again.pictures) == (0.99, history.pictures)


def test_the_best_is_that_by_the_vqa_accuracy_where_there_is_one() -> None:
    history = History()
    assert history.add(Row(5, {"eval/accuracy": 0.9, "eval/vqa_accuracy": 0.5}))
    assert history.add(Row(10, {"eval/accuracy": 0.1, "eval/vqa_accuracy": 0.6}))
    last = {"eval/accuracy": 0.95, "eval/vqa_accuracy": 0.55}
    assert not history.add(Row(15, last)) and not history.is_best(last)
    assert history.best == 0.6 and history.is_best({"eval/accuracy": 0.0, "eval/vqa_accuracy": 0.6})
    assert [step for step, _ in history.curves()["eval/vqa_accuracy"]] == [5, 10, 15]


def test_a_result_of_an_older_version_is_described_from_its_run(tmp_path: Path) -> None:
    run = make_result(tmp_path)
    (run / "result" / "run.json").unlink()
    (run / "result" / "processor.json").unlink()
    config = json.loads((run / "result" / "config.json").read_text())
    del config["base_revision"]
    (run / "result" / "config.json").write_text(json.dumps(config))
    (run / "plan.json").write_text(json.dumps({"code": "c0dec0dec0de"}))
    old = ArrCocQwen.from_pretrained(run / "result")
    picture = np.zeros((64, 64, 3), np.uint8)
    assert old.processor is None and len(old.answer(picture, "which colour is the circle", keep=3).kept) == 3
    with pytest.raises(ConfigError, match="does not say how many tokens"):
        old.answer(picture, "which colour is the circle")
    record = load_record(run, run / "result")
    assert (record.summary, record.code, record.curves, record.run) == (SUMMARY, "c0dec0dec0de", {}, RUN)
    package = make_package(record, run / "result", "me/arr-coc")
    assert "processor.json" not in package.files and "curves.png" not in package.files
    assert numbers_of(str(package.files["README.md"], "utf-8")) == SUMMARY  # type: ignore[arg-type]
