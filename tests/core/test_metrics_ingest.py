"""From files to columns: incremental, stitched, safe for many readers and one writer at a time."""

from __future__ import annotations

import math
import queue
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from wandb_files import history, output, stats, write_segment

from arrcoc_core.errors import MetricsError
from arrcoc_core.metrics import Follower, ingest, open_metrics
from arrcoc_core.metrics.cache import locked


def rows(first: int, last: int, scale: float = 1.0) -> list[dict[str, float]]:
    return [{"trainer/step": i, "train/loss": scale / (i + 1), "n": i} for i in range(first, last)]


def test_rows_come_back_sorted_whole_numbers_as_ints(tmp_path: Path) -> None:
    write_segment(tmp_path, rows(0, 5))
    metrics = open_metrics(tmp_path)
    assert metrics.names == ["n", "train/loss"]
    assert metrics.columns() == ["trainer/step", "n", "train/loss"]
    assert list(metrics.rows()) == [{"trainer/step": i, "n": i, "train/loss": 1 / (i + 1)} for i in range(5)]
    assert metrics.config == {"seed": 7}
    assert (metrics.first_time, metrics.last_time, metrics.steps) == (1_000.0, 1_004.0, 5)
    assert metrics.last("n") == 4.0
    assert metrics.last("no such metric") is None


def test_a_run_without_files_is_empty_and_fills_later(tmp_path: Path) -> None:
    metrics = open_metrics(tmp_path)
    series = metrics.series("train/loss")
    assert len(series) == 0
    assert metrics.names == []
    write_segment(tmp_path, rows(0, 3))
    assert metrics.refresh(ingest_first=True)
    assert series is metrics.series("train/loss")
    assert series.step.tolist() == [0, 1, 2]
    assert not metrics.refresh(ingest_first=True)


def test_reading_a_growing_file_in_pieces_equals_reading_it_whole(tmp_path: Path) -> None:
    whole = write_segment(tmp_path / "whole", rows(0, 2_000)).read_bytes()
    path = write_segment(tmp_path / "grows", [])
    path.write_bytes(b"")
    live = open_metrics(tmp_path / "grows")
    loss = live.series("train/loss")
    smooth = loss.smoothed(0.9)
    assert len(smooth) == 0
    chance, end, total = random.Random(4), 0, 0
    while end < len(whole):
        end = min(len(whole), end + chance.randrange(1, 40_000))
        path.write_bytes(whole[:end])
        total += ingest(tmp_path / "grows").rows
        live.refresh()
        assert loss.step.tolist() == list(range(total))
        assert len(loss.pyramid) == len(loss.smoothed(0.9)) == total
    want = open_metrics(tmp_path / "whole")
    assert list(live.rows()) == list(want.rows())
    assert np.allclose(loss.smoothed(0.9), want.series("train/loss").smoothed(0.9), rtol=1e-12, atol=0)


def test_a_resumed_run_holds_every_step_once_and_the_last_write_wins(tmp_path: Path) -> None:
    write_segment(tmp_path, rows(0, 100), start=1_000, finished=False)
    metrics = open_metrics(tmp_path)
    series, n = metrics.series("train/loss"), metrics.series("n")
    assert series.pyramid.range(0, 100)[1] == 1.0
    write_segment(tmp_path, rows(60, 90, scale=2.0), start=2_000, finished=False)
    metrics.refresh(ingest_first=True)
    assert series.step.tolist() == list(range(100))
    want = np.array([(2.0 if 60 <= i < 90 else 1.0) / (i + 1) for i in range(100)])
    assert (series.value == want).all()
    assert (series.rewritten, n.rewritten) == (1, 0)  # the same value again is no change
    write_segment(tmp_path, rows(85, 130, scale=3.0), start=3_000)
    metrics.refresh(ingest_first=True)
    assert metrics.steps == 130
    assert series.step.tolist() == list(range(130))
    assert series.value[85] == 3.0 / 86
    assert series.pyramid.range(0, 130) == (float(series.value.min()), float(series.value.max()))
    assert (np.diff(series.clock) >= 0).all()
    fresh = open_metrics(tmp_path)
    assert list(fresh.rows()) == list(metrics.rows())
    assert metrics.attempts == [(1_000.0, 100), (2_000.0, 30), (3_000.0, 45)]


def test_rows_that_a_kill_swallowed_are_put_in_between(tmp_path: Path) -> None:
    write_segment(tmp_path, [*rows(0, 40), *rows(50, 60)], start=1_000, finished=False)
    metrics = open_metrics(tmp_path)
    series = metrics.series("train/loss")
    held = series.value
    write_segment(tmp_path, rows(35, 70), start=2_000)
    metrics.refresh(ingest_first=True)
    assert series.step.tolist() == list(range(70))
    assert len(held) == 50  # who holds the arrays from before keeps them whole
    assert held[-1] == 1 / 60


def test_late_bytes_of_an_earlier_attempt_do_not_win(tmp_path: Path) -> None:
    path = write_segment(tmp_path, rows(0, 50), start=1_000, finished=False)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    metrics = open_metrics(tmp_path)
    write_segment(tmp_path, rows(10, 40, scale=5.0), start=2_000)
    metrics.refresh(ingest_first=True)
    path.write_bytes(whole)
    metrics.refresh(ingest_first=True)
    series = metrics.series("train/loss")
    assert series.step.tolist() == list(range(50))
    assert (series.value[10:40] == 5.0 / (np.arange(10, 40) + 1)).all()
    assert (series.value[40:] == 1.0 / (np.arange(40, 50) + 1)).all()


def test_a_step_logged_twice_in_one_attempt_is_one_row(tmp_path: Path) -> None:
    write_segment(tmp_path, [{"trainer/step": 1, "a": 1}, {"trainer/step": 1, "b": 2}, {"trainer/step": 1, "a": 3}])
    assert list(open_metrics(tmp_path).rows()) == [{"trainer/step": 1, "a": 3, "b": 2}]


def test_nan_infinity_text_and_large_integers_are_kept(tmp_path: Path) -> None:
    row = {"trainer/step": 0, "nan": math.nan, "up": math.inf, "down": -math.inf, "word": "é", "big": 2**60 + 1}
    write_segment(tmp_path, [{**row, "none": None, "flag": True, "list": [1]}])
    metrics = open_metrics(tmp_path)
    (got,) = metrics.rows()
    assert math.isnan(float(got.pop("nan") or 0))
    assert got == {
        "trainer/step": 0,
        "up": math.inf,
        "down": -math.inf,
        "word": "é",
        "big": 2**60 + 1,
        "none": None,
        "flag": True,
    }
    assert metrics.series("nan").pyramid.gaps.tolist() == [0]


def test_without_trainer_step_wandbs_own_step_is_the_key(tmp_path: Path) -> None:
    write_segment(tmp_path, [{"a": 5.5}, {"a": 6.5}])
    assert list(open_metrics(tmp_path).rows()) == [{"trainer/step": 0, "a": 5.5}, {"trainer/step": 1, "a": 6.5}]


def picture(step: int, key: str, file: str, caption: str) -> dict[object, object]:
    return {
        "trainer/step": step,
        (key, "_type"): "image-file",
        (key, "path"): f"media/images/{file}",
        (key, "caption"): caption,
        (key, "width"): 64,
        (key, "size"): 999,
    }


def test_pictures_with_captions_the_last_of_a_step_counts(tmp_path: Path) -> None:
    write_segment(tmp_path, [picture(0, "pictures/0", "a.png", "Q: one"), picture(5, "pictures/0", "b.png", "Q: two")])
    metrics = open_metrics(tmp_path)
    write_segment(tmp_path, [picture(5, "pictures/0", "c.png", "Q: again")], start=2_000)
    metrics.refresh(ingest_first=True)
    media = metrics.media()
    assert [(one.step, one.key, one.caption) for one in media] == [
        (0, "pictures/0", "Q: one"),
        (5, "pictures/0", "Q: again"),
    ]
    assert media[1].path == tmp_path / "wandb/wandb/offline-run-2000-r1/files/media/images/c.png"
    assert metrics.names == []


def test_parts_of_objects_are_no_metrics(tmp_path: Path) -> None:
    row = {
        "trainer/step": 3,
        ("h", "_type"): "histogram",
        ("h", "values"): [1, 2],
        ("h", "bins"): [0.0, 0.5, 1.0],
        ("table", "_type"): "table-file",
        ("table", "path"): "media/table/t.table.json",
        ("table", "nrows"): 7,
        ("in", "size"): 4,
    }
    write_segment(tmp_path, [row, {**row, "trainer/step": 4, ("h", "values"): [5, 6]}])
    metrics = open_metrics(tmp_path)
    assert metrics.columns() == ["trainer/step", "in.size"]
    assert list(metrics.rows()) == [{"trainer/step": step, "in.size": 4} for step in (3, 4)]
    found = [(one.step, one.key, one.counts, one.edges) for one in metrics.histograms()]
    assert found == [(3, "h", (1, 2), (0.0, 0.5, 1.0)), (4, "h", (5, 6), (0.0, 0.5, 1.0))]


def test_console_lines_and_system_metrics(tmp_path: Path) -> None:
    pieces = ["epoch 1\nhalf", " a line\n", "10 %\r50 %\r100 %\n", "open"]
    extra = [output(50 + i, text, 100.5 + i) for i, text in enumerate(pieces)]
    extra += [output(70, "wrong\n", 104.0, stream=0), stats(71, {"cpu": 12.5}, 200.0), stats(72, {"cpu": 13.5}, 202.0)]
    write_segment(tmp_path, rows(0, 1), extra=extra)
    metrics = open_metrics(tmp_path)
    assert [line.text for line in metrics.console()] == ["epoch 1", "half a line", "100 %", "wrong", "open"]
    assert metrics.console()[1].time == 100.5
    assert metrics.console()[3].stream == "stderr"
    assert metrics.system_names == ["cpu"]
    assert metrics.system("cpu").value.tolist() == [12.5, 13.5]
    assert metrics.system("cpu").step.tolist() == [200_000, 202_000]


def test_the_cache_is_made_anew_when_it_is_gone_wrong_or_of_another_file(tmp_path: Path) -> None:
    path = write_segment(tmp_path, rows(0, 50))
    metrics = open_metrics(tmp_path)
    series = metrics.series("train/loss")
    (tmp_path / "metrics" / "index.json").write_text('{"version": 0}')
    assert metrics.refresh(ingest_first=True)
    assert series.step.tolist() == list(range(50))
    shutil.rmtree(tmp_path / "metrics")
    metrics.refresh(ingest_first=True)
    assert series.step.tolist() == list(range(50))
    path.unlink()
    write_segment(tmp_path, rows(0, 10))
    metrics.refresh(ingest_first=True)
    assert series.step.tolist() == list(range(10))
    assert len(series.pyramid) == 10


def test_a_writer_that_died_half_way_is_written_over(tmp_path: Path) -> None:
    path = write_segment(tmp_path, [{**one, "word": "w"} for one in rows(0, 30)], finished=False)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    ingest(tmp_path)
    saved = (tmp_path / "metrics" / "index.json").read_bytes()
    path.write_bytes(whole)
    ingest(tmp_path)
    (tmp_path / "metrics" / "index.json").write_bytes(saved)  # as if it had died before the commit
    metrics = open_metrics(tmp_path)
    assert [row["trainer/step"] for row in metrics.rows()] == list(range(30))
    assert all(row["word"] == "w" for row in metrics.rows())


def test_a_locked_cache_is_read_as_it_is(tmp_path: Path) -> None:
    write_segment(tmp_path, rows(0, 5))
    ingest(tmp_path)
    write_segment(tmp_path, rows(5, 9), start=2_000)
    with locked(tmp_path / "metrics", 0.0) as held:
        assert held
        result = ingest(tmp_path, wait_s=0.0)
        assert result.busy
        assert result.steps == 5
    assert ingest(tmp_path).steps == 9


def test_many_processes_read_one_run_at_once(tmp_path: Path) -> None:
    write_segment(tmp_path, rows(0, 5_000))
    code = f"from arrcoc_core.metrics import open_metrics; print(open_metrics({str(tmp_path)!r}).steps)"
    children = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [child.communicate()[0].strip() for child in children] == ["5000"] * 3


def test_a_file_that_is_no_log_is_an_error(tmp_path: Path) -> None:
    path = write_segment(tmp_path, rows(0, 1))
    path.write_bytes(b"something else entirely")
    with pytest.raises(MetricsError, match="not a W&B transaction log"):
        open_metrics(tmp_path)


def test_the_follower_reads_several_runs_and_goes_on(tmp_path: Path) -> None:
    lines: queue.Queue[dict[str, object]] = queue.Queue()
    paths = {name: write_segment(tmp_path / name, rows(0, 10), finished=False) for name in ("a", "b")}
    with Follower(lines.put) as follower:
        for name in paths:
            follower.watch(tmp_path / name)
        seen = {str(lines.get(timeout=30)["run"]) for _ in paths}
        assert seen == {str((tmp_path / name).resolve()) for name in paths}
        write_segment(tmp_path / "a", rows(0, 25), extra=[history(99, {"trainer/step": 99, "late": 1}, 99)])
        line = lines.get(timeout=30)
        assert line["rows"] == 16
        assert line["steps"] == 26
        assert "late" in line["changed"]  # type: ignore[operator]
    assert open_metrics(tmp_path / "a", refresh=False).steps == 26
