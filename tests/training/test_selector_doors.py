"""`arrcoc compare`, `compare()` and `arrcoc explain` hand on what they are given, and read what comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from result_maker import make_result

from arrcoc_core.cli.explain import command_of as explaining
from arrcoc_core.cli.parser import build_parser
from arrcoc_core.comparing import command_of, directories_of, read_comparison
from arrcoc_core.errors import UnknownRunError
from training import compare, explain
from training.tiny.synthetic import picture


def make_project(folder: Path) -> None:
    (folder / "experiments").mkdir()
    (folder / "pyproject.toml").touch()


def test_a_script_reads_the_figures_that_the_comparison_left(tmp_path: Path) -> None:
    run = make_result(tmp_path)
    options = {"budgets": "1/8,4", "samples": 8, "rules": "uniform", "search": 0, "device": "cpu", "seeds": None}
    command = command_of([run], options)
    assert compare.main(command[3:]) == 0
    found = read_comparison(run / "compare")
    assert (found.base, found.questions, found.total, found.measure) == ("tiny", 8, 64, "accuracy")
    assert set(found.accuracy) == {"small", "uniform"} and set(found.accuracy["small"]) == {"8", "4"}
    gain = found.differences["small"]["uniform"]["4"]
    assert gain.mean == pytest.approx(found.accuracy["small"]["4"].mean - found.accuracy["uniform"]["4"].mean)
    assert gain.low <= gain.mean <= gain.high
    assert "alone; how far another training" in found.table and found.folder == run / "compare"


def test_a_run_that_is_none_is_said_before_anything_is_started(tmp_path: Path) -> None:
    make_project(tmp_path)
    with pytest.raises(UnknownRunError, match="there are no runs in this project yet"):
        directories_of(["nothing-like-it"], tmp_path)


def test_a_folder_that_cannot_be_written_is_said_before_the_work_and_a_full_disk_costs_no_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_result(tmp_path)
    (tmp_path / "taken").touch()
    options = {"budgets": "1/8", "samples": 4, "rules": "uniform", "search": 0, "device": "cpu"}
    assert compare.main(command_of([run], {**options, "out": tmp_path / "taken"})[3:]) == 2
    said = capsys.readouterr()
    assert "cannot write to the folder" in said.err and "Name another one with --out." in said.err and not said.out
    (tmp_path / "full" / "compare.md").mkdir(parents=True)  # where a file is to be
    assert compare.main(command_of([run], {**options, "out": tmp_path / "full"})[3:]) == 1
    said = capsys.readouterr()
    assert "| uniform" in said.out and "could not be written to" in said.err
    with pytest.raises(SystemExit, match="2"):
        compare.main([str(run), "--samples", "0"])
    assert "--samples 0" in capsys.readouterr().err


def test_explain_takes_a_selectors_folder_and_pictures_from_where_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_result(tmp_path)
    Image.fromarray(picture("validation", 0, 0).pixels).save(tmp_path / "one.png")
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = ["explain", run.name, "one.png", "which colour is the circle", "--keep", "5"]
    words += ["--device", "cpu", "--max-answer-tokens", "1"]
    command = explaining(build_parser().parse_args(words))
    monkeypatch.chdir("/")
    assert explain.main(command[3:]) == 0
    assert "read 5 of 64 tokens" in capsys.readouterr().out and (tmp_path / "explained.png").is_file()


def test_a_held_out_picture_smaller_than_the_budget_is_left_out_where_bad_ones_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "validation"):
        (tmp_path / f"{split}.jsonl").write_text(
            "".join(f'{{"image": "{k}.png", "question": "q{k}", "answer": "red"}}\n' for k in range(3))
        )
    for k, side in enumerate((64, 16, 64)):  # 64, 4 and 64 visual tokens
        Image.new("RGB", (side, side), (90, 40 * k, 0)).save(tmp_path / f"{k}.png")
    data = [f"data.dataset={tmp_path}", "data.resize=dynamic", "data.min_pixels=0"]
    for handling, code in (("skip", 0), ("error", 2)):
        run = make_result(tmp_path / handling, *data, f"data.bad_pictures={handling}")
        options = {"budgets": "1/2,8", "samples": 3, "rules": "uniform", "search": 0, "device": "cpu"}
        assert compare.main(command_of([run], options)[3:]) == code
        said = capsys.readouterr().err
        assert "the picture of question number 1 of" in said and "makes 4 visual tokens (16 x 16 px), and 8 are" in said
    assert read_comparison(tmp_path / "skip" / run.name / "compare").questions == 3
