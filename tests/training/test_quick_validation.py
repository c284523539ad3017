"""Quick validation passes where training works, and each check fails where what it looks at is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from arrcoc_core.compute import Local
from arrcoc_core.errors import ConfigError
from training import quick_validation
from training.quick_validation import (
    check_accuracy,
    check_gradients,
    check_loss,
    check_memory,
    check_reached,
    check_resume,
    shortened,
    validate,
)


def test_gradients_reach_the_whole_selector() -> None:
    (check,) = check_gradients(shortened("quickstart", 20, 1).experiment)
    assert check.passed, check.found


def test_an_experiment_of_the_cloud_is_validated_on_this_machine() -> None:
    resolved = shortened("vqav2_2b", 20, 1)
    assert isinstance(resolved.experiment.compute, Local) and resolved.total_steps == 2
    ours = shortened("quickstart", 20, 1).experiment.compute
    assert isinstance(ours, Local) and ours.device == "cpu"  # one of this machine stays as it is written


def test_gradients_are_looked_at_over_the_questions_that_training_would_ask(tmp_path: Path) -> None:
    for name, side in (("small", 8), ("large", 64)):
        Image.new("RGB", (side, side), (side, 90, 9)).save(tmp_path / f"{name}.png")
    record = {"question": "which colour is the circle", "answer": "red"}
    for split in ("train", "validation"):
        lines = [json.dumps({**record, "image": f"{name}.png"}) for name in ("small", "large")]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    whole = shortened("quickstart", 2, 1).experiment
    data = whole.data.but(dataset=str(tmp_path), resize="dynamic", bad_pictures="skip")
    (check,) = check_gradients(whole.but(data=data))  # the small picture makes 1 token, and 4 are to be kept
    assert "trainable tensors" in check.found


def test_what_no_gradient_reached_is_named() -> None:
    assert not (check := check_reached({"a": True, "b": False}, set(), [], 2)).passed and "none at b" in check.found
    assert not (check := check_reached({"a": True}, {"a"}, [], 1)).passed and "not finite at a" in check.found
    assert not (check := check_reached({"a": True}, set(), ["lm_head"], 1)).passed and "lm_head" in check.found


@pytest.mark.parametrize(("last", "passed"), [(0.2, True), (0.9, False)])
def test_the_loss_has_to_fall(last: float, passed: bool) -> None:
    rows = [{"train/loss": 0.8 + (last - 0.8) * k / 19} for k in range(20)]
    assert check_loss([*rows, {"eval/loss": 3.0}]).passed is passed


def test_accuracy_has_to_be_above_both_lines() -> None:
    lines = {"eval/accuracy_random": 0.2, "eval/accuracy_uniform": 0.3}
    assert check_accuracy({"eval/accuracy": 0.31, **lines}).passed
    assert not check_accuracy({"eval/accuracy": 0.25, **lines}).passed
    by_people = {"eval/vqa_accuracy": 0.6, "eval/vqa_accuracy_random": 0.5, "eval/vqa_accuracy_uniform": 0.4}
    assert check_accuracy({"eval/accuracy": 0.0, **lines, **by_people}).passed
    assert not check_accuracy({"eval/accuracy": 0.9, **lines, **by_people, "eval/vqa_accuracy": 0.5}).passed


def test_memory_that_grows_is_a_leak() -> None:
    assert check_memory([{"perf/memory_gb": value} for value in (0.5, 0.9, 1.0, 1.0, 1.0, 1.0)]).passed
    assert not check_memory([{"perf/memory_gb": 0.5 + 0.1 * k} for k in range(9)]).passed


def test_a_resumed_run_has_to_end_in_the_same_selector_with_the_same_rows() -> None:
    straight = [{"train/loss": 1.0, "perf/step_s": 1.0}]
    killed = [{"train/loss": 1.0, "perf/step_s": 2.0}]  # the clock's rows may differ
    assert check_resume([b"1", b"1"], [straight, killed], 5).passed
    assert "another selector" in (check := check_resume([b"1", b"2"], [straight, killed], 5)).found
    assert not check.passed
    assert not (check := check_resume([b"1", b"1"], [straight, [{"train/loss": 1.5}]], 5)).passed
    assert "row 0 differs" in check.found
    assert "0 rows instead of 1" in check_resume([b"1", b"1"], [straight, []], 5).found


def test_what_cannot_be_validated_is_said_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        quick_validation.main(["quickstart", "--samples", "0"])
    assert caught.value.code == 2 and "--samples 0" in capsys.readouterr().err
    (tmp_path / "straight").mkdir()
    with pytest.raises(ConfigError, match=r"straight cannot be made: File exists"):
        list(validate(shortened("quickstart", 20, 1), tmp_path))


@pytest.mark.long
def test_the_whole_of_it_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert quick_validation.main(["quickstart", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.count("pass  ") == 6 and "FAIL" not in said and "all passed in" in said
    assert json.loads((tmp_path / "straight" / "summary.json").read_text())["base/unchanged"] == 1
