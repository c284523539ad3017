"""The monitor's plain-value models: captions, rows, colours, timeline, time map, cursor, words, panels."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from arrcoc_gui.monitor.captions import parse_caption
from arrcoc_gui.monitor.colours import RunColours
from arrcoc_gui.monitor.cursor import TimeCursor
from arrcoc_gui.monitor.focus import focus_of_sweep
from arrcoc_gui.monitor.panels import choices, panel_specs
from arrcoc_gui.monitor.run_rows import build_rows, sweep_state
from arrcoc_gui.monitor.run_view import AttemptView, Reach, RunView
from arrcoc_gui.monitor.run_words import cancel_question, freshness, phase_lines, status_line
from arrcoc_gui.monitor.time_map import TimeMap
from arrcoc_gui.monitor.timeline import Mark, build_timeline, find_checkpoints, merge_marks

START = datetime(2026, 11, 22, 15, 20, tzinfo=UTC)


def a_run(run_id: str = "a", experiment: str = "quickstart", state: str = "running", **more: object) -> RunView:
    finished = state in ("succeeded", "failed", "cancelled")
    values = {
        "cause": "",
        "created_at": START,
        "started_at": START + timedelta(seconds=1),
        "ended_at": START + timedelta(seconds=61) if finished else None,
        "directory": Path("/nowhere"),
        "finished": finished,
    } | more
    return RunView(id=run_id, experiment=experiment, state=state, **values)  # type: ignore[arg-type]


class TestCaption:
    def test_the_trainer_s_form(self) -> None:
        caption = parse_caption("Q: what colour is the ring? | answer: red | right: Red | kept 4/64")
        assert caption.question == "what colour is the ring?"
        assert (caption.answer, caption.truth) == ("red", "Red")
        assert (caption.kept, caption.total) == (4, 64)
        assert caption.verdict is True and caption.verdict_word == "right"
        weighed = parse_caption(
            "Q: a? | answer: red | right: red | kept 4/64 | weights: propositional 0.06, other 0.94"
        )
        assert (weighed.total, weighed.verdict) == (64, True)
        assert weighed.weights == "weights: propositional 0.06, other 0.94"

    def test_a_wrong_answer(self) -> None:
        caption = parse_caption("Q: how many? | answer:  | right: 3 | kept 16/64")
        assert caption.verdict is False and caption.verdict_word == "wrong"

    def test_a_question_with_bars_and_colons(self) -> None:
        caption = parse_caption("Q: a | b: which? | answer: b | right: b | kept 1/4")
        assert caption.question == "a | b: which?" and caption.verdict is True

    @pytest.mark.parametrize("text", ["", "a sunset", "Q: x | answer: y"])
    def test_any_other_text_is_kept_whole_without_a_verdict(self, text: str) -> None:
        caption = parse_caption(text)
        assert caption.question == text and caption.verdict is None and caption.verdict_word == ""


class TestRows:
    def test_newest_first_and_sweeps_stand_once(self) -> None:
        runs = [
            a_run("d", "default", "succeeded", summary={"eval/accuracy": 0.9}),
            a_run("c", "quickstart/keep-4", "queued", sweep="s"),
            a_run("b", "quickstart/keep-2", "succeeded", sweep="s", summary={"eval/accuracy": 0.984}),
            a_run("a"),
        ]
        rows = build_rows(runs)
        assert [row.key for row in rows] == ["d", "sweep:s", "a"]
        sweep = rows[1]
        assert sweep.name == "quickstart" and sweep.value == "best 98.4 %" and sweep.state == "queued"
        assert [child.name for child in sweep.children] == ["keep-2", "keep-4"]
        assert sweep.fraction == pytest.approx(0.5)

    def test_the_value_is_accuracy_else_phase_else_a_dash(self) -> None:
        rows = build_rows(
            [
                a_run("a", summary={"eval/accuracy": 0.5}),
                a_run("b", reach=Reach("loading model", 0, 300)),
                a_run("c", state="failed"),
            ]
        )
        assert [row.value for row in rows] == ["50.0 %", "loading model", "—"]

    def test_where_several_people_answered_the_value_is_the_vqa_accuracy(self) -> None:
        by_people = {"eval/accuracy": 0.1, "eval/vqa_accuracy": 0.5}
        better = {"eval/accuracy": 0.0, "eval/vqa_accuracy": 0.625}
        runs = [a_run("b", "s/b", summary=better, sweep="s"), a_run("a", "s/a", summary=by_people, sweep="s")]
        sweep = build_rows(runs)[0]
        assert (sweep.value, sweep.note) == ("best 62.5 %", "VQA")
        assert (sweep.children[0].value, sweep.children[0].note) == ("50.0 %", "VQA")
        ended = [replace(run, state="succeeded") for run in runs]
        assert focus_of_sweep(ended) == "b"
        mixed = [a_run("c", "s/c", summary={"eval/accuracy": 0.2}, sweep="s"), *ended]
        assert (build_rows(mixed)[0].value, build_rows(mixed)[0].note) == ("best 20.0 %", "")

    def test_search_keeps_rows_with_every_word(self) -> None:
        runs = [a_run("a", "quickstart"), a_run("b", "default", "failed"), a_run("c", "s/keep-2", sweep="x")]
        assert [row.key for row in build_rows(runs, "failed DEF")] == ["b"]
        assert [row.key for row in build_rows(runs, "keep")] == ["sweep:x"]
        assert build_rows(runs, "nothing like it") == ()

    def test_a_sweep_s_state_is_what_is_still_going_on_then_the_worst(self) -> None:
        assert sweep_state(["succeeded", "running", "queued"]) == "running"
        assert sweep_state(["succeeded", "failed", "succeeded"]) == "failed"
        assert sweep_state(["succeeded", "succeeded"]) == "succeeded"


class TestColours:
    def test_kept_between_sessions_and_spread(self, tmp_path: Path) -> None:
        file = tmp_path / "colours.json"
        colours = RunColours(file)
        given = {run_id: colours.index(run_id) for run_id in "abcdefghij"}
        assert sorted(given.values()) == list(range(10))
        colours.save()
        again = RunColours(file)
        assert not again.assign("jihgfedcba")
        assert {run_id: again.index(run_id) for run_id in given} == given

    def test_a_damaged_table_means_new_colours(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        file = tmp_path / "colours.json"
        file.write_text("{")
        assert RunColours(file).index("a") == 0
        assert str(file) in caplog.text


class TestTimeline:
    def test_spans_without_gaps(self) -> None:
        attempts = [
            AttemptView(1, "preempted", "killed", START + timedelta(seconds=2), START + timedelta(seconds=20)),
            AttemptView(2, "running", None, START + timedelta(seconds=25), None),
        ]
        now = START + timedelta(seconds=40)
        line = build_timeline(START, None, attempts, [Mark(START.timestamp() + 15, 200)], now)
        assert [span.kind for span in line.spans] == ["waiting", "preempted", "waiting", "running"]
        assert all(a.end == b.start for a, b in zip(line.spans, line.spans[1:], strict=False))
        assert line.spans[-1].open and "resumed" in line.spans[-1].title
        assert "killed" in line.sentence() and "step 200" in line.sentence()
        there = line.span_at(START.timestamp() + 10)
        assert there is not None and there.kind == "preempted"

    def test_a_queued_run_waits_until_now(self) -> None:
        line = build_timeline(START, None, [], [], START + timedelta(seconds=3))
        assert [(span.kind, span.title) for span in line.spans] == [("waiting", "queued")]

    def test_a_launch_queue_is_a_stage_of_its_own(self) -> None:
        queued = START + timedelta(seconds=20)
        began = AttemptView(1, "running", None, START + timedelta(seconds=50), None)
        for attempts in ([], [began]):
            line = build_timeline(START, None, attempts, [], START + timedelta(seconds=90), queued_at=queued)
            assert [span.title for span in line.spans[:2]] == ["preparing", "in the Launch queue"]
            assert line.spans[1].start == queued.timestamp()
        assert line.spans[2].kind == "running"

    def test_an_ended_run_ends_with_its_last_attempt(self) -> None:
        end = START + timedelta(seconds=30)
        attempts = [AttemptView(1, "succeeded", None, START, end)]
        line = build_timeline(START, end, attempts, [], START + timedelta(days=3))
        assert line.end == end.timestamp()

    def test_checkpoints_on_disk_and_pruned(self, tmp_path: Path) -> None:
        for step, committed in ((100, True), (200, True), (300, False)):
            folder = tmp_path / "checkpoints" / f"step-{step:08d}"
            folder.mkdir(parents=True)
            if committed:
                (folder / "COMMITTED").touch()
        found = find_checkpoints(tmp_path)
        assert [mark.step for mark in found] == [100, 200]
        assert [mark.step for mark in merge_marks([Mark(1.0, 50), Mark(2.0, 100)], found)] == [50, 100, 200]


class TestTime:
    def test_step_to_time_and_back(self) -> None:
        line = TimeMap(np.array([0, 10, 20]), np.array([100.0, 110.0, 140.0]))
        assert line.time_of(15) == pytest.approx(125.0)
        assert line.step_of(139.9) == 10 and line.step_of(140.0) == 20
        assert line.step_of(0.0) == 0 and line.time_of(99) == 140.0

    def test_no_rows_no_answer(self) -> None:
        assert TimeMap.empty().time_of(3) is None and TimeMap.empty().step_of(3) is None

    def test_one_cursor_for_both(self, qtbot: object) -> None:
        cursor = TimeCursor()
        moves: list[tuple[float | None, float | None]] = []
        cursor.moved.connect(lambda: moves.append((cursor.step, cursor.time)))
        cursor.set_map(TimeMap(np.array([0, 10]), np.array([100.0, 110.0])))
        assert cursor.following
        cursor.set_step(5)
        cursor.set_step(5)
        cursor.set_time(110.0)
        cursor.follow()
        assert moves == [(5, 105.0), (10, 110.0), (None, None)] and cursor.following

    def test_a_step_asked_for_before_its_row_gets_its_time_with_it(self, qtbot: object) -> None:
        cursor = TimeCursor()
        cursor.set_step(4)
        moves: list[float | None] = []
        cursor.moved.connect(lambda: moves.append(cursor.time))
        cursor.set_map(TimeMap(np.array([0, 10]), np.array([100.0, 110.0])))
        cursor.set_map(TimeMap(np.array([0, 10, 20]), np.array([100.0, 110.0, 120.0])))
        assert moves == [104.0]


class TestWords:
    def test_status_of_a_live_run(self) -> None:
        run = a_run(reach=Reach("training", 120, 300, 390.0, 72.0))
        assert status_line(run) == "training · step 120 of 300 · 1 min 12 s left · 390 samples/s"
        assert status_line(a_run(reach=Reach("loading model", 0, 300))) == "loading model"
        assert status_line(a_run(state="queued")).startswith("queued · starts when")

    def test_status_of_an_ended_run_names_its_cause(self) -> None:
        assert status_line(a_run(state="failed", cause="out of memory")) == "failed · took 1 min · out of memory"

    def test_phases_up_to_the_present_one(self) -> None:
        lines = phase_lines(a_run(reach=Reach("preparing data", 0, 300)))
        assert [line.state for line in lines] == ["done", "done", "done", "now", "later", "later"]
        assert phase_lines(a_run(state="queued"))[0].state == "now"

    def test_cancel_says_what_remains(self) -> None:
        run = a_run("a", "s/keep-2", sweep="s")
        runs = [run, a_run("b", "s/keep-4", "queued", sweep="s"), a_run("c", "s/keep-8", "succeeded", sweep="s")]
        question = cancel_question(run, [Mark(1.0, 200)], runs)
        assert "step 200" in question.text and "1 other run" in question.text and question.rest == 2
        assert "nothing is lost" in cancel_question(runs[1], [], runs).text
        assert cancel_question(replace(run, sweep=None), [], runs).rest == 0

    def test_freshness(self) -> None:
        assert freshness(99.7, 100.0, live=True) == "0.3 s behind"
        assert freshness(None, 100.0, live=True) == "no rows yet"
        assert freshness(10.0, 400.0, live=True) == "6 min 30 s since the last row"
        assert freshness(99.7, 100.0, live=False) == ""


class TestPanels:
    MAIN = "eval/accuracy"
    NAMES = ("eval/accuracy", "eval/accuracy_full", "my/metric", "perf/step_s", "tokens/kept", "train/loss")

    def test_known_first_then_by_name_references_and_constants_hidden(self) -> None:
        assert [spec.metric for spec in panel_specs(self.NAMES, {}, self.MAIN)] == [
            "train/loss",
            "perf/step_s",
            "my/metric",
        ]

    def test_the_user_s_choice_wins(self) -> None:
        chosen = {"tokens/kept": True, "train/loss": False}
        metrics = [spec.metric for spec in panel_specs(self.NAMES, chosen, self.MAIN)]
        assert "tokens/kept" in metrics and "train/loss" not in metrics

    def test_everything_logged_can_be_chosen(self) -> None:
        assert set(choices(self.NAMES, self.MAIN)) == set(self.NAMES) - {self.MAIN}

    def test_beside_the_vqa_accuracy_exact_matches_are_one_of_the_panels(self) -> None:
        by_people = ("eval/vqa_accuracy", "eval/vqa_accuracy_full", "eval/vqa_accuracy_by_question/how_many")
        panels = panel_specs((*self.NAMES[:2], *by_people), {}, by_people[0])
        assert [spec.metric for spec in panels] == ["eval/accuracy", by_people[2]]
